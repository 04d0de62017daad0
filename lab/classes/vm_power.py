# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: start, shutdown, reboot, pause; and what happens when a guest ends by itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

from lab import forwarding, generated, operations, placement
from lab.classes import vbd as disks
from lab.classes import vm as machines
from lab.classes import vm_memory, vm_settings
from lab.database import Record
from lab.errors import Failure, internal
from lab.hypervisor import Domain, DomainDisk, DomainNic, ExitReason, GuestReport, HypervisorError
from lab.registry import implements
from lab.storage import DiskError
from lab.values import NULL
from lab.world import Call, World, now

LOG = logging.getLogger("lab")
#: Seconds that a guest has for a clean shutdown.
SHUTDOWN_TIMEOUT = 1200.0


def describe(world: World, vm: str) -> Domain:
    """The VM as the hypervisor needs it."""
    record = world.database.get("VM", vm)
    params = record["HVM_boot_params"]
    firmware: Literal["bios", "uefi"] = "uefi" if params.get("firmware") == "uefi" else "bios"
    return Domain(
        vm_uuid=record["uuid"],
        name=record["name_label"],
        memory=record["memory_dynamic_max"] or record["memory_static_max"],
        vcpus=record["VCPUs_at_startup"],
        firmware=firmware,
        boot_order=params.get("order", "cd"),
        disks=[_disk(world, world.database.get("VBD", vbd)) for vbd in record["VBDs"]],
        nics=[_nic(world, world.database.get("VIF", vif)) for vif in record["VIFs"]],
        xenstore_data=dict(record["xenstore_data"]),
        boots=vm not in world.unbootable,
    )


def _disk(world: World, vbd: Record) -> DomainDisk:
    number = disks.device_number(vbd["userdevice"])
    disk = None if vbd["empty"] else world.database.get("VDI", vbd["VDI"])["uuid"]
    kind: Literal["CD", "Disk"] = "CD" if vbd["type"] == "CD" else "Disk"
    return DomainDisk(number[1] if number else 0, disk, vbd["mode"], kind, vbd["uuid"])


def _nic(world: World, vif: Record) -> DomainNic:
    network = world.database.get("network", vif["network"])
    to_host = bool(network["PIFs"]) or "ip_begin" in network["other_config"]
    return DomainNic(
        int(vif["device"]), vif["MAC"], network["uuid"], dict(network["other_config"]), to_host, network["MTU"]
    )


@asynccontextmanager
async def attached(call: Call, vm: str) -> AsyncIterator[None]:
    """Mark all VBDs of the VM as being attached; raises why one cannot be."""
    async with AsyncExitStack() as stack:
        for vbd in call.db.get("VM", vm)["VBDs"]:
            check = lambda vbd=vbd: disks.attach_refusal(call.world, vbd, call.task)  # noqa: E731
            await stack.enter_async_context(operations.operation(call, "VBD", vbd, "attach", check))
        yield


@asynccontextmanager
async def worker(call: Call, vm: str, host: str) -> AsyncIterator[None]:
    """Have one of the host's workers for what the call holds the VM for. Raises what a dead host answers."""
    name = call.db.get("VM", vm)["current_operations"].get(call.task, "")
    async with forwarding.on_host(call, host), call.world.pace.worker(host, name):
        yield


@asynccontextmanager
async def working(call: Call, vm: str, name: str) -> AsyncIterator[None]:
    """Hold an operation on a VM that has a host, and have one of the host's workers for it."""
    async with machines.hold(call, vm, name), worker(call, vm, call.db.get("VM", vm)["resident_on"]):
        yield


async def boot(call: Call, vm: str, host: str, paused: bool) -> None:
    """Start a halted VM on a host; the caller holds the VM."""
    failure = vm_settings.start_refusal(call.db.get("VM", vm))
    if failure:
        raise failure
    vm_settings.complete(call, vm)
    call.db.set("VM", vm, scheduled_to_be_resident_on=host)
    try:
        async with attached(call, vm), worker(call, vm, host):
            if paused:
                _note_running(call, vm, host, "Paused")
            else:
                await run_domain(call, vm)
                _note_running(call, vm, host, "Running")
    finally:
        if call.db.exists("VM", vm):
            call.db.set("VM", vm, scheduled_to_be_resident_on=NULL)
            vm_memory.update_host(call.world, host)


async def run_domain(call: Call, vm: str) -> None:
    """Have the hypervisor run what the VM is now."""
    await reset_volatile_disks(call, vm)
    call.db.set("VM", vm, guest_metrics=NULL)
    try:
        await call.world.hypervisor.start(describe(call.world, vm))
    except (HypervisorError, DiskError) as error:
        raise internal(f"xenopsd: {error}") from error


async def reset_volatile_disks(call: Call, vm: str) -> None:
    """Drop what the disks with on_boot=reset gathered since they were cloned."""
    for vbd in call.db.get("VM", vm)["VBDs"]:
        vdi = call.db.find("VDI", call.db.get("VBD", vbd)["VDI"])
        if vdi is None or vdi["on_boot"] != "reset":
            continue
        if not vdi["sm_config"].get("vhd-parent"):
            raise Failure("SR_BACKEND_FAILURE_46", "", "The VDI is not available [opterr=no parent]", "")
        await call.world.disks.destroy(vdi["uuid"])
        await call.world.disks.clone(vdi["sm_config"]["vhd-parent"], vdi["uuid"])


def _note_running(call: Call, vm: str, host: str, state: str) -> None:
    record = call.db.get("VM", vm)
    number = 1 + max([found["domid"] for found in call.db.all("VM")], default=0)
    call.db.set(
        "VM", vm, power_state=state, resident_on=host, domid=number, memory_target=record["memory_dynamic_max"],
        domarch="x64" if record["domain_type"] == "hvm" else "x86_64",
    )  # fmt: skip
    for vbd in record["VBDs"]:
        found = call.db.get("VBD", vbd)
        empty_pv_cd = found["empty"] and record["domain_type"] != "hvm"
        if not empty_pv_cd:
            call.db.set("VBD", vbd, currently_attached=True, device=disks.device_name(found["userdevice"]))
    for vif in record["VIFs"]:
        call.db.set("VIF", vif, currently_attached=True)
    if call.db.exists("VM_metrics", record["metrics"]):
        call.db.set(
            "VM_metrics", record["metrics"], start_time=now(), last_updated=now(), state=[],
            memory_actual=record["memory_dynamic_max"], VCPUs_number=record["VCPUs_at_startup"],
            current_domain_type=record["domain_type"], hvm=record["domain_type"] == "hvm",
        )  # fmt: skip
    location = call.world.hypervisor.console(record["uuid"])
    call.db.create("console", {"protocol": "rfb", "location": location, "VM": vm})
    machines.refresh(call.world, vm)


def note_halted(world: World, vm: str) -> None:
    """Bring the records in step with a VM that runs no longer."""
    database = world.database
    record = database.get("VM", vm)
    host = record["resident_on"]
    for vbd in record["VBDs"]:
        database.set("VBD", vbd, currently_attached=False, device="")
    for vif in record["VIFs"]:
        database.set("VIF", vif, currently_attached=False)
    for console in record["consoles"]:
        database.delete("console", console)
    database.set("VM", vm, power_state="Halted", resident_on=NULL, domid=-1, domarch="", memory_target=0)
    if database.exists("VM_metrics", record["metrics"]):
        database.set("VM_metrics", record["metrics"], current_domain_type="unspecified", last_updated=now())
    machines.refresh(world, vm)
    world.refresh("VM_appliance", record["appliance"])
    vm_memory.update_host(world, host)


@implements("VM.start")
async def start(call: Call, vm: str, start_paused: bool, force: bool) -> None:
    async with machines.hold(call, vm, "start"):
        await boot(call, vm, placement.choose(call.world, vm), start_paused)


@implements("VM.start_on")
async def start_on(call: Call, vm: str, host: str, start_paused: bool, force: bool) -> None:
    if "evacuate" in call.db.get("host", host)["current_operations"].values():
        raise Failure("HOST_EVACUATE_IN_PROGRESS", host)
    async with machines.hold(call, vm, "start_on"):
        failure = placement.refusal(call.world, vm, host)
        if failure:
            raise failure
        await boot(call, vm, host, start_paused)


@implements("VM.get_possible_hosts")
def get_possible_hosts(call: Call, vm: str) -> list[str]:
    return placement.possible_hosts(call.world, vm)


@implements("VM.assert_can_boot_here")
def assert_can_boot_here(call: Call, vm: str, host: str) -> None:
    failure = placement.refusal(call.world, vm, host)
    if failure:
        raise failure


async def _stop(call: Call, vm: str, clean: bool) -> bool:
    """End the VM's domain; False when a hard stop or reboot came before a clean one was done."""
    record = call.db.get("VM", vm)
    domain, hypervisor = record["domid"], call.world.hypervisor
    try:
        if not clean:
            await hypervisor.destroy(record["uuid"])
        elif not await hypervisor.shutdown(record["uuid"], SHUTDOWN_TIMEOUT):
            raise Failure("VM_SHUTDOWN_TIMEOUT", vm, SHUTDOWN_TIMEOUT)
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error
    return bool(call.db.get("VM", vm)["domid"] == domain)


@implements("VM.clean_shutdown")
async def clean_shutdown(call: Call, vm: str) -> None:
    async with working(call, vm, "clean_shutdown"):
        if await _stop(call, vm, clean=True):
            note_halted(call.world, vm)


@implements("VM.hard_shutdown")
async def hard_shutdown(call: Call, vm: str) -> None:
    async with working(call, vm, "hard_shutdown"):
        await _stop(call, vm, clean=False)
        note_halted(call.world, vm)


@implements("VM.shutdown")
async def shutdown(call: Call, vm: str) -> None:
    """A clean shutdown if the guest can, else a hard one."""
    record = call.db.get("VM", vm)
    if machines.refusal(call.world, vm, "clean_shutdown") is None:
        await clean_shutdown(call, vm)
        return
    if "hard_shutdown" in record["blocked_operations"] and record["power_state"] == "Halted":
        raise machines.bad_power_state(record, machines.STATES["hard_shutdown"])
    async with working(call, vm, "shutdown"):
        await _stop(call, vm, clean=False)
        note_halted(call.world, vm)


async def _reboot(call: Call, vm: str, clean: bool) -> None:
    if await _stop(call, vm, clean):
        await restart(call, vm)


async def restart(call: Call, vm: str) -> None:
    """Give a VM whose domain has just ended a new one; all the while it counts as running."""
    host = call.db.get("VM", vm)["resident_on"]
    try:
        await run_domain(call, vm)
    except Failure:
        note_halted(call.world, vm)
        raise
    for console in call.db.get("VM", vm)["consoles"]:
        call.db.delete("console", console)
    _note_running(call, vm, host, "Running")


@implements("VM.clean_reboot")
async def clean_reboot(call: Call, vm: str) -> None:
    async with working(call, vm, "clean_reboot"):
        await _reboot(call, vm, clean=True)


@implements("VM.hard_reboot")
async def hard_reboot(call: Call, vm: str) -> None:
    async with working(call, vm, "hard_reboot"):
        await _reboot(call, vm, clean=False)


@implements("VM.pause")
async def pause(call: Call, vm: str) -> None:
    async with working(call, vm, "pause"):
        await call.world.hypervisor.pause(call.db.get("VM", vm)["uuid"])
        call.db.set("VM", vm, power_state="Paused")
    machines.refresh(call.world, vm)


@implements("VM.unpause")
async def unpause(call: Call, vm: str) -> None:
    """A VM that was started paused has no domain yet: it gets one now."""
    async with working(call, vm, "unpause"):
        uuid = call.db.get("VM", vm)["uuid"]
        if uuid in await call.world.hypervisor.running():
            await call.world.hypervisor.unpause(uuid)
        else:
            await run_domain(call, vm)
        call.db.set("VM", vm, power_state="Running")
    machines.refresh(call.world, vm)


async def domain_exited(world: World, vm_uuid: str, reason: ExitReason) -> None:
    """A guest ended by itself: do what its actions_after_... field says."""
    ref = world.database.tables["VM"].by_uuid.get(vm_uuid)
    if ref is None or world.database.get("VM", ref)["power_state"] not in ("Running", "Paused"):
        return
    record = world.database.get("VM", ref)
    action = {
        "halted": record["actions_after_shutdown"],
        "rebooted": record["actions_after_reboot"],
        "crashed": record["actions_after_crash"],
    }[reason]
    LOG.info("guest %s (%s) %s", record["name_label"], vm_uuid, reason)
    if "restart" not in action:
        note_halted(world, ref)
        world.settle()
        return
    call = Call(world, "VM.start", internal=True)
    try:
        async with operations.operation(call, "VM", ref, "hard_reboot", lambda: operations.clash(call, "VM", ref)):
            if world.database.get("VM", ref)["power_state"] == "Running":
                await restart(call, ref)
    except Failure as failure:
        LOG.error("guest %s (%s) does not start again: %s", record["name_label"], vm_uuid, failure.description)
    world.settle()


async def guest_reported(world: World, vm_uuid: str, report: GuestReport) -> None:
    """Write what a guest's agent told into the VM's guest metrics."""
    ref = world.database.tables["VM"].by_uuid.get(vm_uuid)
    if ref is None:
        return
    fields = {
        "networks": report.networks,
        "os_version": report.os_version,
        "other": report.other,
        "PV_drivers_version": report.pv_drivers_version,
        "PV_drivers_detected": True,
        "PV_drivers_up_to_date": True,
        "can_use_hotplug_vbd": "yes",
        "can_use_hotplug_vif": "yes",
        "live": True,
        "last_updated": now(),
    }
    metrics = world.database.get("VM", ref)["guest_metrics"]
    if world.database.exists("VM_guest_metrics", metrics):
        world.database.set("VM_guest_metrics", metrics, **fields)
    else:
        world.database.set("VM", ref, guest_metrics=world.database.create("VM_guest_metrics", fields))
    machines.refresh(world, ref)
    world.settle()


async def xenstore_written(world: World, vm_uuid: str, key: str, value: str) -> None:
    """Copy what a guest wrote below vm-data/ into its VM's xenstore_data, as XAPI does."""
    ref = world.database.tables["VM"].by_uuid.get(vm_uuid)
    if ref is not None and key.startswith("vm-data/"):
        world.database.put("VM", ref, "xenstore_data", key, value)


async def _tell_guest(call: Call, vm: str) -> None:
    record = call.db.get("VM", vm)
    if record["power_state"] == "Running":
        await call.world.hypervisor.set_xenstore(record["uuid"], record["xenstore_data"])


@implements("VM.set_xenstore_data")
async def set_xenstore_data(call: Call, vm: str, value: dict[str, str]) -> None:
    call.db.set("VM", vm, xenstore_data=value)
    await _tell_guest(call, vm)


@implements("VM.add_to_xenstore_data")
async def add_to_xenstore_data(call: Call, vm: str, key: str, value: str) -> None:
    generated.add_key(call, "VM", vm, "xenstore_data", key, value)
    await _tell_guest(call, vm)


@implements("VM.remove_from_xenstore_data")
async def remove_from_xenstore_data(call: Call, vm: str, key: str) -> None:
    call.db.drop("VM", vm, "xenstore_data", key)
    await _tell_guest(call, vm)
