# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: joining another one. The lab makes the checks; hosts that pass them are told that it can do no more."""

from __future__ import annotations

from lab import sessions
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.world import Call, World


@implements("pool.join", "pool.join_force")
async def join(call: Call, address: str, user: str, password: str) -> None:
    """Raises why the host asked, a pool of its own, cannot become a member of the pool at an address."""
    found = membership.at_address(call.world.pools, address)
    if found is None or found[1] in found[0].down:
        raise Failure("JOINING_HOST_SERVICE_FAILED")
    other, host = found
    membership.refuse_on_member(other, host)
    await sessions.authenticate(other, user, password)
    if other is call.world:
        raise Failure("OPERATION_NOT_ALLOWED", "Host is already part of a pool")
    _require_alone(call.world)
    raise Failure("NOT_IMPLEMENTED", call.method)


def _require_alone(world: World) -> None:
    """Raises what of its own the host would bring along, in the order in which XAPI looks."""
    if len(membership.hosts_of(world)) > 1:
        raise Failure("JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS")
    guests = [vm for vm in world.database.all("VM") if not vm["is_control_domain"]]
    if any(vm["power_state"] == "Running" for vm in guests):
        raise Failure("JOINING_HOST_CANNOT_HAVE_RUNNING_VMS")
    if any(vm["current_operations"] for vm in guests):
        raise Failure("JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS")
    repositories = world.database.all("SR")
    if any(sr["shared"] and not sr["is_tools_sr"] for sr in repositories):
        raise Failure("JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS")
