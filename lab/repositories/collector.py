# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collector of bases, which runs some time after disks were removed or branched, as XenServer's does.

A base without anybody above it goes. A base above another one that nobody else has is written into it (coalesced),
and so is a disk's own layer (a leaf) whose base nobody else has. Until then they take their room.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lab.database import Record
from lab.repositories import space, tracking
from lab.storage import DiskBusy, DiskError, Shape
from lab.storage.kinds import Kind
from lab.values import NULL
from lab.world import World

LOG = logging.getLogger("lab")
#: Seconds after which a collection that found its disks in use is tried again.
RETRY = 10.0
#: The kind of note that a disk has beside it which lies there without a record.
SHELVED = "shelved"


@asynccontextmanager
async def layers(world: World, sr: str) -> AsyncIterator[None]:
    """Change the layers of a repository's disks while nobody else does."""
    async with world.layer_locks.setdefault(sr, asyncio.Lock()):
        yield


def kick(world: World, sr: str, delay: float | None = None) -> None:
    """Have the repository looked at, after the usual delay or one in seconds."""
    if sr in world.uncollected:
        return
    world.uncollected.add(sr)
    task = asyncio.ensure_future(_collect_later(world, sr, world.settings.collection_delay if delay is None else delay))
    world.work.add(task)
    task.add_done_callback(world.work.discard)


async def _collect_later(world: World, sr: str, delay: float) -> None:
    await asyncio.sleep(delay)
    world.uncollected.discard(sr)
    try:
        await collect(world, sr)
    except DiskBusy as error:
        LOG.debug("repository %s is collected later: %s", sr, error)
        kick(world, sr, RETRY)
    except DiskError as error:
        LOG.error("repository %s cannot be collected: %s", sr, error)


@dataclass
class Round:
    """One pass over a repository: layers that must wait for the next one, and how everything hangs together now."""

    world: World
    sr: str
    waiting: set[str] = field(default_factory=set)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def standing_on(self, uuid: str) -> set[str]:
        """A layer and all that are above it."""
        found, added = {uuid}, {uuid}
        while added:
            added = {name for name, shape in self.shapes.items() if shape.parent in added}
            found |= added
        return found


async def collect(world: World, sr: str) -> None:
    """Remove and merge all that can be. Raises DiskBusy when some of it must wait, after all the rest is done."""
    this = Round(world, sr)
    while world.database.exists("SR", sr):
        async with layers(world, sr):
            step = await _next_step(this)
            if step is None:
                break
            try:
                await _do(this, *step)
            except DiskBusy as error:
                LOG.debug("%s", error)
                this.waiting.add(step[1]["uuid"])
                # whoever waited for the layers can go on
                world.database.touch("SR", sr)
        world.settle()
    if this.waiting:
        raise DiskBusy(f"layers in use: {', '.join(sorted(this.waiting))}")


async def _next_step(this: Round) -> tuple[str, Record, Record | None] | None:
    """What is to be done (remove, coalesce, collapse), with which layer, and with which one below it."""
    world, sr = this.world, this.sr
    if not world.database.exists("SR", sr):
        return None
    this.shapes = await world.disks.shapes()
    above = Counter(shape.parent for shape in this.shapes.values())
    kept = this.waiting | await tracking.needed_bases(world)
    records = {record["uuid"]: record for record in _disks(world, sr) if record["uuid"] in this.shapes}
    bases = {uuid: record for uuid, record in records.items() if not record["managed"]}
    for uuid, record in bases.items():
        if not above[uuid] and uuid not in kept:
            return "remove", record, None
    if not _wanted(world, sr, "coalesce"):
        return None
    for uuid, record in records.items():
        below = bases.get(this.shapes[uuid].parent)
        if below is None or above[below["uuid"]] > 1 or {uuid, below["uuid"]} & kept:
            continue
        if uuid not in bases and not _may_collapse(world, sr, record):
            continue
        if any(_is_busy(world, records[name]) for name in this.standing_on(uuid) & set(records)):
            this.waiting.add(uuid)
            continue
        return "coalesce" if uuid in bases else "collapse", record, below
    return None


def _disks(world: World, sr: str) -> list[Record]:
    if type(space.kind(world, sr)) is Kind:
        return []
    return [world.database.get("VDI", vdi) for vdi in world.database.get("SR", sr)["VDIs"]]


def _wanted(world: World, sr: str, name: str) -> bool:
    return bool(world.database.get("SR", sr)["other_config"].get(name) != "false")


def _may_collapse(world: World, sr: str, leaf: Record) -> bool:
    """Leaves that are dropped at each boot need their base."""
    if leaf["type"] == "cbt_metadata" or leaf["on_boot"] == "reset":
        return False
    return _wanted(world, sr, "leaf-coalesce") and leaf["other_config"].get("leaf-coalesce") != "false"


def _is_busy(world: World, disk: Record) -> bool:
    """Whether something is done with a disk or its attachment right now."""
    vbds = [world.database.get("VBD", vbd) for vbd in disk["VBDs"]]
    return bool(disk["current_operations"] or any(vbd["current_operations"] for vbd in vbds))


async def _do(this: Round, step: str, layer: Record, below: Record | None) -> None:
    world = this.world
    if below is None:
        await world.disks.destroy(layer["uuid"])
        world.database.delete("VDI", layer.ref)
        await space.update(world, this.sr, NULL)
        return
    merging = this.standing_on(layer["uuid"])
    world.merging |= merging
    try:
        if step == "coalesce":
            await world.disks.coalesce(layer["uuid"], below["uuid"])
            _note_coalesced(world, layer, below)
        else:
            await world.disks.collapse(layer["uuid"])
            _note_collapsed(world, layer, below)
    finally:
        world.merging -= merging
    await space.update(world, this.sr, *_still_there(world, layer, below))


def _still_there(world: World, *records: Record | None) -> list[str]:
    return [record.ref for record in records if record and world.database.exists("VDI", record.ref)] or [NULL]


def _note_coalesced(world: World, upper: Record, lower: Record) -> None:
    database = world.database
    for vdi in database.get("SR", upper["SR"])["VDIs"]:
        if database.get("VDI", vdi)["sm_config"].get("vhd-parent") == upper["uuid"]:
            database.put("VDI", vdi, "sm_config", "vhd-parent", lower["uuid"])
    database.set("VDI", lower.ref, virtual_size=max(lower["virtual_size"], upper["virtual_size"]))
    database.delete("VDI", upper.ref)


def _note_collapsed(world: World, leaf: Record, base: Record) -> None:
    database, parent = world.database, base["sm_config"].get("vhd-parent")
    database.delete("VDI", base.ref)
    if not database.exists("VDI", leaf.ref):
        return
    if parent:
        database.put("VDI", leaf.ref, "sm_config", "vhd-parent", parent)
    else:
        database.drop("VDI", leaf.ref, "sm_config", "vhd-parent")


async def recover(world: World) -> None:
    """After a start: collect everywhere, and remove what a server that was killed left without a record.

    Layers without a record that others have below them stay.
    """
    for record in world.database.all("SR"):
        kick(world, record.ref)
    known = {record["uuid"] for other in world.pools for record in other.database.all("VDI")}
    known |= set(await world.disks.notes(SHELVED))
    shapes = await world.disks.shapes()
    kept = set()
    for uuid in known & set(shapes):
        while uuid in shapes and uuid not in kept:
            kept.add(uuid)
            uuid = shapes[uuid].parent
    for uuid in sorted(set(shapes) - kept):
        LOG.warning("disk %s has no record and goes", uuid)
        await world.disks.destroy(uuid)
