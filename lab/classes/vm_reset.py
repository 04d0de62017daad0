# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: declared to be halted, because its host is no more."""

from __future__ import annotations

from lab.classes import vm_domain
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, World


def reset(world: World, vm: str) -> None:
    """Write down that the VM is halted; nobody is asked whether that is so."""
    world.database.set("VM", vm, scheduled_to_be_resident_on=NULL, current_operations={})
    vm_domain.note_halted(world, vm)


@implements("VM.power_state_reset")
async def power_state_reset(call: Call, vm: str) -> None:
    """For VMs of a dead host. Raises DOMAIN_EXISTS for one of the coordinator's, HOST_IS_LIVE for one elsewhere.

    A paused domain on the coordinator does not stand in the way, as in XAPI; here it ends.
    """
    record = call.db.get("VM", vm)
    if record["is_control_domain"]:
        raise Failure("CANNOT_RESET_CONTROL_DOMAIN", vm)
    host = record["resident_on"]
    if host == call.world.coordinator:
        if record["power_state"] == "Running" and record["uuid"] in await call.world.hypervisor.running():
            raise Failure("DOMAIN_EXISTS", vm)
        await call.world.hypervisor.destroy(record["uuid"])
    if host not in (NULL, call.world.coordinator) and is_alive(call.world, host):
        raise Failure("HOST_IS_LIVE", host)
    reset(call.world, vm)


def is_alive(world: World, host: str) -> bool:
    """Whether the host counts as alive and answers when asked."""
    return membership.live(world, host) and host not in world.down
