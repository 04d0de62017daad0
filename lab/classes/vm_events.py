# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: what the hypervisor tells of guests: that one ended, what its agent reports, what it wrote to xenstore."""

from __future__ import annotations

import logging

from lab import operations
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.errors import Failure
from lab.hypervisor import ExitReason, GuestReport
from lab.world import Call, World, now

LOG = logging.getLogger("lab")


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
    if "restart" in action:
        await _restart(world, ref)
    else:
        domains.note_halted(world, ref)
    world.settle()


async def _restart(world: World, vm: str) -> None:
    call = Call(world, "VM.start", internal=True)
    try:
        async with operations.operation(call, "VM", vm, "hard_reboot", lambda: operations.clash(call, "VM", vm)):
            if world.database.get("VM", vm)["power_state"] == "Running":
                await domains.restart(call, vm)
    except Failure as failure:
        LOG.error("guest of %s does not start again: %s", vm, failure.description)


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
    lifecycle.refresh(world, ref)
    world.settle()


async def xenstore_written(world: World, vm_uuid: str, key: str, value: str) -> None:
    """Copy what a guest wrote below vm-data/ into its VM's xenstore_data, as XAPI does."""
    ref = world.database.tables["VM"].by_uuid.get(vm_uuid)
    if ref is not None and key.startswith("vm-data/"):
        world.database.put("VM", ref, "xenstore_data", key, value)
