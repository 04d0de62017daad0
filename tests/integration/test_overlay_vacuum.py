# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A vacuum is asked for in the instance, done by a boot, and its result told afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import vacuum
from tests.support.guest import Instance, run_guest_module
from tests.support.mounts import why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """It has a needless copy of 100 KB, and a file of its own."""
    instance = Instance(tmp_path)
    for root in (instance.master, instance.upper):
        (root / "copy").write_text("x" * 100_000)
    (instance.upper / "own").write_text("own")
    return instance


def boot(instance: Instance) -> None:
    arguments = ["--overlay", str(instance.overlay), "--master", str(instance.master), "--id", instance.master_id]
    assert vacuum.main(arguments) == 0


def test_from_the_request_to_the_result(instance: Instance) -> None:
    with instance.running():
        look = instance.run("overlay_vacuum", check=True, diff=True)
        assert not (instance.layer / vacuum.REQUEST).exists()
        asked = instance.run("overlay_vacuum", diff=True)
        assert asked.data | {"invocation": None} == look.data | {"invocation": None}
        assert (asked["changed"], asked["requested"], asked["found"]["copies"]) == (True, True, 1)
        assert asked["found"]["bytes"] >= 100_000
        assert asked["diff"]["after"]["requested"]
        assert not instance.run("overlay_vacuum")["changed"]
    boot(instance)
    done = instance.run("overlay_vacuum_info")
    assert not done["requested"]
    assert (done["last"]["bytes"], done["last"]["done"]) == (asked["found"]["bytes"], True)
    assert done["found"]["bytes"] == 0
    assert [path.name for path in instance.upper.iterdir()] == ["own"]
    again = instance.run("overlay_vacuum")
    assert (again["changed"], again["requested"]) == (False, False)  # there is nothing to do


def test_a_request_is_taken_back(instance: Instance) -> None:
    instance.run("overlay_vacuum")
    assert instance.run("overlay_vacuum", state="absent", check=True)["changed"]
    assert (instance.layer / vacuum.REQUEST).exists()
    assert instance.run("overlay_vacuum", state="absent")["changed"]
    assert not (instance.layer / vacuum.REQUEST).exists()
    assert not instance.run("overlay_vacuum", state="absent")["changed"]


def test_a_layer_of_another_overlay_is_refused(instance: Instance) -> None:
    os.setxattr(instance.upper / "copy", "trusted.overlay.metacopy", b"")
    done = instance.run("overlay_vacuum")
    assert done.failed
    assert "metacopy" in done.msg
    assert not (instance.layer / vacuum.REQUEST).exists()


@pytest.mark.parametrize("module", ["overlay_vacuum", "overlay_vacuum_info"])
def test_only_in_an_instance(module: str) -> None:
    done = run_guest_module(module)
    assert done.failed
    assert "not a running Skinnybox instance" in done.msg
