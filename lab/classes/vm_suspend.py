# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: suspend to disk and resume."""

from __future__ import annotations

import hashlib

from lab import inner, placement
from lab.classes import sr as repositories
from lab.classes import vm_clone
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.classes.message import notify_vm
from lab.classes.vm_description import describe
from lab.classes.vm_power import require_no_evacuation
from lab.errors import Failure, internal
from lab.hypervisor import HypervisorError
from lab.registry import implements
from lab.repositories import space
from lab.storage import DiskError
from lab.values import NULL
from lab.world import Call

MIB = 1024**2


def suspend_repository(call: Call, vm: str) -> str:
    """Where the VM's memory goes: the VM's, the pool's or the host's repository. Raises VM_NO_SUSPEND_SR."""
    record = call.db.get("VM", vm)
    host = record["resident_on"]
    wanted = (
        record["suspend_SR"],
        call.db.get("pool", call.world.pool)["suspend_image_SR"],
        call.db.get("host", host)["suspend_image_sr"],
    )
    for sr in wanted:
        if call.db.exists("SR", sr) and host in repositories.plugged_hosts(call.world, sr):
            return str(sr)
    raise Failure("VM_NO_SUSPEND_SR", vm)


async def write_memory(call: Call, vm: str) -> None:
    """Suspend a running VM that is held."""
    record = call.db.get("VM", vm)
    sr = suspend_repository(call, vm)
    fields = {
        "name_label": "Suspend image", "name_description": "Suspend image", "SR": sr, "type": "suspend",
        "virtual_size": int(record["memory_static_max"] * 1.2 * 1.05) + 100 * MIB, "sharable": False,
        "read_only": False, "other_config": {}, "xenstore_data": {}, "sm_config": {"_sm_vm_hint": record["uuid"]},
        "tags": [],
    }  # fmt: skip
    image = await inner.call(call, "VDI.create", fields)
    call.db.set("VM", vm, suspend_VDI=image)
    try:
        await call.world.hypervisor.suspend(record["uuid"], call.db.get("VDI", image)["uuid"])
    except (HypervisorError, DiskError) as error:
        call.db.set("VM", vm, suspend_VDI=NULL)
        await inner.try_call(call, "VDI.destroy", image)
        raise internal(f"xenopsd: {error}") from error
    await space.update(call.world, sr, image)
    domains.note_suspended(call.world, vm)


async def read_memory(call: Call, vm: str, host: str, paused: bool) -> None:
    """Resume a suspended VM that is held, on a host; its image is destroyed."""
    image = call.db.get("VM", vm)["suspend_VDI"]
    if not call.db.exists("VDI", image):
        raise Failure("VM_HAS_NO_SUSPEND_VDI", "VM", vm)
    async with domains.reserved(call, vm, host):
        try:
            uuid = call.db.get("VDI", image)["uuid"]
            await call.world.hypervisor.resume(describe(call.world, vm), uuid, paused)
        except (HypervisorError, DiskError) as error:
            raise internal(f"xenopsd: {error}") from error
        domains.note_running(call, vm, host, "Paused" if paused else "Running", resumed=True)
    call.db.set("VM", vm, suspend_VDI=NULL)
    await inner.try_call(call, "VDI.destroy", image)


@implements("VM.suspend")
async def suspend(call: Call, vm: str) -> None:
    async with domains.working(call, vm, "suspend"):
        call.db.set("VM", vm, ha_always_run=False)
        await write_memory(call, vm)
    notify_vm(call.world, vm, "VM_SUSPENDED", "suspended")


@implements("VM.resume")
async def resume(call: Call, vm: str, start_paused: bool, force: bool) -> None:
    async with lifecycle.hold(call, vm, "resume"), domains.attached(call, vm):
        host = placement.choose(call.world, vm)
        await _resume(call, vm, host, start_paused)
    _tell_resumed(call, vm, host)


@implements("VM.resume_on")
async def resume_on(call: Call, vm: str, host: str, start_paused: bool, force: bool) -> None:
    require_no_evacuation(call, vm, host)
    async with lifecycle.hold(call, vm, "resume_on"), domains.attached(call, vm):
        failure = placement.refusal(call.world, vm, host)
        if failure:
            raise failure
        await _resume(call, vm, host, start_paused)
    _tell_resumed(call, vm, host)


async def _resume(call: Call, vm: str, host: str, paused: bool) -> None:
    if call.db.get("VM", vm)["ha_restart_priority"] == "restart":
        call.db.set("VM", vm, ha_always_run=True)
    async with domains.worker(call, vm, host):
        await read_memory(call, vm, host, paused)


def _tell_resumed(call: Call, vm: str, host: str) -> None:
    record = call.db.get("host", host)
    notify_vm(call.world, vm, "VM_RESUMED", f"resumed on host: {record['name_label']} (uuid: {record['uuid']})")


@implements("VM.csvm")
async def csvm(call: Call, vm: str) -> str:
    """Deprecated: a clone of a suspended VM, suspended as well."""
    record = call.db.get("VM", vm)
    call.db.get("VDI", record["suspend_VDI"])
    async with lifecycle.hold(call, vm, "csvm"):
        new = await vm_clone.duplicate(call, vm, f"{record['name_label']}-cloned-suspended", "clone")
    notify_vm(call.world, vm, "VM_CLONED", f"cloned (new uuid: {call.db.get('VM', new)['uuid']})")
    return new


@implements("VM.set_suspend_VDI")
async def set_suspend_vdi(call: Call, vm: str, value: str) -> None:
    """Another image with the same content in place of the present one."""
    record = call.db.get("VM", vm)
    if record["power_state"] != "Suspended":
        raise lifecycle.bad_power_state(record, ("Suspended",))
    if value == record["suspend_VDI"]:
        return
    images = [call.db.get("VDI", vdi) for vdi in (record["suspend_VDI"], value)]
    sums = [await _checksum(call, image["uuid"]) for image in images]
    if sums[0] != sums[1]:
        described = [f"{image['uuid']} : {total}" for image, total in zip(images, sums, strict=True)]
        raise Failure("SUSPEND_VDI_REPLACEMENT_IS_NOT_IDENTICAL", *described)
    call.db.set("VM", vm, suspend_VDI=value)


async def _checksum(call: Call, uuid: str) -> str:
    """MD5 of all that the disk holds."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        async for chunk in call.world.disks.read(uuid):
            digest.update(chunk)
    except DiskError as error:
        raise internal(str(error)) from error
    return digest.hexdigest()
