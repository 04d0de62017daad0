# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machines that the hosts of a pool are: on and off, restarted, and which of them is the coordinator.

A host that loses its power takes its guests, its connections and the work it was doing with it. The database of the
pool lives on every host; sessions and tasks live in the coordinator's memory only.
"""

from __future__ import annotations

import asyncio

from lab.classes import vm_domain
from lab.dispatch import in_background
from lab.hosts import forwarding, membership
from lab.world import World, now

#: Seconds after which a server that is to restart does so: by then the call that asked for it has its answer.
FUSE = 0.1


def address_of(world: World, host: str) -> str:
    return str(world.database.get("host", host)["address"])


# ---- power


async def power_off(world: World, host: str, noticed: bool = True) -> None:
    """Take a host's power away. The VMs on it stay what they were in the database.

    noticed: the coordinator has missed its heartbeat, so it counts as dead; nobody notices a coordinator's death.
    """
    world.down.add(host)
    forwarding.lose_work(world, host)
    world.listeners.close(address_of(world, host))
    for vm in world.database.get("host", host)["resident_VMs"]:
        record = world.database.get("VM", vm)
        if not record["is_control_domain"]:
            await world.hypervisor.destroy(record["uuid"])
    if host == world.coordinator:
        forget_memory(world)
    elif noticed:
        note_dead(world, host)


def note_dead(world: World, host: str) -> None:
    metrics = world.database.get("host", host)["metrics"]
    world.database.set("host_metrics", metrics, live=False)
    refresh(world, host)


async def power_on(world: World, host: str) -> None:
    """Give a host its power back: it answers, plugs its storage, and notes that the VMs it had are halted.

    It becomes a member of its pool even if it was the coordinator and another one has taken over meanwhile.
    """
    database = world.database
    world.down.discard(host)
    world.misled.pop(host, None)
    await world.listeners.open(address_of(world, host))
    record = database.get("host", host)
    database.set("host_metrics", record["metrics"], live=True, last_updated=now())
    started = {"boot_time": f"{now():.0f}.", "agent_start_time": f"{now():.0f}."}
    database.set("host", host, current_operations={}, other_config={**record["other_config"], **started})
    running = await world.hypervisor.running()
    for vm in record["resident_VMs"]:
        found = database.get("VM", vm)
        if not found["is_control_domain"] and found["uuid"] not in running:
            vm_domain.note_halted(world, vm)
    for pbd in record["PBDs"]:
        database.set("PBD", pbd, currently_attached=True)
        world.refresh("SR", database.get("PBD", pbd)["SR"])
    if host not in world.kept_disabled:
        database.set("host", host, enabled=True)
    refresh(world, host)


async def power_cycle(world: World, host: str, seconds: float, noticed: bool = True) -> None:
    """Off now, on again after so many seconds."""
    await power_off(world, host, noticed)
    in_background(world, on_later(world, host, seconds))


async def on_later(world: World, host: str, seconds: float) -> None:
    """Give a host its power back after so many seconds, unless that has happened or it is gone."""
    await asyncio.sleep(seconds)
    if host in world.down and world.database.exists("host", host):
        await power_on(world, host)


def refresh(world: World, host: str) -> None:
    world.refresh("host", host)
    world.settle()


async def end_gently(world: World, host: str) -> None:
    """Off, as soon as the answers that are under way have left."""
    await asyncio.sleep(FUSE)
    await power_off(world, host)


def others_answer(world: World, host: str) -> bool:
    """Whether any other host of the lab is on."""
    every = [(other, ref) for other in world.pools for ref in membership.hosts_of(other)]
    return any(ref not in other.down for other, ref in every if other is not world or ref != host)


def forget(world: World, host: str) -> None:
    """Remove a host and all that is nothing without it. Repositories of its own stay, without a link."""
    database = world.database
    record = database.get("host", host)
    for cls, refs in (("PBD", record["PBDs"]), ("PIF", record["PIFs"]), ("host_cpu", record["host_CPUs"])):
        for ref in refs:
            parent = database.get(cls, ref)
            database.delete(cls, ref)
            if cls == "PBD" and database.exists("SR", parent["SR"]):
                world.refresh("SR", parent["SR"])
    for vm in record["resident_VMs"]:
        database.delete("VM", vm)
    if database.exists("host_metrics", record["metrics"]):
        database.delete("host_metrics", record["metrics"])
    database.delete("host", host)
    for known in (world.down, world.kept_disabled):
        known.discard(host)
    world.misled.pop(host, None)
    world.settle()


# ---- servers and their memory


def forget_memory(world: World) -> None:
    """The coordinator's server has ended: there are no sessions and no tasks any more."""
    for cls in ("session", "task"):
        for record in world.database.all(cls):
            world.database.delete(cls, record.ref)


def restart_server(world: World, host: str) -> None:
    """Have the server of a host start anew, soon: its connections break off, its memory is empty."""
    in_background(world, _restart(world, host))


async def _restart(world: World, host: str) -> None:
    await _cut_off(world, [host])
    if world.coordinator == host:
        forget_memory(world)


async def _cut_off(world: World, hosts: list[str]) -> None:
    await asyncio.sleep(FUSE)
    for session in [session for session, host in world.local_sessions.items() if host in hosts]:
        del world.local_sessions[session]
    for host in hosts:
        world.listeners.cut(address_of(world, host))


def hand_over(world: World, host: str) -> None:
    """Make a host the coordinator; all hosts know, and begin anew."""
    world.database.set("pool", world.pool, master=host)
    world.misled.clear()
    _begin_anew(world)


def take_over(world: World, host: str) -> None:
    """A host makes itself the coordinator without asking: the others go on looking where the old one was."""
    if host == world.coordinator:
        return
    old = address_of(world, world.coordinator)
    others = [other for other in membership.hosts_of(world) if other != host]
    world.database.set("pool", world.pool, master=host)
    world.misled.update(dict.fromkeys(others, old))
    world.misled.pop(host, None)
    for other in world.down:
        note_dead(world, other)
    _begin_anew(world)


def _begin_anew(world: World) -> None:
    """The new coordinator's memory is empty; every server starts anew."""
    forget_memory(world)
    hosts = membership.hosts_of(world)
    for host in hosts:
        refresh(world, host)
    in_background(world, _cut_off(world, hosts))


def follow(world: World, host: str, address: str) -> None:
    """Tell a member where the coordinator is."""
    if address == address_of(world, world.coordinator):
        world.misled.pop(host, None)
    else:
        world.misled[host] = address
    restart_server(world, host)
