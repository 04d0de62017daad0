# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's VMs to the other hosts of its pool: the plan, and its execution."""

from __future__ import annotations

import asyncio

from lab import placement, tasks
from lab.classes import vm_lifecycle, vm_memory, vm_migrate
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.values import NULL, Type
from lab.world import Call, World

#: Where each VM goes, or why it cannot.
Plan = dict[str, "str | Failure"]
#: VMs that move at a time unless the caller says otherwise.
BATCH = 10


def guests_of(world: World, host: str) -> list[str]:
    """The VMs on a host but for its control domains."""
    resident = world.database.get("host", host)["resident_VMs"]
    return [ref for ref in resident if not world.database.get("VM", ref)["is_control_domain"]]


def plan(world: World, host: str) -> Plan:
    """Where each VM of the host can go.

    As XAPI does, a VM counts as movable only if it could run on *every* enabled host besides this one; memory is
    looked at afterwards, for all of them together. Of several errors of a VM the one found last stays.
    """
    guests = guests_of(world, host)
    enabled = [other for other in membership.hosts_of(world) if world.database.get("host", other)["enabled"]]
    targets = [other for other in enabled if other != host]
    if not targets:
        return {guest: Failure("NO_HOSTS_AVAILABLE", guest) for guest in guests}
    found: Plan = {}
    for guest in guests:
        reasons = [placement.refusal(world, guest, target, with_memory=False) for target in targets]
        reason = next(filter(None, reasons), None)
        if reason:
            found[guest] = reason
    movable = [guest for guest in guests if guest not in found]
    for guest in guests:
        reason = vm_lifecycle.refusal(world, guest, "pool_migrate")
        if reason:
            found[guest] = reason
    places = _pack(world, movable, targets)
    for guest in movable:
        if guest not in places:
            found[guest] = Failure("HOST_NOT_ENOUGH_FREE_MEMORY", guest)
        elif guest not in found:
            found[guest] = places[guest]
    return found


def _pack(world: World, guests: list[str], targets: list[str]) -> dict[str, str]:
    """Places by memory alone: the largest VM first, each on the host with most of it left."""
    free = {target: vm_memory.free_memory(world, target) for target in targets}
    sizes = {guest: vm_memory.needed(world.database.get("VM", guest)) for guest in guests}
    places = {}
    for guest in sorted(guests, key=lambda ref: sizes[ref], reverse=True):
        roomiest = max(targets, key=lambda target: free[target])
        if free[roomiest] >= sizes[guest]:
            places[guest] = roomiest
            free[roomiest] -= sizes[guest]
    return places


async def evacuate(call: Call, host: str, network: str, batch_size: int) -> None:
    """Carry the plan out. Raises the first error in it before anything moves, then those of the moves."""
    steps = plan(call.world, host)
    for step in steps.values():
        if isinstance(step, Failure):
            raise step
    options = {"live": "true"} if network == NULL else {"network": network, "live": "true"}
    moves = [(guest, target) for guest, target in steps.items() if isinstance(target, str)]
    size = batch_size if batch_size > 0 else BATCH
    for first in range(0, len(moves), size):
        batch = [_move(call, guest, target, options, len(moves)) for guest, target in moves[first : first + size]]
        outcomes = await asyncio.gather(*batch, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
    left = guests_of(call.world, host)
    if left:
        raise internal(f"evacuate: {len(left)} VMs are still resident on {host}")


async def _move(call: Call, guest: str, target: str, options: dict[str, str], count: int) -> None:
    """Move one VM, in a task of its own that is gone afterwards. One that has ended meanwhile needs no moving."""
    world = call.world
    subtask_of = call.task if world.database.exists("task", call.task) else NULL
    task = tasks.create(world, "Async.VM.pool_migrate", "", call.session, subtask_of)
    try:
        inner = Call(world, "VM.pool_migrate", call.session, task, host=call.host)
        await vm_migrate.pool_migrate(inner, guest, target, options)
    except Failure as failure:
        tasks.fail(world, task, failure)
        if failure.code != "VM_BAD_POWER_STATE":
            raise
    else:
        tasks.succeed(world, task, Type("void"), None)
    finally:
        if world.database.exists("task", task):
            tasks.remove(world, task)
    record = world.database.find("task", call.task)
    if record:
        tasks.progress(world, call.task, record["progress"] + 1 / count)
