# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Old layers go from the overlay disk; the one in use never does."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers import overlay_layers
from tests.support.guest import MASTER_ID, Instance, run_guest_module
from tests.support.killing import killed_at
from tests.support.mounts import why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
OLD, OLDER = "11f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a02", "22f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a03"


def make_layers(directory: Path) -> Instance:
    """An instance that has run on three versions; a rebase was killed."""
    instance = Instance(directory)
    layers = instance.overlay / "layers"
    for name in (OLD, OLDER, "33f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a04.new"):
        (layers / name / "upper" / "etc").mkdir(parents=True)
        (layers / name / "upper" / "etc" / "big").write_text("x" * 100_000)
        os.mknod(layers / name / "upper" / "etc" / "gone", 0o020000, os.makedev(0, 0))
    (layers / MASTER_ID / "origin").write_text(f"from={OLD}\nrequest=r-1\n")
    return instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return make_layers(tmp_path)


def names(instance: Instance) -> list[str]:
    return sorted(path.name for path in (instance.overlay / "layers").iterdir())


def test_all_but_the_current_one(instance: Instance) -> None:
    before = names(instance)
    look = instance.run("overlay_layer", check=True, all_but=["current"])
    assert names(instance) == before
    done = instance.run("overlay_layer", diff=True, all_but=["current"])
    assert names(instance) == [MASTER_ID]
    assert look.data | {"invocation": None} == done.data | {"invocation": None}
    assert (done["changed"], done["removed"]) == (True, [OLD, OLDER, "33f2a7f0-51b1-4d2f-9f3e-1d7e2d9f6a04.new"])
    assert done["bytes"] >= 300_000
    assert done["diff"]["after"] == {"layers": [MASTER_ID], "leftovers": []}
    again = instance.run("overlay_layer", all_but=["current"])
    assert (again["changed"], again["removed"], again["bytes"]) == (False, [], 0)


def test_one_of_them(instance: Instance) -> None:
    instance.run("overlay_layer", all_but=["current", OLD, OLDER])
    assert instance.run("overlay_layer", master_id=OLDER)["removed"] == [OLDER]
    assert names(instance) == sorted([MASTER_ID, OLD])
    assert not instance.run("overlay_layer", master_id=OLDER)["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"master_id": MASTER_ID}, "runs on the layer of master"),
        ({"all_but": [OLD[:-1] + "f"]}, "which all_but says to keep. There are: 11f2a7f0"),
        ({}, "one of the following is required: master_id, all_but"),
        ({"master_id": OLD, "all_but": []}, "mutually exclusive"),
    ],
)
def test_what_is_refused(instance: Instance, options: dict[str, Any], words: str) -> None:
    before = names(instance)
    done = instance.run("overlay_layer", **options)
    assert done.failed
    assert words in done.msg
    assert names(instance) == before


@pytest.mark.parametrize("module", ["overlay_layer_info", "overlay_layer"])
def test_only_in_an_instance(module: str) -> None:
    done = run_guest_module(module, **({} if module.endswith("_info") else {"all_but": ["current"]}))
    assert done.failed
    assert "not a running Skinnybox instance" in done.msg


def test_killed_at_every_step_and_run_again(tmp_path: Path) -> None:
    for number in itertools.count(1):
        instance = make_layers(tmp_path / str(number))
        if not killed_at(number, lambda: overlay_layers.remove_layers(str(instance.overlay), [OLD, OLDER])):  # noqa: B023
            break
        for layer in overlay_layers.list_layers(str(instance.overlay), MASTER_ID):
            assert layer.current or layer.files == 3  # whole, or not there
        done = instance.run("overlay_layer", all_but=["current"])
        assert not done.failed, done.msg
        assert names(instance) == [MASTER_ID]
        shutil.rmtree(tmp_path / str(number))
    assert number > 8
