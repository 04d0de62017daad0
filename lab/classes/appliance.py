# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM_appliance: VMs that start and stop together, in the order of VM.order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import groupby

from lab import operations
from lab.classes import vm_power
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, World


def allowed_operations(world: World, appliance: str) -> list[str]:
    record = world.database.get("VM_appliance", appliance)
    if record["current_operations"]:
        return []
    states = [world.database.get("VM", vm)["power_state"] for vm in record["VMs"]]
    start = ["start"] if "Halted" in states else []
    stop = ["clean_shutdown", "hard_shutdown", "shutdown"] if set(states) - {"Halted"} else []
    return start + stop


def _members(call: Call, appliance: str) -> list[Record]:
    members = [call.db.get("VM", vm) for vm in call.db.get("VM_appliance", appliance)["VMs"]]
    if not members:
        raise Failure("OPERATION_NOT_ALLOWED", "Appliance has no VMs.")
    return sorted(members, key=lambda vm: vm["order"])


async def _for_each(
    call: Call, appliance: str, name: str, members: list[Record], action: Callable[[str], Awaitable[None]]
) -> None:
    check = lambda: operations.clash(call, "VM_appliance", appliance)  # noqa: E731
    failed = []
    async with operations.operation(call, "VM_appliance", appliance, name, check):
        for _order, group in groupby(members, key=lambda vm: vm["order"]):
            for vm in group:
                try:
                    await action(vm.ref)
                except Failure:
                    failed.append(vm.ref)
    if failed:
        raise Failure("OPERATION_PARTIALLY_FAILED", f"VM_appliance.{name}", *failed)


@implements("VM_appliance.start")
async def start(call: Call, appliance: str, paused: bool) -> None:
    members = [vm for vm in _members(call, appliance) if vm["power_state"] == "Halted"]
    if not members:
        raise Failure("OPERATION_NOT_ALLOWED", "There are no halted VMs in this appliance.")
    await _for_each(call, appliance, "start", members, lambda vm: vm_power.start(call, vm, paused, False))
    call.world.refresh("VM_appliance", appliance)


async def _stop(call: Call, appliance: str, name: str, action: Callable[[Call, str], Awaitable[None]]) -> None:
    members = [vm for vm in _members(call, appliance) if vm["power_state"] != "Halted"]
    if not members:
        raise Failure("OPERATION_NOT_ALLOWED", "All VMs in this appliance are halted.")
    members.reverse()
    await _for_each(call, appliance, name, members, lambda vm: action(call, vm))
    call.world.refresh("VM_appliance", appliance)


@implements("VM_appliance.clean_shutdown")
async def clean_shutdown(call: Call, appliance: str) -> None:
    await _stop(call, appliance, "clean_shutdown", vm_power.clean_shutdown)


@implements("VM_appliance.hard_shutdown")
async def hard_shutdown(call: Call, appliance: str) -> None:
    await _stop(call, appliance, "hard_shutdown", vm_power.hard_shutdown)


@implements("VM_appliance.shutdown")
async def shutdown(call: Call, appliance: str) -> None:
    await _stop(call, appliance, "shutdown", vm_power.shutdown)


@implements("VM_appliance.destroy")
def destroy(call: Call, appliance: str) -> None:
    for vm in call.db.get("VM_appliance", appliance)["VMs"]:
        call.db.set("VM", vm, appliance=NULL)
    call.db.delete("VM_appliance", appliance)


@implements("VM_group.destroy")
def destroy_group(call: Call, group: str) -> None:
    for vm in call.db.get("VM_group", group)["VMs"]:
        call.db.set("VM", vm, groups=[])
    call.db.delete("VM_group", group)


@implements("VM_appliance.assert_can_be_recovered")
def assert_can_be_recovered(call: Call, appliance: str, session_to: str) -> None:
    call.db.get("VM_appliance", appliance)
