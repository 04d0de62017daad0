# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changed block tracking: logs of what changed between snapshots, one a disk, in chains from older to newer.

A snapshot takes over the disk's log, and the disk begins a new one, whose parent is the snapshot's. What a disk has
changed since is found by comparing it with the base that it had then: the collector leaves such bases alone.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass

from lab.database import Record
from lab.errors import Failure
from lab.repositories import space
from lab.storage import GRAIN
from lab.world import World

#: The kind of note that holds a log.
NOTE = "cbtlog"
UNRELATED = "Source and target VDI are unrelated"


@dataclass
class Log:
    """What changed on a disk of a size in bytes since its parent's (a disk's uuid, empty: none) last moment.

    changed: numbers of grains; base: the layer (a uuid) with which a living disk is to be compared.
    """

    size: int
    parent: str = ""
    child: str = ""
    base: str = ""
    changed: tuple[int, ...] = ()

    def bitmap(self) -> bytearray:
        """A bit a grain, the first grain in the highest bit of the first byte."""
        bits = bytearray(-(-self.size // (GRAIN * 8)))
        for grain in self.changed:
            bits[grain // 8] |= 0x80 >> grain % 8
        return bits


async def _logs(world: World) -> dict[str, Log]:
    notes = await world.disks.notes(NOTE)
    return {uuid: Log(**json.loads(text)) for uuid, text in notes.items()}


async def _save(world: World, uuid: str, log: Log) -> None:
    await world.disks.keep_note(uuid, NOTE, json.dumps(asdict(log)))


async def _point(world: World, logs: dict[str, Log], uuid: str, **pointers: str) -> None:
    """Change where an existing log's neighbours are."""
    if uuid in logs:
        log = logs[uuid]
        log.parent, log.child = pointers.get("parent", log.parent), pointers.get("child", log.child)
        await _save(world, uuid, log)


async def start(world: World, record: Record) -> None:
    """Begin to track a disk. Raises SR_BACKEND_FAILURE_457 without room for the log."""
    if space.of_tracking(world, record["SR"], record["virtual_size"]) > space.free(world, record["SR"]):
        raise space.backend_failure(457, "Unable to activate changed block tracking.", "There is insufficient space")
    await _save(world, record["uuid"], Log(record["virtual_size"]))


async def stop(world: World, record: Record) -> None:
    """Forget a disk's log; its parent's chain ends there."""
    logs = await _logs(world)
    log = logs.get(record["uuid"])
    if log:
        await _point(world, logs, log.parent, child="")
    await world.disks.drop_note(record["uuid"], NOTE)


async def settle(world: World, record: Record) -> None:
    """Write into the log of a living disk what has changed up to now."""
    log = (await _logs(world)).get(record["uuid"])
    if log is None or not log.base:
        return
    found = {extent.offset // GRAIN async for extent in world.disks.differences(record["uuid"], log.base)}
    log.changed = tuple(sorted({*log.changed, *found}))
    log.size = record["virtual_size"]
    await _save(world, record["uuid"], log)


async def fork(world: World, record: Record, snapshot: Record) -> None:
    """Hand a disk's log over to its new snapshot and begin a new one; settle() has been called before."""
    logs = await _logs(world)
    log = logs.get(record["uuid"], Log(record["virtual_size"]))
    await _point(world, logs, log.parent, child=snapshot["uuid"])
    base = world.database.get("VDI", record.ref)["sm_config"]["vhd-parent"]
    await _save(world, record["uuid"], Log(record["virtual_size"], snapshot["uuid"], log.child, base))
    await _save(world, snapshot["uuid"], Log(log.size, log.parent, record["uuid"], "", log.changed))
    world.database.set("VDI", snapshot.ref, cbt_enabled=True)


async def drop(world: World, record: Record) -> None:
    """The disk goes: what its log tells becomes part of its child's."""
    logs = await _logs(world)
    log = logs.pop(record["uuid"], None)
    if log is None:
        return
    await _point(world, logs, log.parent, child=log.child)
    if log.child in logs:
        child = logs[log.child]
        child.changed = tuple(sorted({*child.changed, *log.changed}))
        await _point(world, logs, log.child, parent=log.parent)
    await world.disks.drop_note(record["uuid"], NOTE)


async def resize(world: World, record: Record, size: int) -> None:
    """A tracked disk has got larger."""
    log = (await _logs(world)).get(record["uuid"])
    if log:
        log.size = size
        await _save(world, record["uuid"], log)


async def changed_blocks(world: World, older: Record, newer: Record) -> str:
    """The bitmap of what changed from one disk to the other, in base64.

    Raises SR_BACKEND_FAILURE_460 when the newer one does not follow in the older one's chain.
    """
    if older["uuid"] == newer["uuid"]:
        raise _failure("Source and target VDI are same")
    await settle(world, newer)
    logs = await _logs(world)
    if older["uuid"] not in logs or newer["uuid"] not in logs:
        raise _failure(UNRELATED)
    merged = bytearray()
    uuid = logs[older["uuid"]].child
    while uuid in logs:
        found = logs[uuid].bitmap()
        merged.extend(bytes(len(found) - len(merged)))
        merged = bytearray(here | there for here, there in zip(merged, found, strict=True))
        if uuid == newer["uuid"]:
            return base64.b64encode(merged).decode()
        uuid = logs[uuid].child
    raise _failure(UNRELATED)


async def log_size(world: World, record: Record) -> int:
    """Bytes that a disk's log takes."""
    return space.of_tracking(world, record["SR"], record["virtual_size"])


async def needed_bases(world: World) -> set[str]:
    """Layers that tracked disks are compared with."""
    return {log.base for log in (await _logs(world)).values() if log.base}


def _failure(detail: str) -> Failure:
    return space.backend_failure(460, "Failed to calculate changed blocks for given VDIs.", detail)
