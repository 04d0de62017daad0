# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM_appliance: VMs that start and stop together, in the order of VM.order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import groupby

from lab import operations
from lab.classes import vm_power
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, World

LOG = logging.getLogger("lab")
Action = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Needed:
    """The states in one of which a VM must be for an operation to make sense, and what is said when none is."""

    states: tuple[str, ...]
    otherwise: str


_NOT_HALTED = Needed(("Running", "Paused", "Suspended"), "All VMs in this appliance are halted.")
NEEDED = {
    "start": Needed(("Halted",), "There are no halted VMs in this appliance."),
    "clean_shutdown": Needed(("Running",), "There are no running VMs in this appliance."),
    "hard_shutdown": _NOT_HALTED,
    "shutdown": _NOT_HALTED,
}


def allowed_operations(world: World, appliance: str) -> list[str]:
    record = world.database.get("VM_appliance", appliance)
    if record["current_operations"]:
        return []
    states = [world.database.get("VM", vm)["power_state"] for vm in record["VMs"]]
    return [name for name in NEEDED if any(state in NEEDED[name].states for state in states)]


def _refusal(call: Call, appliance: str, name: str) -> Failure | None:
    """Why the operation makes no sense for any of the VMs, or must wait."""
    clash = operations.clash(call, "VM_appliance", appliance)
    if clash:
        return clash
    states = {call.db.get("VM", vm)["power_state"] for vm in call.db.get("VM_appliance", appliance)["VMs"]}
    if not states:
        return Failure("OPERATION_NOT_ALLOWED", "Appliance has no VMs.")
    needed = NEEDED[name]
    return None if states & set(needed.states) else Failure("OPERATION_NOT_ALLOWED", needed.otherwise)


async def _perform(
    call: Call, appliance: str, name: str, wanted: str, action: Callable[[str], Awaitable[None]]
) -> None:
    """Bring all VMs that are not there yet into the wanted state: those of one order together, order after order.

    Raises OPERATION_PARTIALLY_FAILED, which names the VMs that are in another state in the end.
    """
    check = lambda: _refusal(call, appliance, name)  # noqa: E731
    async with operations.operation(call, "VM_appliance", appliance, name, check):
        members = [call.db.get("VM", vm) for vm in reversed(call.db.get("VM_appliance", appliance)["VMs"])]
        targets = [vm for vm in members if vm["power_state"] != wanted]
        ordered = sorted(targets, key=lambda vm: vm["order"], reverse=name != "start")
        for _order, group in groupby(ordered, key=lambda vm: vm["order"]):
            await asyncio.gather(*(_attempt(action, vm) for vm in group))
        failed = [vm.ref for vm in targets if vm["power_state"] != wanted]
    call.world.refresh("VM_appliance", appliance)
    if failed:
        raise Failure("OPERATION_PARTIALLY_FAILED", f"VM_appliance.{name}", *failed)


async def _attempt(action: Action, vm: Record) -> None:
    try:
        await action(vm.ref)
    except Failure as failure:
        LOG.info("VM %s of an appliance: %s", vm.ref, failure.description)


@implements("VM_appliance.start")
async def start(call: Call, appliance: str, paused: bool) -> None:
    wanted = "Paused" if paused else "Running"
    await _perform(call, appliance, "start", wanted, lambda vm: vm_power.start(call, vm, paused, False))


@implements("VM_appliance.clean_shutdown")
async def clean_shutdown(call: Call, appliance: str) -> None:
    await _perform(call, appliance, "clean_shutdown", "Halted", lambda vm: vm_power.clean_shutdown(call, vm))


@implements("VM_appliance.hard_shutdown")
async def hard_shutdown(call: Call, appliance: str) -> None:
    await _perform(call, appliance, "hard_shutdown", "Halted", lambda vm: vm_power.hard_shutdown(call, vm))


@implements("VM_appliance.shutdown")
async def shutdown(call: Call, appliance: str) -> None:
    await _perform(call, appliance, "shutdown", "Halted", lambda vm: vm_power.shutdown(call, vm))


@implements("VM_appliance.destroy")
def destroy(call: Call, appliance: str) -> None:
    """The VMs stay, and keep the reference."""
    members = call.db.get("VM_appliance", appliance)["VMs"]
    call.db.delete("VM_appliance", appliance)
    call.world.refresh("VM", *members)


@implements("VM_group.destroy")
def destroy_group(call: Call, group: str) -> None:
    for vm in call.db.get("VM_group", group)["VMs"]:
        call.db.set("VM", vm, groups=[])
    call.db.delete("VM_group", group)
