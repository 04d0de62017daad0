# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: its domain, and the records that say what the domain does."""

from __future__ import annotations

import uuid as uuids
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from lab import devices, operations, tasks
from lab.classes import vbd as disks
from lab.classes import vm_lifecycle as lifecycle
from lab.classes import vm_memory, vm_settings
from lab.classes.vm_description import describe
from lab.database import Record
from lab.errors import Failure, internal
from lab.hosts import forwarding
from lab.hypervisor import HypervisorError
from lab.repositories import collector, space, volumes
from lab.storage import DiskError
from lab.values import NULL
from lab.world import Call, World, now


@asynccontextmanager
async def attached(call: Call, vm: str) -> AsyncIterator[None]:
    """Mark all VBDs and VIFs of the VM as being attached; raises why one cannot be."""
    async with AsyncExitStack() as stack:
        record = call.db.get("VM", vm)
        for vbd in record["VBDs"]:
            check = lambda vbd=vbd: disks.attach_refusal(call.world, vbd, call.task)  # noqa: E731
            await stack.enter_async_context(operations.operation(call, "VBD", vbd, "attach", check))
        for vif in record["VIFs"]:
            free = lambda vif=vif: operations.clash(call, "VIF", vif)  # noqa: E731
            await stack.enter_async_context(operations.operation(call, "VIF", vif, "attach", free))
        yield


@asynccontextmanager
async def worker(call: Call, vm: str, host: str) -> AsyncIterator[None]:
    """Have one of the host's workers for what the call holds the VM for. Raises what a dead host answers."""
    name = call.db.get("VM", vm)["current_operations"].get(call.task, "")
    async with forwarding.on_host(call, host), AsyncExitStack() as stack:
        async with tasks.cancellable(call):
            await stack.enter_async_context(call.world.pace.worker(host, name))
        yield


@asynccontextmanager
async def working(call: Call, vm: str, name: str) -> AsyncIterator[None]:
    """Hold an operation on a VM that has a host, and have one of the host's workers for it."""
    async with lifecycle.hold(call, vm, name), worker(call, vm, call.db.get("VM", vm)["resident_on"]):
        yield


@asynccontextmanager
async def reserved(call: Call, vm: str, host: str) -> AsyncIterator[None]:
    """Count the VM as one of the host's while it is brought there."""
    call.db.set("VM", vm, scheduled_to_be_resident_on=host)
    try:
        yield
    finally:
        if call.db.exists("VM", vm):
            call.db.set("VM", vm, scheduled_to_be_resident_on=NULL)
        vm_memory.update_host(call.world, host)


async def boot(call: Call, vm: str, host: str, paused: bool, force: bool = False) -> None:
    """Start a halted VM on a host; the caller holds the VM and its devices."""
    vm_settings.complete(call, vm)
    record = call.db.get("VM", vm)
    if not force and lifecycle.is_true(record["platform"].get("nested-virt")):
        vm_memory.require_pinned(record, "nested virt")
    failure = vm_settings.start_refusal(record)
    if failure:
        raise failure
    async with reserved(call, vm, host), worker(call, vm, host):
        if paused:
            forget_guest(call, vm)
        else:
            await run(call, vm)
        note_running(call, vm, host, "Paused" if paused else "Running")


async def run(call: Call, vm: str) -> None:
    """Have the hypervisor run what the VM is now."""
    await _prepare_disks(call, vm)
    forget_guest(call, vm)
    try:
        await call.world.hypervisor.start(describe(call.world, vm))
    except (HypervisorError, DiskError) as error:
        raise internal(f"xenopsd: {error}") from error


def forget_guest(call: Call, vm: str) -> None:
    """Drop what the agent of the VM's last guest told."""
    metrics = call.db.get("VM", vm)["guest_metrics"]
    call.db.set("VM", vm, guest_metrics=NULL)
    if call.db.exists("VM_guest_metrics", metrics):
        call.db.delete("VM_guest_metrics", metrics)


async def _prepare_disks(call: Call, vm: str) -> None:
    """See that there is room for what the guest may write, and drop what disks with on_boot=reset have gathered."""
    for vbd in call.db.get("VM", vm)["VBDs"]:
        record = call.db.get("VBD", vbd)
        await space.require_to_attach(call.world, record)
        vdi = call.db.find("VDI", record["VDI"])
        if vdi and vdi["on_boot"] == "reset":
            async with collector.layers(call.world, vdi["SR"]):
                await volumes.reset(call, vdi.ref)


def note_running(call: Call, vm: str, host: str, state: str, resumed: bool = False) -> None:
    """Bring the records in step with a VM that has a domain on the host: Running or Paused."""
    record = call.db.get("VM", vm)
    number = 1 + max([found["domid"] for found in call.db.all("VM")], default=0)
    call.db.set(
        "VM", vm, power_state=state, resident_on=host, domid=number, memory_target=record["memory_dynamic_max"],
        domarch="x64" if record["domain_type"] == "hvm" else "x86_64", requires_reboot=False,
        last_boot_CPU_flags=_cpu_flags(call, host, record["domain_type"]),
    )  # fmt: skip
    for vbd in record["VBDs"]:
        found = call.db.get("VBD", vbd)
        empty_pv_cd = found["empty"] and record["domain_type"] != "hvm"
        attached = found["currently_attached"] if empty_pv_cd else True
        call.db.set("VBD", vbd, currently_attached=attached, device=devices.guest_name(found["userdevice"]))
    for vif in record["VIFs"]:
        call.db.set("VIF", vif, currently_attached=True)
    _note_metrics(call, record, {} if resumed else {"start_time": now()})
    _make_console(call, record, host)
    lifecycle.refresh(call.world, vm)


def _make_console(call: Call, record: Record, host: str) -> None:
    """The console of a VM that has just got a domain: a screen for HVM guests, a terminal for others."""
    uuid = str(uuids.uuid4())
    fields = {
        "uuid": uuid, "protocol": "rfb" if record["domain_type"] == "hvm" else "vt100", "VM": record.ref,
        "location": f"https://{call.db.get('host', host)['address']}/console?uuid={uuid}",
    }  # fmt: skip
    call.db.create("console", fields)


def _cpu_flags(call: Call, host: str, domain_type: str) -> dict[str, str]:
    info = call.db.get("host", host)["cpu_info"]
    features = "features_hvm" if domain_type == "hvm" else "features_pv"
    return {"vendor": info.get("vendor", ""), "features": info.get(features, "")}


def _note_metrics(call: Call, record: Record, changes: dict[str, Any]) -> None:
    if not call.db.exists("VM_metrics", record["metrics"]):
        return
    platform = record["platform"]
    call.db.set(
        "VM_metrics", record["metrics"], last_updated=now(), state=[], memory_actual=record["memory_dynamic_max"],
        VCPUs_number=record["VCPUs_at_startup"], current_domain_type=record["domain_type"],
        hvm=record["domain_type"] == "hvm", nomigrate=lifecycle.is_true(platform.get("nomigrate")),
        nested_virt=lifecycle.is_true(platform.get("nested-virt")), **changes,
    )  # fmt: skip


def note_halted(world: World, vm: str) -> None:
    """Bring the records in step with a VM that runs no longer; its VBDs keep the names that its devices had."""
    database = world.database
    record = database.get("VM", vm)
    for vbd in record["VBDs"]:
        database.set("VBD", vbd, currently_attached=False)
    for vif in record["VIFs"]:
        database.set("VIF", vif, currently_attached=False)
    database.set("VM", vm, requires_reboot=False)
    _note_gone(world, record, "Halted")


def note_suspended(world: World, vm: str) -> None:
    """Bring the records in step with a VM whose memory is on disk: its devices count as attached all the while."""
    _note_gone(world, world.database.get("VM", vm), "Suspended")


def _note_gone(world: World, record: Record, state: str) -> None:
    """What is so of every VM without a domain."""
    database, host = world.database, record["resident_on"]
    for console in record["consoles"]:
        database.delete("console", console)
    database.set(
        "VM", record.ref, power_state=state, resident_on=NULL, scheduled_to_be_resident_on=NULL, domid=-1, domarch="",
        memory_target=0,
    )  # fmt: skip
    if database.exists("VM_metrics", record["metrics"]):
        database.set("VM_metrics", record["metrics"], current_domain_type="unspecified", last_updated=now())
    lifecycle.refresh(world, record.ref)
    vm_memory.update_host(world, host)


async def stop(call: Call, vm: str, timeout: float | None) -> bool:
    """End the VM's domain, by asking the guest when there is a timeout (seconds).

    False when a hard stop or reboot came before a clean one was done. Raises VM_SHUTDOWN_TIMEOUT.
    """
    record = call.db.get("VM", vm)
    domain, hypervisor = record["domid"], call.world.hypervisor
    if domain == -1:
        return False
    try:
        if timeout is None:
            await hypervisor.destroy(record["uuid"])
        elif not await hypervisor.shutdown(record["uuid"], timeout):
            raise Failure("VM_SHUTDOWN_TIMEOUT", vm, timeout)
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error
    return call.db.exists("VM", vm) and bool(call.db.get("VM", vm)["domid"] == domain)


async def restart(call: Call, vm: str) -> None:
    """Give a VM whose domain has just ended a new one; all the while it counts as running."""
    host = call.db.get("VM", vm)["resident_on"]
    try:
        await run(call, vm)
    except Failure:
        note_halted(call.world, vm)
        raise
    for console in call.db.get("VM", vm)["consoles"]:
        call.db.delete("console", console)
    note_running(call, vm, host, "Running")
