# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: to another host of its pool, with its storage where it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab import placement
from lab.classes import host_lifecycle, vm_memory
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.errors import internal
from lab.hypervisor import HypervisorError
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, World


def asked(options: dict[str, str], name: str) -> bool:
    """Whether an option is set; XAPI reads nothing but `true` as yes."""
    return options.get(name) == "true"


@implements("VM.pool_migrate")
async def pool_migrate(call: Call, vm: str, host: str, options: dict[str, str]) -> None:
    """Move a running VM to a host that sees all its storage and networks and has memory for it.

    With `force` the guest need not be able to suspend itself. Raises what refuses a start on that host.
    """
    force = asked(options, "force")
    if call.db.get("VM", vm)["power_state"] != "Halted" and not force:
        # where XAPI compares the processors of the hosts
        call.db.get("host", host)
    async with lifecycle.hold(call, vm, "pool_migrate", strict=not force):
        failure = placement.refusal(call.world, vm, host)
        if failure:
            raise failure
        source = call.db.get("VM", vm)["resident_on"]
        async with reserved(call, vm, host), domains.worker(call, vm, source):
            await _pass_through(call, vm)
            settle_on(call, vm, host)


@asynccontextmanager
async def reserved(call: Call, vm: str, host: str) -> AsyncIterator[None]:
    """Keep memory on a host for a VM that is about to run there; the host is busy with a migration meanwhile."""
    async with host_lifecycle.hold(call, host, "vm_migrate"), domains.reserved(call, vm, host):
        vm_memory.update_host(call.world, host)
        yield


async def _pass_through(call: Call, vm: str) -> None:
    """Stop the guest for the moment in which it changes hosts."""
    hypervisor, uuid = call.world.hypervisor, call.db.get("VM", vm)["uuid"]
    try:
        await hypervisor.pause(uuid)
        await hypervisor.unpause(uuid)
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


def settle_on(call: Call, vm: str, host: str) -> None:
    """Note that the VM runs on that host now, in a new domain."""
    source = call.db.get("VM", vm)["resident_on"]
    call.db.set("VM", vm, resident_on=host, domid=next_domain(call.world), scheduled_to_be_resident_on=NULL)
    lifecycle.refresh(call.world, vm)
    for touched in {source, host} - {NULL}:
        vm_memory.update_host(call.world, touched)


def next_domain(world: World) -> int:
    """The number of a new domain."""
    return 1 + max([int(found["domid"]) for found in world.database.all("VM")], default=0)


@implements("VM.pool_migrate_complete")
def pool_migrate_complete(call: Call, vm: str, host: str) -> None:
    """What the receiving host is told at the end of a migration; of a VM that does not run there it knows nothing."""
    call.db.get("host", host)
    call.db.get("VM", vm)


@implements("host.allocate_resources_for_vm")
def allocate_resources_for_vm(call: Call, host: str, vm: str, live: bool) -> None:
    """Keep memory on a host for a VM that another pool is about to send."""
    call.db.get("host", host)
    if live:
        call.db.set("VM", vm, scheduled_to_be_resident_on=host)
        vm_memory.update_host(call.world, host)
