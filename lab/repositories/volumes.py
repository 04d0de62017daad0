# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What storage drivers do: disks and their records, made, branched and removed, in step with each other.

The calls of VDI check first and hold what they work on; here nothing is checked but room.
"""

from __future__ import annotations

import uuid as uuids
from typing import Any

from lab.database import Record
from lab.repositories import collector, space, tracking
from lab.storage import BLOCK_SIZE
from lab.storage.kinds import Kind, LvmKind
from lab.values import NULL
from lab.world import Call, World, now

#: Largest disk of a VHD repository.
LARGEST = 2040 * 1024**3
#: Layers that a disk may consist of, itself included.
LONGEST_CHAIN = 30
COPIED_BY_CLONE = (
    "name_label", "name_description", "SR", "virtual_size", "type", "sharable", "other_config", "xenstore_data",
    "on_boot", "allow_caching",
)  # fmt: skip


def rounded(size: int) -> int:
    """The size that a disk gets: whole blocks, at least one. Raises SR_BACKEND_FAILURE_79 for one too large."""
    if size > LARGEST:
        raise space.backend_failure(79, "VDI Invalid size", f"VDI size must be between 1 MB and {LARGEST >> 20} MB")
    return max(BLOCK_SIZE, -(-size // BLOCK_SIZE) * BLOCK_SIZE)


async def make(call: Call, fields: dict[str, Any]) -> str:
    """A new empty disk and its record, of virtual_size in whole blocks. Raises SR_BACKEND_FAILURE_44."""
    sr, size = fields["SR"], fields["virtual_size"]
    space.require(call.world, sr, space.of_new_disk(call.world, sr, size))
    uuid = str(uuids.uuid4())
    await call.world.disks.create(uuid, size)
    sm_config = dict(fields.get("sm_config", {}))
    if isinstance(space.kind(call.world, sr), LvmKind):
        sm_config["vdi_type"] = "vhd"
    # XAPI has no null reference here, but an empty one, until the disk is looked at again
    fields = {**fields, "uuid": uuid, "sm_config": sm_config, "metadata_of_pool": ""}
    if type(space.kind(call.world, sr)) is Kind:
        fields["location"] = f"{uuid}.img"
    vdi = register(call, fields)
    await space.update(call.world, sr, vdi)
    return vdi


def register(call: Call, fields: dict[str, Any]) -> str:
    """The record of a disk whose data exists."""
    vdi = call.db.create("VDI", {"managed": True, "location": fields["uuid"], **fields})
    call.world.refresh("VDI", vdi)
    return vdi


def parent(world: World, record: Record) -> Record | None:
    """The base below a disk."""
    uuid = record["sm_config"].get("vhd-parent", "")
    return world.database.find("VDI", world.database.tables["VDI"].by_uuid.get(uuid, NULL))


def depth(world: World, record: Record) -> int:
    """Layers that the disk consists of."""
    layer, number = parent(world, record), 1
    while layer:
        layer, number = parent(world, layer), number + 1
    return number


async def branch(call: Call, vdi: str, changes: dict[str, Any]) -> str:
    """A new child of what the disk holds now; the disk itself becomes a child of that, too.

    With is_a_snapshot among the changes a snapshot, else a clone. Raises SR_BACKEND_FAILURE_44 without room, and
    SR_BACKEND_FAILURE_109 when the disk has too many layers already.
    """
    record, child = call.db.get("VDI", vdi), str(uuids.uuid4())
    is_snapshot = bool(changes.get("is_a_snapshot"))
    if depth(call.world, record) >= LONGEST_CHAIN:
        raise space.backend_failure(109, "The snapshot chain is too long")
    wanted = await space.of_branch(call.world, record, "snapshot" if is_snapshot else "clone")
    space.require(call.world, record["SR"], wanted)
    if is_snapshot and record["cbt_enabled"]:
        await tracking.settle(call.world, record)
    base = parent(call.world, record)
    if base is None or await call.world.disks.allocated(record["uuid"]):
        below = await _push_down(call, record, child)
    else:
        below = base["uuid"]
        await call.world.disks.clone(below, child)
    fields = {name: record[name] for name in COPIED_BY_CLONE}
    sm_config = {"vhd-parent": below}
    new = register(call, {**fields, "uuid": child, "sm_config": sm_config, "snapshot_time": now(), **changes})
    if is_snapshot and record["cbt_enabled"]:
        await tracking.fork(call.world, record, call.db.get("VDI", new))
    await space.update(call.world, record["SR"], new, vdi, call.db.by_uuid("VDI", below))
    collector.kick(call.world, record["SR"])
    return new


async def _push_down(call: Call, record: Record, child: str) -> str:
    """Turn the disk's data into a hidden base below the disk and the child; its uuid."""
    base = str(uuids.uuid4())
    await call.world.disks.snapshot(record["uuid"], base, child)
    below = record["sm_config"].get("vhd-parent")
    fields = {
        "uuid": base, "name_label": "base copy", "SR": record["SR"], "type": record["type"],
        "virtual_size": record["virtual_size"], "managed": False, "read_only": True,
        "sm_config": {"vhd-parent": below} if below else {},
    }  # fmt: skip
    register(call, fields)
    call.db.put("VDI", record.ref, "sm_config", "vhd-parent", base)
    return base


async def reset(call: Call, vdi: str) -> None:
    """Drop what the disk's own layer holds. Raises SR_BACKEND_FAILURE_46 for a disk without a base."""
    record = call.db.get("VDI", vdi)
    await grow_from(call, vdi, record["sm_config"].get("vhd-parent", ""))


async def grow_from(call: Call, vdi: str, base: str) -> None:
    """Have a disk hold from now on what a base (a uuid) holds."""
    record = call.db.get("VDI", vdi)
    if not base:
        raise space.backend_failure(46, "The VDI is not available", "no parent")
    await call.world.disks.destroy(record["uuid"])
    await call.world.disks.clone(base, record["uuid"])
    call.db.put("VDI", vdi, "sm_config", "vhd-parent", base)
    await space.update(call.world, record["SR"], vdi)
    collector.kick(call.world, record["SR"])


async def erase(call: Call, vdi: str) -> None:
    """Remove a disk, its record and its VBDs; bases that nobody needs any more go later."""
    record = call.db.get("VDI", vdi)
    for vbd in record["VBDs"]:
        call.db.delete("VBD", vbd)
    if record["cbt_enabled"]:
        await tracking.drop(call.world, record)
    await call.world.disks.destroy(record["uuid"])
    if not call.db.exists("VDI", vdi):
        return
    call.db.delete("VDI", vdi)
    for vm in call.db.where("VM", suspend_VDI=vdi):
        call.db.set("VM", vm.ref, suspend_VDI=NULL)
    space.add_up(call.world, record["SR"])
    collector.kick(call.world, record["SR"])
