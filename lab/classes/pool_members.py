# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: which host coordinates it, what members do without a coordinator, and leaving the pool."""

from __future__ import annotations

import ipaddress
import uuid as uuids

from lab import inner
from lab.dispatch import in_background
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.hosts import power as hosts
from lab.registry import implements
from lab.world import Call, World


@implements("pool.sync_database")
def sync_database(call: Call) -> None:
    """Every host gets a copy. Raises HOST_OFFLINE for the first that is dead."""
    for host in membership.hosts_of(call.world):
        membership.require_reachable(call.world, host)


@implements("pool.designate_new_master")
def designate_new_master(call: Call, host: str) -> None:
    """Hand the pool over; all hosts must answer. Nothing happens when the host has that part already."""
    call.db.get("host", host)
    membership.require_reachable(call.world, host)
    if host == call.world.coordinator:
        return
    sync_database(call)
    hosts.hand_over(call.world, host)


@implements("pool.emergency_transition_to_master")
def emergency_transition_to_master(call: Call) -> None:
    """Make the host asked the coordinator, because there is none any more.

    While the old one answers the host finds that out when it starts, and does not become another.
    """
    world, host = call.world, call.here
    if host == world.coordinator or world.coordinator not in world.down:
        hosts.restart_server(world, host)
    else:
        hosts.take_over(world, host)


@implements("pool.emergency_reset_master")
def emergency_reset_master(call: Call, address: str) -> None:
    """Tell the host asked, a member, where its coordinator is. Raises INTERNAL_ERROR for what is no address."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise internal(f'Failure("Couldn\'t resolve hostname: {address}")') from None
    hosts.follow(call.world, call.here, address)


@implements("pool.recover_slaves")
def recover_slaves(call: Call) -> list[str]:
    """Tell all members that answer where the coordinator is; those members."""
    world = call.world
    found = [host for host in membership.hosts_of(world) if host != world.coordinator and host not in world.down]
    for host in found:
        if host in world.misled:
            hosts.follow(world, host, hosts.address_of(world, world.coordinator))
    return found


@implements("pool.is_slave")
def is_slave(call: Call, host: str) -> bool:
    """Of the host that is asked, whichever one the parameter names."""
    return membership.is_member(call.world, call.here)


@implements("pool.hello")
def hello(call: Call, uuid: str, address: str) -> str:
    return "ok" if uuid in call.db.tables["host"].by_uuid else "unknown_host"


@implements("pool.initial_auth")
def initial_auth(call: Call) -> str:
    """A secret of the form that pools have."""
    return "/".join(str(uuids.uuid4()) for _part in range(3))


@implements("pool.eject")
async def eject(call: Call, host: str) -> None:
    """A member leaves the pool, with the repositories that only it had; the lab has no more use for it."""
    membership.require_reachable(call.world, host)
    if host == call.world.coordinator:
        raise internal("Xapi_pool.Cannot_eject_master")
    for vm in call.db.get("host", host)["resident_VMs"]:
        guest = call.db.get("VM", vm)
        if not guest["is_control_domain"] and guest["power_state"] != "Halted":
            raise Failure("OPERATION_NOT_ALLOWED", "VM resident on host")
    await _take_storage_along(call, host)
    address = hosts.address_of(call.world, host)
    hosts.forget(call.world, host)
    in_background(call.world, _leave(call.world, address))


async def _take_storage_along(call: Call, host: str) -> None:
    """Unplug what the host sees, and forget the repositories that nobody else sees."""
    links = call.db.get("host", host)["PBDs"]
    for pbd in links:
        await inner.call(call, "PBD.unplug", pbd)
    for pbd in links:
        sr = call.db.get("PBD", pbd)["SR"]
        if not call.db.get("SR", sr)["shared"]:
            await inner.call(call, "SR.forget", sr)


async def _leave(world: World, address: str) -> None:
    world.listeners.close(address)
