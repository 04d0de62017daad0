# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fresh host pool holds: hosts with their control domains, repositories, networks and templates."""

from __future__ import annotations

from lab.classes import vm_memory
from lab.topology import crowd, hosts, machines, networks, repositories
from lab.world import Call, World


async def furnish(world: World, number: int = 0) -> None:
    """Fill the empty database of the lab's pool with that number, counted from 0."""
    call = Call(world, "lab.furnish", internal=True)
    members = _hosts(world, number)
    fields = {"name_label": _numbered("Lab", number), "master": members[0], "cpu_info": hosts.cpu_info(world)}
    pool = world.database.create("pool", fields)
    local, shared = await repositories.furnish(call, members)
    default = local if len(members) == 1 else shared
    world.database.set("pool", pool, default_SR=default, suspend_image_SR=default, crash_dump_SR=default)
    world.refresh("pool", pool)
    management = networks.management(world)
    for host in members:
        networks.link(world, host, management)
    networks.internal(world)
    for host in members:
        machines.control_domain(world, host)
    machines.templates(world)
    for host in members:
        vm_memory.update_host(world, host)
        world.refresh("host", host)
    world.settle()
    if world.settings.vms:
        await crowd.furnish(world, world.settings.vms, default, management)


def _hosts(world: World, number: int) -> list[str]:
    prefix = _numbered("lab", number).replace(" ", "-")
    addresses = [world.settings.address_of(number, host) for host in range(world.settings.hosts)]
    return [hosts.add(world, f"{prefix}-host-{count}", address) for count, address in enumerate(addresses, 1)]


def _numbered(name: str, number: int) -> str:
    """The name as it is for the first pool, with the pool's number for the others."""
    return f"{name} {number + 1}" if number else name
