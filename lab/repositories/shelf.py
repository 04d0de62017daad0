# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that lie in a repository without a record in the database, and the scan that finds them.

Forgetting a disk or a repository removes records only. What the storage itself knows of a disk is noted beside it.
"""

from __future__ import annotations

import json
from typing import Any

from lab.database import Record
from lab.repositories import collector, space, tracking, volumes
from lab.storage import Shape
from lab.storage.kinds import FileKind, Kind
from lab.world import Call, World

#: The kinds of notes that say what lies there: a disk, a repository.
NOTE, REPOSITORY = collector.SHELVED, "repository"
#: What a volume group, and a folder of discs, knows of its disks. A folder of VHD files knows none of it.
KNOWN = ("name_label", "name_description", "type", "is_a_snapshot", "snapshot_time", "is_tools_iso")
ALWAYS_KNOWN = ("location", "managed", "virtual_size")


async def put_away(world: World, vdi: str) -> None:
    """Note a disk whose record is about to be deleted."""
    record = world.database.get("VDI", vdi)
    if record["uuid"] not in await world.disks.existing():
        return
    is_file = isinstance(space.kind(world, record["SR"]), FileKind)
    fields = {name: record[name] for name in (ALWAYS_KNOWN if is_file else (*ALWAYS_KNOWN, *KNOWN))}
    sr = world.database.get("SR", record["SR"])["uuid"]
    await world.disks.keep_note(record["uuid"], NOTE, json.dumps({"sr": sr, "fields": fields}))


async def of_repository(world: World, sr: str) -> dict[str, dict[str, Any]]:
    """uuid -> fields of the disks in a repository that have no record."""
    uuid = world.database.get("SR", sr)["uuid"]
    notes = {disk: json.loads(text) for disk, text in (await world.disks.notes(NOTE)).items()}
    return {disk: note["fields"] for disk, note in notes.items() if note["sr"] == uuid}


async def put_away_repository(world: World, sr: str) -> None:
    """Note the size of a repository whose record is about to be deleted."""
    record = world.database.get("SR", sr)
    if record["physical_size"] > 0:
        await world.disks.keep_note(record["uuid"], REPOSITORY, str(record["physical_size"]))


async def _know_size(world: World, sr: str) -> None:
    """A repository that was introduced learns its size when it is first looked at."""
    record = world.database.get("SR", sr)
    if record["physical_size"] >= 0:
        return
    size = (await world.disks.notes(REPOSITORY)).get(record["uuid"], "0")
    world.database.set("SR", sr, physical_size=int(size), physical_utilisation=0)
    await world.disks.drop_note(record["uuid"], REPOSITORY)


async def scan(call: Call, sr: str) -> None:
    """Bring the records in step with what lies in the repository."""
    world = call.world
    await _know_size(world, sr)
    async with collector.layers(world, sr):
        shapes = await world.disks.shapes()
        await _take_back(call, sr, shapes)
        for vdi in world.database.get("SR", sr)["VDIs"]:
            record = world.database.get("VDI", vdi)
            if record["type"] == "cbt_metadata":
                await _measure_log(world, record)
            elif record["uuid"] not in shapes:
                world.database.delete("VDI", vdi)
            else:
                in_step(world, record, shapes[record["uuid"]])
        await space.update(world, sr)
    world.database.drop("SR", sr, "other_config", "dirty")
    collector.kick(world, sr)


async def _take_back(call: Call, sr: str, shapes: dict[str, Shape]) -> None:
    for uuid, fields in (await of_repository(call.world, sr)).items():
        if uuid in shapes and uuid not in call.db.tables["VDI"].by_uuid:
            parent = shapes[uuid].parent
            read_only = not fields["managed"] or type(space.kind(call.world, sr)) is Kind
            sm_config = {"vhd-parent": parent} if parent else {}
            found = {**fields, "uuid": uuid, "SR": sr, "sm_config": sm_config, "read_only": read_only}
            volumes.register(call, {**found, "virtual_size": shapes[uuid].size})
        await call.world.disks.drop_note(uuid, NOTE)


async def _measure_log(world: World, record: Record) -> None:
    size = await tracking.log_size(world, record)
    world.database.set("VDI", record.ref, physical_utilisation=size)


def in_step(world: World, record: Record, shape: Shape) -> None:
    """What a driver says of a disk that it looks at: a VHD file can be written, whatever the record says."""
    if type(space.kind(world, record["SR"])) is Kind:
        return
    world.database.set("VDI", record.ref, read_only=not record["managed"], virtual_size=shape.size)
