# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What XAPI does now and then by itself: links whose other end is gone are removed, repositories scanned."""

from __future__ import annotations

import asyncio
from typing import Any

from lab import serving
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.registry import HANDLERS
from lab.repositories import leftovers, scanning
from lab.storage.memory import MemoryDisks
from lab.values import NULL
from lab.world import Call, Settings, World

GONE = "OpaqueRef:00000000-0000-0000-0000-00000000dead"


def swept(**fields: Any) -> tuple[World, str]:
    """A fresh lab with one VBD with these fields, after a sweep."""

    async def scenario() -> tuple[World, str]:
        lab = await serving.open_lab(Settings(), MemoryDisks(), SimulatedHypervisor(False))
        world = lab.worlds[0]
        known = {"VM": next(world.database.all("VM")).ref, "VDI": next(world.database.all("VDI")).ref, "type": "Disk"}
        vbd = world.database.create("VBD", {**known, "empty": False, **fields})
        leftovers.sweep(world)
        await lab.close(destroy_guests=True)
        return world, vbd

    return asyncio.run(scenario())


def test_vbd_with_both_ends_stays() -> None:
    world, vbd = swept()
    assert world.database.exists("VBD", vbd)


def test_vbd_without_vm_or_disk_goes() -> None:
    for fields in ({"VM": GONE}, {"VDI": GONE}):
        world, vbd = swept(**fields)
        assert not world.database.exists("VBD", vbd)


def test_drive_without_its_disc_gets_empty() -> None:
    world, vbd = swept(VDI=GONE, type="CD")
    record = world.database.get("VBD", vbd)
    assert (record["empty"], record["VDI"]) == (True, NULL)


def test_tasks_go_that_were_destroyed_before_their_end() -> None:
    async def scenario() -> list[str]:
        """The tasks that are left after a sweep."""
        lab = await serving.open_lab(Settings(), MemoryDisks(), SimulatedHypervisor(False))
        world = lab.worlds[0]
        for label, status, doomed in (
            ("kept", "success", False),
            ("ended", "failure", True),
            ("runs", "pending", True),
        ):
            operations = {"task": "destroy"} if doomed else {}
            world.database.create("task", {"name_label": label, "status": status, "current_operations": operations})
        leftovers.sweep(world)
        await lab.close(destroy_guests=True)
        return [record["name_label"] for record in world.database.all("task")]

    assert asyncio.run(scenario()) == ["kept", "runs"]


def test_repositories_are_scanned_that_ask_for_it() -> None:
    async def scenario() -> dict[str, bool]:
        """Whether the disks of a repository, by what it asks for, are still read-only after a round."""
        lab = await serving.open_lab(Settings(), MemoryDisks(), SimulatedHypervisor(False))
        world, found = lab.worlds[0], {}
        sr = next(record.ref for record in world.database.all("SR") if record["type"] == "ext")
        for key, value in (("auto-scan", "false"), ("auto-scan", "true"), ("dirty", "")):
            fields = {"SR": sr, "virtual_size": 1, "type": "user", "read_only": True}
            vdi = await HANDLERS["VDI.create"](Call(world, "VDI.create"), fields)
            world.database.set("SR", sr, other_config={key: value})
            await scanning.scan_all(world)
            found[f"{key}={value}"] = world.database.get("VDI", vdi)["read_only"]
        await lab.close(destroy_guests=True)
        return found

    assert asyncio.run(scenario()) == {"auto-scan=false": True, "auto-scan=true": False, "dirty=": False}
