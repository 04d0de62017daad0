# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: start, shutdown, reboot, pause."""

from __future__ import annotations

import asyncio

from lab import inner, placement
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.classes import vm_settings
from lab.classes.message import notify_vm
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: Seconds that a guest has for a clean shutdown.
SHUTDOWN_TIMEOUT = 1200.0


@implements("VM.start")
async def start(call: Call, vm: str, start_paused: bool, force: bool) -> None:
    async with lifecycle.hold(call, vm, "start"), domains.attached(call, vm):
        vm_settings.fill_bios_strings(call, vm)
        host = placement.choose(call.world, vm)
        await _start(call, vm, host, start_paused, force)
    _tell_started(call, vm, host)


@implements("VM.start_on")
async def start_on(call: Call, vm: str, host: str, start_paused: bool, force: bool) -> None:
    require_no_evacuation(call, vm, host)
    async with lifecycle.hold(call, vm, "start_on"), domains.attached(call, vm):
        vm_settings.fill_bios_strings(call, vm)
        failure = placement.refusal(call.world, vm, host)
        if failure:
            raise failure
        await _start(call, vm, host, start_paused, force)
    _tell_started(call, vm, host)


def require_no_evacuation(call: Call, vm: str, host: str) -> None:
    """Raises HOST_EVACUATE_IN_PROGRESS for a host that is being cleared of its VMs."""
    call.db.get("VM", vm)
    if "evacuate" in call.db.get("host", host)["current_operations"].values():
        raise Failure("HOST_EVACUATE_IN_PROGRESS", host)


async def _start(call: Call, vm: str, host: str, paused: bool, force: bool) -> None:
    record = call.db.get("VM", vm)
    if record["ha_restart_priority"] == "restart":
        call.db.set("VM", vm, ha_always_run=True)
    await domains.boot(call, vm, host, paused, force)
    await asyncio.sleep(record["start_delay"])


def _tell_started(call: Call, vm: str, host: str) -> None:
    record = call.db.get("host", host)
    where = f"started on host: {record['name_label']} (uuid: {record['uuid']})"
    notify_vm(call.world, vm, "VM_STARTED", where)


@implements("VM.get_possible_hosts")
def get_possible_hosts(call: Call, vm: str) -> list[str]:
    return placement.possible_hosts(call.world, vm)


@implements("VM.assert_can_boot_here")
def assert_can_boot_here(call: Call, vm: str, host: str) -> None:
    failure = placement.refusal(call.world, vm, host)
    if failure:
        raise failure


async def _shut_down(call: Call, vm: str, timeout: float) -> None:
    """End the domain of a VM that is held, and wait as long as the VM's shutdown delay says.

    Raises TASK_CANCELLED when a hard shutdown or reboot was faster.
    """
    record = call.db.get("VM", vm)
    call.db.set("VM", vm, ha_always_run=False)
    if not await domains.stop(call, vm, timeout):
        raise Failure("TASK_CANCELLED", call.task)
    domains.note_halted(call.world, vm)
    await asyncio.sleep(record["shutdown_delay"])


@implements("VM.clean_shutdown")
async def clean_shutdown(call: Call, vm: str) -> None:
    async with domains.working(call, vm, "clean_shutdown"):
        await _shut_down(call, vm, SHUTDOWN_TIMEOUT)
    notify_vm(call.world, vm, "VM_SHUTDOWN", "shutdown")


@implements("VM.hard_shutdown")
async def hard_shutdown(call: Call, vm: str) -> None:
    """Also ends what other calls are doing with the VM; of a suspended VM it drops the memory."""
    async with domains.working(call, vm, "hard_shutdown"):
        await _shut_down_hard(call, vm)
    notify_vm(call.world, vm, "VM_SHUTDOWN", "shutdown forcibly")


async def _shut_down_hard(call: Call, vm: str) -> None:
    record = call.db.get("VM", vm)
    call.db.set("VM", vm, ha_always_run=False)
    if record["power_state"] == "Suspended":
        await discard_memory(call, vm)
        return
    await domains.stop(call, vm, None)
    domains.note_halted(call.world, vm)
    await asyncio.sleep(record["shutdown_delay"])


async def discard_memory(call: Call, vm: str) -> None:
    """Turn a suspended VM into a halted one."""
    image = call.db.get("VM", vm)["suspend_VDI"]
    if image != NULL:
        await inner.try_call(call, "VDI.destroy", image)
    call.db.set("VM", vm, suspend_VDI=NULL)
    domains.note_halted(call.world, vm)


@implements("VM.shutdown")
async def shutdown(call: Call, vm: str) -> None:
    """A clean shutdown if the guest can and does it in time, else a hard one."""
    async with domains.working(call, vm, "shutdown"):
        record = call.db.get("VM", vm)
        able = record["power_state"] == "Running" and not lifecycle.lacks_feature(call.world, record, "clean_shutdown")
        try:
            if able:
                await _shut_down(call, vm, float(record["shutdown_delay"]) or SHUTDOWN_TIMEOUT)
        except Failure:
            able = False
        if not able:
            await _shut_down_hard(call, vm)
    notify_vm(call.world, vm, "VM_SHUTDOWN", "shutdown")


@implements("VM.clean_reboot")
async def clean_reboot(call: Call, vm: str) -> None:
    async with domains.working(call, vm, "clean_reboot"):
        if not await domains.stop(call, vm, SHUTDOWN_TIMEOUT):
            raise Failure("TASK_CANCELLED", call.task)
        await domains.restart(call, vm)
    notify_vm(call.world, vm, "VM_REBOOTED", "rebooted cleanly")


@implements("VM.hard_reboot")
async def hard_reboot(call: Call, vm: str) -> None:
    async with domains.working(call, vm, "hard_reboot"):
        if await domains.stop(call, vm, None):
            await domains.restart(call, vm)
    notify_vm(call.world, vm, "VM_REBOOTED", "rebooted forcibly")


@implements("VM.pause")
async def pause(call: Call, vm: str) -> None:
    async with domains.working(call, vm, "pause"):
        await call.world.hypervisor.pause(call.db.get("VM", vm)["uuid"])
        call.db.set("VM", vm, power_state="Paused")
    lifecycle.refresh(call.world, vm)


@implements("VM.unpause")
async def unpause(call: Call, vm: str) -> None:
    """A VM that was started paused has no domain yet: it gets one now."""
    async with domains.working(call, vm, "unpause"):
        uuid = call.db.get("VM", vm)["uuid"]
        if uuid in await call.world.hypervisor.running():
            await call.world.hypervisor.unpause(uuid)
        else:
            await domains.run(call, vm)
        call.db.set("VM", vm, power_state="Running")
    lifecycle.refresh(call.world, vm)
