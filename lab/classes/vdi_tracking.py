# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: changed block tracking."""

from __future__ import annotations

import asyncio

from lab.classes import vdi as images
from lab.errors import Failure, internal
from lab.registry import implements
from lab.repositories import collector, space, tracking
from lab.world import Call

#: Seconds that a disk's VBDs have to go before its data is destroyed.
PATIENCE = 4.0


@implements("VDI.enable_cbt")
async def enable_cbt(call: Call, vdi: str) -> None:
    async with images.working(call, vdi, "enable_cbt") as record:
        if not record["cbt_enabled"]:
            await tracking.start(call.world, record)
            call.db.set("VDI", vdi, cbt_enabled=True)


@implements("VDI.disable_cbt")
async def disable_cbt(call: Call, vdi: str) -> None:
    async with images.working(call, vdi, "disable_cbt") as record:
        if record["cbt_enabled"]:
            await tracking.stop(call.world, record)
            call.db.set("VDI", vdi, cbt_enabled=False)
            collector.kick(call.world, record["SR"])


@implements("VDI.data_destroy")
async def data_destroy(call: Call, vdi: str) -> None:
    """Leave nothing of a snapshot but the log of what had changed before it."""
    async with images.working(call, vdi, "data_destroy") as record:
        kind = record["type"]
        if kind == "cbt_metadata":
            return
        # so that nobody makes VBDs of it from now on
        call.db.set("VDI", vdi, type="cbt_metadata")
        try:
            await _vbds_gone(call, vdi)
        except Failure:
            call.db.set("VDI", vdi, type=kind)
            raise
        async with collector.layers(call.world, record["SR"]):
            await call.world.disks.destroy(record["uuid"])
        call.db.drop("VDI", vdi, "sm_config", "vhd-parent")
        call.db.set("VDI", vdi, physical_utilisation=await tracking.log_size(call.world, record))
        space.add_up(call.world, record["SR"])
        collector.kick(call.world, record["SR"])


async def _vbds_gone(call: Call, vdi: str) -> None:
    """Wait until the disk has no VBD. Raises VDI_IN_USE after a while."""
    clock = asyncio.get_running_loop().time
    end = clock() + PATIENCE
    while call.db.get("VDI", vdi)["VBDs"]:
        left = end - clock()
        if left <= 0:
            raise Failure("VDI_IN_USE", vdi, "data_destroy")
        await call.db.changed(left)


@implements("VDI.list_changed_blocks")
async def list_changed_blocks(call: Call, vdi_from: str, vdi_to: str) -> str:
    """A bitmap in base64 of the pieces of 64 KiB that differ."""
    async with images.working(call, vdi_to, "list_changed_blocks") as newer:
        older = call.db.get("VDI", vdi_from)
        if older["SR"] != newer["SR"]:
            raise internal(f"Storage_error ([S(Vdis_on_different_srs);[S({vdi_from});S({vdi_to})]])")
        return await tracking.changed_blocks(call.world, older, newer)
