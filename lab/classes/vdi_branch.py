# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: clones, snapshots, and the way back to a snapshot."""

from __future__ import annotations

from lab import operations
from lab.classes import sr as repositories
from lab.classes import vdi as images
from lab.errors import Failure
from lab.registry import implements
from lab.repositories import collector, volumes
from lab.world import Call


@implements("VDI.clone")
async def clone(call: Call, vdi: str, driver_params: dict[str, str]) -> str:
    async with images.working(call, vdi, "clone") as record, collector.layers(call.world, record["SR"]):
        return await volumes.branch(call, vdi, {})


@implements("VDI.snapshot")
async def snapshot(call: Call, vdi: str, driver_params: dict[str, str]) -> str:
    async with images.working(call, vdi, "snapshot") as record, collector.layers(call.world, record["SR"]):
        return await volumes.branch(call, vdi, {"is_a_snapshot": True, "snapshot_of": vdi})


@implements("VDI.revert")
async def revert(call: Call, snapshot: str) -> None:
    """Have the disk that a snapshot is of hold again what the snapshot holds."""
    record = images.require_managed(call, snapshot)
    if not record["is_a_snapshot"]:
        raise Failure("OPERATION_NOT_ALLOWED", f"VDI is not a snapshot: {snapshot}")
    target = call.db.get("VDI", record["snapshot_of"])
    if images.attachments(call.world, target.ref):
        raise Failure("VDI_IN_USE", target.ref, "revert_to")
    repositories.require_host(call.world, record["SR"])
    check = lambda: operations.clash(call, "SR", record["SR"], repositories.LIGHT)  # noqa: E731
    async with (
        operations.operation(call, "SR", record["SR"], "vdi_revert", check),
        images.hold(call, target.ref, "revert_to"),
        images.hold(call, snapshot, "revert_from"),
        collector.layers(call.world, record["SR"]),
    ):
        # what the snapshot's own layer holds becomes a base that both can have
        await volumes.erase(call, await volumes.branch(call, snapshot, {}))
        await volumes.grow_from(call, target.ref, record["sm_config"]["vhd-parent"])
        call.db.set("VDI", target.ref, virtual_size=record["virtual_size"])
