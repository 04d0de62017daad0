# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room in storage repositories: what disks take, what is free, and what happens when it does not suffice.

All sizes are bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace

from lab.database import Record
from lab.errors import Failure
from lab.storage import BLOCK_SIZE, DiskError, Extent
from lab.storage.kinds import KINDS, TRACKING_HEADER, UNKNOWN, Kind, LvmKind, Volume
from lab.world import World

#: A disk's room for the note of a clone in progress, and of one that inflates, on a volume group.
JOURNALS = 2 * 4 * 1024**2


def kind(world: World, sr: str) -> Kind:
    """What the repository's driver is."""
    return KINDS.get(world.database.get("SR", sr)["type"], UNKNOWN)


def backend_failure(number: int, text: str, detail: str = "") -> Failure:
    """An error of a storage driver as XAPI hands it on; detail is what the driver adds to its standard text."""
    return Failure(f"SR_BACKEND_FAILURE_{number}", "", f"{text} [opterr={detail}]" if detail else text, "")


def io_error() -> Failure:
    """What a transfer of data fails with whose disk cannot be written or read, or has no room to grow."""
    return Failure("VDI_IO_ERROR", "Device I/O errors")


# ---- disks


async def volume(world: World, vdi: Record) -> Volume:
    """A disk's own layer as it is now. Raises DiskError when its data is gone."""
    return Volume(vdi["virtual_size"], await world.disks.allocated(vdi["uuid"]), inflated(world, vdi))


def inflated(world: World, vdi: Record) -> bool:
    """Whether a logical volume has room for all that can be written.

    Bases and snapshots have none to spare, unless a snapshot is being written to; where the repository is thin, no
    disk has that is not attached.
    """
    if not vdi["managed"]:
        return False
    if not vdi["is_a_snapshot"] and not is_thin(world, vdi["SR"]):
        return True
    return _written_to(world, vdi)


def _written_to(world: World, vdi: Record) -> bool:
    for ref in vdi["VBDs"]:
        vbd = world.database.get("VBD", ref)
        vm = world.database.find("VM", vbd["VM"])
        if vbd["currently_attached"] and vbd["mode"] == "RW" and vm and vm["power_state"] != "Suspended":
            return True
    return False


def is_thin(world: World, sr: str) -> bool:
    """Whether a volume group was made to give disks room only while they are attached."""
    record = world.database.get("SR", sr)
    configured = [world.database.get("PBD", pbd)["device_config"] for pbd in record["PBDs"]]
    return any(config.get("allocation") == "thin" for config in (record["sm_config"], *configured))


def of_new_disk(world: World, sr: str, virtual_size: int) -> int:
    """What an empty disk takes."""
    return kind(world, sr).taken(Volume(virtual_size, inflated=not is_thin(world, sr)))


async def of_branch(world: World, vdi: Record, name: str) -> int:
    """What a clone or snapshot of the disk takes in addition: two new leaves, less what the old one gives up."""
    driver = kind(world, vdi["SR"])
    empty, full = Volume(vdi["virtual_size"]), Volume(vdi["virtual_size"], inflated=True)
    if not isinstance(driver, LvmKind):
        return 2 * driver.taken(empty)
    thick = not is_thin(world, vdi["SR"])
    attached = name == "snapshot" and any(world.database.get("VBD", vbd)["currently_attached"] for vbd in vdi["VBDs"])
    source = full if attached or (thick and not vdi["is_a_snapshot"]) else empty
    child = full if thick and name == "clone" else empty
    base = Volume(vdi["virtual_size"], await world.disks.allocated(vdi["uuid"]))
    given_up = driver.taken(await volume(world, vdi)) - driver.taken(base)
    return driver.taken(source) + driver.taken(child) + JOURNALS - given_up


async def of_growth(world: World, vdi: Record, virtual_size: int) -> int:
    """What the disk takes in addition when it gets a larger virtual size."""
    driver, now = kind(world, vdi["SR"]), await volume(world, vdi)
    return driver.taken(Volume(virtual_size, now.allocated, now.inflated)) - driver.taken(now)


# ---- repositories


def free(world: World, sr: str) -> int:
    """Bytes that are left; plenty where the size is not known."""
    record = world.database.get("SR", sr)
    if record["physical_size"] <= 0:
        return 1 << 62
    return int(record["physical_size"] - record["physical_utilisation"])


def require(world: World, sr: str, wanted: int) -> None:
    """Raises SR_BACKEND_FAILURE_44 when so much more does not go into the repository."""
    if wanted > max(0, free(world, sr)):
        raise backend_failure(44, "There is insufficient space")


async def update(world: World, sr: str, *vdis: str) -> None:
    """Read how much the given disks take (all when none is given), and add up the repository's figures."""
    database, driver = world.database, kind(world, sr)
    for vdi in vdis or database.get("SR", sr)["VDIs"]:
        record = database.find("VDI", vdi)
        if record is None or record["type"] == "cbt_metadata":
            continue
        try:
            size = driver.taken(await volume(world, record))
        except DiskError:
            # destroyed meanwhile
            continue
        if database.exists("VDI", vdi):
            database.set("VDI", vdi, physical_utilisation=size)
    if database.exists("SR", sr):
        add_up(world, sr)


def update_if_inflated_or_deflated(world: World, vdi: str) -> None:
    """After a disk was attached or detached: have its size read soon if it depends on that."""
    record = world.database.find("VDI", vdi)
    if record is None or not isinstance(kind(world, record["SR"]), LvmKind):
        return
    if record["is_a_snapshot"] or is_thin(world, record["SR"]):
        task = asyncio.ensure_future(update(world, record["SR"], vdi))
        world.work.add(task)
        task.add_done_callback(world.work.discard)


def add_up(world: World, sr: str) -> None:
    """Bring the repository's figures in step with those of its disks."""
    records = world.database.tables["VDI"].records
    taken, promised = world.foreign_bytes.get(sr, 0), 0
    # once for each disk made or removed, of which there may be thousands
    for vdi in world.database.get("SR", sr)["VDIs"]:
        fields = records[vdi].fields
        taken += fields["physical_utilisation"]
        if fields["managed"]:
            promised += fields["virtual_size"]
    world.database.set("SR", sr, physical_utilisation=taken, virtual_allocation=promised)


async def metered(world: World, vdi: Record, extents: AsyncIterable[Extent]) -> AsyncIterator[Extent]:
    """The extents as long as the repository has room for what they add to the disk. Raises DiskError then."""
    driver, now = kind(world, vdi["SR"]), await volume(world, vdi)
    touched, room = await world.disks.touched(vdi["uuid"]), free(world, vdi["SR"])
    async for extent in extents:
        first = extent.offset // BLOCK_SIZE
        end = -(-(extent.offset + len(extent.data)) // BLOCK_SIZE)
        new = set(range(first, end)) - touched
        if new and any(extent.data):
            touched |= new
            if driver.growth(now, len(touched) * BLOCK_SIZE) > room:
                raise DiskError(f"no space left for disk {vdi['uuid']}")
        yield extent


async def require_to_attach(world: World, vbd: Record) -> None:
    """Raises SR_BACKEND_FAILURE_180 when there is no room to inflate the disk for a VBD that is to write to it."""
    vdi = world.database.find("VDI", vbd["VDI"])
    if vdi is None or vbd["mode"] != "RW":
        return
    driver, now = kind(world, vdi["SR"]), await volume(world, vdi)
    if driver.taken(replace(now, inflated=True)) - driver.taken(now) > free(world, vdi["SR"]):
        text = (
            "Volume Group out of space. The SR is over-provisioned, and out of space. Unable to grow the underlying "
            "volume to accommodate the virtual size of the disk."
        )
        raise backend_failure(180, text)


async def require_for_copy(world: World, source: Record, target: Record) -> None:
    """Raises DiskError when the target's repository has no room for all that the source holds."""
    shapes = await world.disks.shapes()
    layer, touched = source["uuid"], await world.disks.touched(target["uuid"])
    while layer:
        touched |= await world.disks.touched(layer)
        layer = shapes[layer].parent
    growth = kind(world, target["SR"]).growth(await volume(world, target), len(touched) * BLOCK_SIZE)
    if growth > free(world, target["SR"]):
        raise DiskError(f"no space left for disk {target['uuid']}")


def of_tracking(world: World, sr: str, virtual_size: int) -> int:
    """What the log of changed blocks of a disk takes."""
    size = TRACKING_HEADER + -(-virtual_size // (64 * 1024 * 8))
    return 4 * 1024**2 if isinstance(kind(world, sr), LvmKind) else size
