# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module overlay_disk_info against a lab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ansible import run_module
from tests.support.lab import Lab
from tests.support.state import find_disk, find_vm


@pytest.mark.usefixtures("master")
def test_overlays_with_and_without_vm(lab: Lab) -> None:
    created = run_module(lab, "vm_pool", name="web", size=2, master="noble", overlay={"size": "64 MiB"})
    assert not created.failed, created.msg
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-002"))
    lab.xapi.VM.destroy(find_vm(lab, "web-002"))
    lab.reset_calls()
    found = run_module(lab, "overlay_disk_info", query="overlay_disks[?orphan].instance")
    assert lab.writes() == []
    assert lab.calls()["total"] <= 15
    assert found["result"] == ["web-002"]
    first, second = found["overlay_disks"]
    expected: dict[str, Any] = {
        "instance": "web-001",
        "number": 1,
        "pool": "web",
        "uuid": lab.xapi.VDI.get_uuid(find_disk(lab, "web-001 overlay")),
        "size": 64 << 20,
        "used": first["used"],
        "sr": "Local storage",
        "on_boot": "persist",
        "master": "noble",
        "version": 1,
        "power_state": "Running",
        "attached": True,
        "kept": False,
        "orphan": False,
        "chain_depth": 1,
        "snapshots": [],
        "disks": [],
    }
    assert first == expected
    assert (second["power_state"], second["attached"]) == (None, False)
    assert run_module(lab, "overlay_disk_info", instance="web-001")["overlay_disks"] == [first]
    assert run_module(lab, "overlay_disk_info", instance="web-001", pool="db")["overlay_disks"] == []
