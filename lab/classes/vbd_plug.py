# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VBD: disks plugged into and unplugged from running guests, discs changed."""

from __future__ import annotations

from lab import devices
from lab.classes import vbd as disks
from lab.classes import vdi as images
from lab.classes.vm_description import describe_disk
from lab.database import Record
from lab.errors import Failure, internal
from lab.hypervisor import DetachTimeout, HypervisorError
from lab.registry import implements
from lab.repositories import space
from lab.values import NULL
from lab.world import Call


@implements("VBD.plug")
async def plug(call: Call, vbd: str) -> None:
    """Attach the disk to the running guest; an HVM guest gets no disk in this way that it could not write."""
    async with disks.hold(call, vbd, "plug"):
        record = call.db.get("VBD", vbd)
        vm = call.db.get("VM", record["VM"])
        if vm["domain_type"] == "hvm" and record["type"] != "CD" and record["mode"] == "RO":
            raise Failure("DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd)
        if not record["empty"]:
            await space.require_to_attach(call.world, record)
            if not vm["is_control_domain"]:
                await _plug_into_guest(call, record, vm)
        call.db.set("VBD", vbd, currently_attached=True, device=_device(call, record, vm))
    disks.refresh(call.world, vm.ref)


def _device(call: Call, record: Record, vm: Record) -> str:
    """What the domain calls the disk: the one that storage is served from has the storage manager's path."""
    if not vm["is_control_domain"] or record["empty"]:
        return devices.guest_name(record["userdevice"])
    vdi = call.db.get("VDI", record["VDI"])
    return f"sm/backend/{call.db.get('SR', vdi['SR'])['uuid']}/{vdi['uuid']}"


async def _plug_into_guest(call: Call, record: Record, vm: Record) -> None:
    try:
        await call.world.hypervisor.plug_disk(vm["uuid"], describe_disk(call.world, record.ref))
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


@implements("VBD.unplug")
async def unplug(call: Call, vbd: str) -> None:
    await _unplug(call, vbd, "unplug")


@implements("VBD.unplug_force", "VBD.unplug_force_no_safety_check")
async def unplug_force(call: Call, vbd: str) -> None:
    await _unplug(call, vbd, "unplug_force")


async def _unplug(call: Call, vbd: str, name: str) -> None:
    async with disks.hold(call, vbd, name):
        record = call.db.get("VBD", vbd)
        vm = call.db.get("VM", record["VM"])
        if not record["empty"] and not vm["is_control_domain"]:
            await _unplug_from_guest(call, record, vm)
        # the name that the device had stays
        call.db.set("VBD", vbd, currently_attached=False)
    disks.refresh(call.world, vm.ref)


async def _unplug_from_guest(call: Call, record: Record, vm: Record) -> None:
    try:
        await call.world.hypervisor.unplug_disk(vm["uuid"], disks.position(record))
    except DetachTimeout as error:
        raise Failure("DEVICE_DETACH_TIMEOUT", "VBD", record.ref) from error
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


@implements("VBD.insert")
async def insert(call: Call, vbd: str, vdi: str) -> None:
    async with disks.hold(call, vbd, "insert"):
        record, disk = call.db.get("VBD", vbd), images.require_managed(call, vdi)
        await _change_disc(call, record, disk["uuid"])
        call.db.set("VBD", vbd, VDI=vdi, empty=False)
        _settle_disc(call, record)


@implements("VBD.eject")
async def eject(call: Call, vbd: str) -> None:
    async with disks.hold(call, vbd, "eject"):
        record = call.db.get("VBD", vbd)
        vdi = record["VDI"]
        await _change_disc(call, record, None)
        call.db.set("VBD", vbd, VDI=NULL, empty=True)
        _settle_disc(call, record)
    call.world.refresh("VDI", vdi)


async def _change_disc(call: Call, record: Record, disk: str | None) -> None:
    vm = call.db.get("VM", record["VM"])
    if vm["power_state"] not in ("Running", "Paused") or not record["currently_attached"]:
        return
    try:
        await call.world.hypervisor.insert(vm["uuid"], disks.position(record), disk)
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


def _settle_disc(call: Call, record: Record) -> None:
    """A running PV guest's drive is attached while a disc is in it, and only then."""
    vm = call.db.get("VM", record["VM"])
    if vm["power_state"] == "Running" and vm["domain_type"] != "hvm":
        name = devices.guest_name(record["userdevice"])
        call.db.set("VBD", record.ref, currently_attached=not record["empty"], device=name)
    call.world.refresh("VDI", record["VDI"])


@implements("VBD.pause")
async def pause(call: Call, vbd: str) -> str:
    await _pause(call, vbd, "pause")
    return ""


@implements("VBD.unpause")
async def unpause(call: Call, vbd: str, token: str) -> None:
    await _pause(call, vbd, "unpause")


async def _pause(call: Call, vbd: str, name: str) -> None:
    """Left to the storage layer long ago: XAPI names the repository that does not support it."""
    async with disks.hold(call, vbd, name):
        vdi = call.db.get("VDI", call.db.get("VBD", vbd)["VDI"])
        raise Failure("SR_OPERATION_NOT_SUPPORTED", vdi["SR"])
