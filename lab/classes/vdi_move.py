# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks on their way to another repository as part of a migration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab import inner, tasks
from lab.classes.host_migrate import Destination
from lab.database import Record
from lab.errors import Failure
from lab.repositories import space
from lab.storage import DiskError
from lab.world import Call

#: What a disk takes along. The rest of its record stays behind with it.
TAKEN_ALONG = ("name_label", "name_description", "virtual_size", "type", "sharable")


@dataclass
class Transfer:
    """What a migration moves, and how far it is; sizes are bytes."""

    call: Call
    target: Destination
    inside_pool: bool
    #: the sources stay
    copy: bool
    total: int
    done: int = 0

    def stays(self, disk: Record, sr: str) -> bool:
        """Whether the disk is where it is to be."""
        return self.inside_pool and bool(disk["SR"] == sr)

    def note_done(self, disk: Record) -> None:
        self.done += disk["virtual_size"]
        tasks.progress(self.call.world, self.call.task, self.done / max(1, self.total))


@asynccontextmanager
async def moved(transfer: Transfer, disk: Record, sr: str, mirrored: bool) -> AsyncIterator[str]:
    """The disk's copy in the repository sr of the destination, while the migration goes on.

    When all went well, the source is destroyed as by VDI.destroy: with the VBDs that other halted VMs have of it,
    or not at all, if it is attached elsewhere; that failure is the migration's. After a failure the copy goes.
    """
    if transfer.stays(disk, sr):
        yield disk.ref
        return
    remote = transfer.target.call("VDI.create")
    await _plug(remote, sr, transfer.target.host)
    new = await _copy(transfer, remote, disk, sr, mirrored)
    try:
        transfer.note_done(disk)
        yield new
        if not transfer.copy:
            await inner.call(transfer.call, "VDI.destroy", disk.ref)
    except (Failure, asyncio.CancelledError):
        await inner.try_call(remote, "VDI.destroy", new)
        raise


async def _plug(remote: Call, sr: str, host: str) -> None:
    """Have the repository seen by the receiving host and by its coordinator."""
    for pbd in remote.db.get("SR", sr)["PBDs"]:
        record = remote.db.get("PBD", pbd)
        needed = record["host"] in (host, remote.world.coordinator)
        if needed and not record["currently_attached"] and remote.db.get("host", record["host"])["enabled"]:
            await inner.call(remote, "PBD.plug", pbd)


async def _copy(transfer: Transfer, remote: Call, disk: Record, sr: str, mirrored: bool) -> str:
    if tasks.cancelled(transfer.call.world, transfer.call.task):
        raise Failure("TASK_CANCELLED", transfer.call.task)
    fields = {name: disk[name] for name in TAKEN_ALONG}
    fields |= {"SR": sr, "read_only": False, "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": []}
    new: str = await inner.call(remote, "VDI.create", fields)
    try:
        await remote.world.disks.copy(disk["uuid"], remote.db.get("VDI", new)["uuid"])
    except DiskError as error:
        await inner.try_call(remote, "VDI.destroy", new)
        raise Failure("MIRROR_FAILED", disk.ref) if mirrored else Failure("VDI_COPY_FAILED") from error
    await space.update(remote.world, sr, new)
    return new


async def link_snapshots(transfer: Transfer, places: dict[str, str]) -> None:
    """Have the copies of snapshots be snapshots of the copies of what they were taken of.

    They may take less room then.
    """
    here, there = transfer.call.db, transfer.target.world.database
    for old, new in places.items():
        record = here.get("VDI", old)
        if record["is_a_snapshot"] and new != old:
            origin = places.get(record["snapshot_of"], record["snapshot_of"] if transfer.inside_pool else "")
            fields = {"snapshot_of": origin} if there.exists("VDI", origin) else {}
            there.set("VDI", new, is_a_snapshot=True, snapshot_time=record["snapshot_time"], **fields)
            await space.update(transfer.target.world, there.get("VDI", new)["SR"], new)
