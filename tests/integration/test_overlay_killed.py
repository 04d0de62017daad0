# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kill matrix of overlays: snapshots, reverts, resets, and scale-in that keeps them and scale-out that uses them.

A module dies after each of its writes and is run again. What it leaves when it dies before one is what it leaves when
it dies after the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MATRIX
from tests.integration.test_killed import Way, kill_everywhere
from tests.support.ansible import run_module
from tests.support.gate import gate_of
from tests.support.lab import Lab
from tests.support.overlays import write, written
from tests.support.state import find_disk

pytestmark = [pytest.mark.usefixtures("master"), pytest.mark.matrix]

POOL: dict[str, Any] = {
    "name": "web",
    "size": 1,
    "master": "noble",
    "overlay": {"size": "64 MiB"},
    "power_state": "halted",
}


def overlay(state: str, **options: Any) -> Way:
    return Way({"instance": "web-001", "state": state, **options}, "overlay_disk")


@pytest.mark.parametrize(
    ("ways", "died", "text"),
    [
        (
            [overlay("snapshot", snapshot="x"), overlay("absent", snapshot="x")],
            {"VDI.add_to_other_config", "Async.VDI.snapshot", "VDI.set_other_config", "Async.VDI.destroy"},
            "later",
        ),
        (
            [overlay("reverted")],
            {"Async.VDI.clone", "VDI.set_other_config", "Async.VBD.destroy", "VBD.create", "Async.VDI.destroy"},
            "first",
        ),
        (
            [overlay("reset")],
            {"Async.VDI.create", "PUT /import_raw_vdi", "Async.VBD.destroy", "VBD.create", "Async.VDI.destroy"},
            "",
        ),
    ],
    ids=["snapshot", "reverted", "reset"],
)
def test_overlay_disk(
    lab: Lab, ways: list[Way], died: set[str], text: str, record_property: Callable[[str, object], None]
) -> None:
    assert not run_module(lab, "vm_pool", **POOL).failed
    write(lab, find_disk(lab, "web-001 overlay"), "first")
    assert not run_module(lab, "overlay_disk", instance="web-001", state="snapshot", snapshot="always").failed
    write(lab, find_disk(lab, "web-001 overlay"), "later")
    with gate_of(lab) as gate:
        points = kill_everywhere(gate, "after", ways, idempotent=len(ways) > 1)
    assert {point.call for point in points} >= died
    assert written(lab, find_disk(lab, "web-001 overlay")) == text
    record_property(MATRIX + "kill", len(points))


def test_overlays_that_are_kept_and_used_again(lab: Lab, record_property: Callable[[str, object], None]) -> None:
    options = {**POOL, "disks": [{"name": "logs", "size": "2 MiB"}], "swap": "1 MiB"}
    out, scaled_in = {**options, "size": 2}, {**options, "scale_in": {"overlays": "keep"}}
    assert not run_module(lab, "vm_pool", **out).failed
    for disk in ("overlay", "logs"):
        lab.xapi.VDI.set_name_description(find_disk(lab, f"web-002 {disk}"), "the first one")
    with gate_of(lab) as gate:
        points = kill_everywhere(gate, "after", [Way(scaled_in), Way(out)])
    for disk in ("overlay", "logs"):
        assert lab.xapi.VDI.get_name_description(find_disk(lab, f"web-002 {disk}")) == "the first one"
    assert {point.call for point in points} >= {"VDI.add_to_other_config", "Async.VM.destroy", "VBD.create"}
    record_property(MATRIX + "kill", len(points))
