# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing a running guest's disks and network interfaces. All functions raise HypervisorError."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from pathlib import Path
from uuid import uuid4

from lab.hypervisor import DetachTimeout, DomainDisk, DomainNic, HypervisorError, devices
from lab.hypervisor.guest import Guest


async def plug_disk(guest: Guest, disk: DomainDisk, path: Path) -> None:
    """Give the guest a disk."""
    if disk.type == "CD":
        raise HypervisorError(f"{guest}: a CD drive cannot be plugged in while the guest runs")
    slot = devices.free_slot(guest.slots)
    node = _new_node(disk.position)
    await guest.execute("blockdev-add", devices.block_device(disk, path, node))
    try:
        await guest.execute("device_add", devices.disk_device(disk, slot) | {"drive": node})
    except HypervisorError:
        await _drop_nodes(guest, disk.position)
        raise
    guest.slots[disk.position] = slot
    guest.note(dataclasses.replace(guest.domain, disks=[*guest.domain.disks, disk]))


async def unplug_disk(guest: Guest, position: int, timeout: float) -> None:
    """Take a disk away."""
    await _unplug(guest, devices.device_name(position), timeout)
    await _drop_nodes(guest, position)
    guest.slots.pop(position, None)
    guest.note(
        dataclasses.replace(guest.domain, disks=[disk for disk in guest.domain.disks if disk.position != position])
    )


async def move_disk(guest: Guest, position: int, disk: str, path: Path) -> None:
    """Have another image behind a drive; what is written to the old one afterwards is lost."""
    known = next((found for found in guest.domain.disks if found.position == position), None)
    if known is None:
        raise HypervisorError(f"{guest} has no disk at position {position}")
    moved = dataclasses.replace(known, disk=disk)
    node = _new_node(position)
    await guest.execute("blockdev-add", devices.block_device(moved, path, node))
    drive = {"path": f"/machine/peripheral/{devices.device_name(position)}", "property": "drive", "value": node}
    try:
        await guest.execute("qom-set", drive)
    except HypervisorError:
        await guest.execute("blockdev-del", {"node-name": node})
        raise
    await _drop_nodes(guest, position, keep=node)
    guest.note(
        dataclasses.replace(guest.domain, disks=[moved if found is known else found for found in guest.domain.disks])
    )


async def plug_nic(guest: Guest, nic: DomainNic, lab: str) -> None:
    """Give the guest a network interface."""
    device = devices.nic_device(nic)
    await guest.execute("netdev_add", devices.nic_backend(nic, lab))
    try:
        await guest.execute("device_add", device)
    except HypervisorError:
        await guest.execute("netdev_del", {"id": devices.nic_name(nic.device)})
        raise
    guest.note(dataclasses.replace(guest.domain, nics=[*guest.domain.nics, nic]))


async def unplug_nic(guest: Guest, device: int, timeout: float) -> None:
    """Take a network interface away."""
    await _unplug(guest, devices.nic_device_name(device), timeout)
    await guest.execute("netdev_del", {"id": devices.nic_name(device)})
    guest.note(dataclasses.replace(guest.domain, nics=[nic for nic in guest.domain.nics if nic.device != device]))


async def insert(guest: Guest, position: int, path: Path | None) -> None:
    """Change the disc in a CD drive."""
    device = {"id": devices.device_name(position)}
    if path is None:
        await guest.execute("eject", device | {"force": True})
        return
    medium = {"filename": str(path), "format": "qcow2", "read-only-mode": "read-only"}
    await guest.execute("blockdev-change-medium", device | medium)


async def pivot(guest: Guest, old: Path, new: Path) -> None:
    """Write to the new image from now on, where the old one is open for writing."""
    for block in await guest.execute("query-block"):
        image = block.get("inserted", {})
        if file_name(image.get("file", "")) != str(old) or image.get("ro"):
            continue
        await guest.execute(
            "blockdev-snapshot-sync",
            {
                "node-name": image["node-name"],
                "snapshot-file": str(new),
                "snapshot-node-name": f"image-{uuid4().hex[:24]}",
                "format": "qcow2",
                "mode": "existing",
            },
        )


def file_name(told: str) -> str:
    """The path of an image, which QEMU tells as JSON when its file does not say all about it (after a pivot)."""
    prefix = "json:"
    return str(json.loads(told[len(prefix) :])["file"]["filename"]) if told.startswith(prefix) else told


async def _unplug(guest: Guest, device: str, timeout: float) -> None:
    """Ask the guest to let go of a device, and wait until it has."""
    gone = guest.deletions.setdefault(device, asyncio.Event())
    gone.clear()
    if not await _has(guest, device):
        return
    with contextlib.suppress(HypervisorError):  # it was asked before, and has not answered yet
        await guest.execute("device_del", {"id": device})
    try:
        await asyncio.wait_for(gone.wait(), timeout)
    except asyncio.TimeoutError as error:
        raise DetachTimeout(f"{guest} does not let go of {device} within {timeout:g} s") from error


async def _has(guest: Guest, device: str) -> bool:
    found = await guest.execute("qom-list", {"path": "/machine/peripheral"})
    return any(child["name"] == device for child in found)


def _new_node(position: int) -> str:
    """A name for one more image at a position: the ones before may be there still."""
    return f"{devices.node_name(position)}-{uuid4().hex[:8]}"


async def _drop_nodes(guest: Guest, position: int, keep: str = "") -> None:
    """Close the images that were behind a drive. Layers that a snapshot put above them go with the drive."""
    for node in await guest.execute("query-named-block-nodes", {"flat": True}):
        name = node["node-name"]
        if devices.is_node_of(name, position) and name != keep:
            await guest.execute("blockdev-del", {"node-name": name})
