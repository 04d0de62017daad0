# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: full copies, copies of what differs from a base, and checksums."""

from __future__ import annotations

import hashlib

from lab.classes import sr as repositories
from lab.classes import vdi as images
from lab.classes import vdi_life
from lab.database import Record
from lab.errors import Failure, internal
from lab.registry import implements
from lab.repositories import space, volumes
from lab.storage import DiskError
from lab.values import NULL
from lab.world import Call


@implements("VDI.copy")
async def copy(call: Call, vdi: str, sr: str, base_vdi: str, into_vdi: str) -> str:
    """A full copy, into a new disk on sr, or into an existing one (sr does not count then).

    With base_vdi only what differs from it is written: the target holds what the base does already.
    """
    async with images.hold(call, vdi, "copy"):
        record = call.db.get("VDI", vdi)
        if not repositories.plugged_hosts(call.world, record["SR"]):
            raise internal("Not_found")
        images.require_managed(call, vdi)
        if call.db.exists("VDI", into_vdi):
            await _write(call, record, into_vdi, base_vdi)
            return into_vdi
        target = await _target(call, record, sr)
        try:
            await _write(call, record, target, base_vdi)
        except Failure:
            await vdi_life.destroy(call, target)
            raise
        return target


async def _target(call: Call, record: Record, sr: str) -> str:
    """An empty disk that is in everything like the one to be copied, but can be written."""
    fields = {name: record[name] for name in (*volumes.COPIED_BY_CLONE, "tags")}
    return await vdi_life.create(call, {**fields, "SR": sr, "on_boot": "persist"})


async def _write(call: Call, record: Record, into_vdi: str, base_vdi: str) -> None:
    target = call.db.get("VDI", into_vdi)
    if target["read_only"]:
        raise Failure("VDI_READONLY", into_vdi)
    if target["virtual_size"] < record["virtual_size"]:
        raise Failure("VDI_TOO_SMALL", into_vdi, record["virtual_size"])
    base = call.db.find("VDI", base_vdi) if base_vdi != NULL else None
    disks = call.world.disks
    try:
        if base:
            extents = disks.differences(record["uuid"], base["uuid"])
            await disks.write(target["uuid"], space.metered(call.world, target, extents))
        else:
            await space.require_for_copy(call.world, record, target)
            await disks.copy(record["uuid"], target["uuid"])
    except DiskError as error:
        raise space.io_error() from error
    finally:
        await space.update(call.world, target["SR"], into_vdi)


@implements("VDI.checksum")
async def checksum(call: Call, vdi: str) -> str:
    """MD5 of all that the disk holds, in hexadecimal digits."""
    record = call.db.get("VDI", vdi)
    if not repositories.plugged_hosts(call.world, record["SR"]):
        raise Failure("SR_HAS_NO_PBDS", record["SR"])
    digest = hashlib.md5(usedforsecurity=False)
    try:
        async for piece in call.world.disks.read(record["uuid"]):
            digest.update(piece)
    except DiskError as error:
        raise space.io_error() from error
    return digest.hexdigest()
