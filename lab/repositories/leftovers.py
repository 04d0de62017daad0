# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links whose other end is gone, and tasks that are to go: removed now and then, as XAPI does."""

from __future__ import annotations

import asyncio

from lab import tasks
from lab.database import Record
from lab.values import NULL
from lab.world import World

#: Seconds from one sweep to the next.
INTERVAL = 30.0


async def sweep_now_and_then(world: World) -> None:
    """Sweep for as long as the lab runs."""
    while True:
        await asyncio.sleep(INTERVAL)
        sweep(world)


def sweep(world: World) -> None:
    """Remove VBDs without VM or disk and PBDs without host or repository; a drive whose disc is gone gets empty."""
    for vbd in world.database.all("VBD"):
        if not world.database.exists("VM", vbd["VM"]):
            _remove_vbd(world, vbd)
        elif not vbd["empty"] and not world.database.exists("VDI", vbd["VDI"]):
            _without_disk(world, vbd)
    for pbd in world.database.all("PBD"):
        if not (world.database.exists("host", pbd["host"]) and world.database.exists("SR", pbd["SR"])):
            world.database.delete("PBD", pbd.ref)
            world.refresh("SR", pbd["SR"])
    tasks.remove_doomed(world)
    world.settle()


def _without_disk(world: World, vbd: Record) -> None:
    if vbd["type"] != "CD":
        _remove_vbd(world, vbd)
        return
    world.database.set("VBD", vbd.ref, VDI=NULL, empty=True)
    world.refresh("VBD", vbd.ref)


def _remove_vbd(world: World, vbd: Record) -> None:
    if world.database.exists("VBD_metrics", vbd["metrics"]):
        world.database.delete("VBD_metrics", vbd["metrics"])
    world.database.delete("VBD", vbd.ref)
