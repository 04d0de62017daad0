# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a lab by their addresses, and which part each has in its pool: coordinator or member."""

from __future__ import annotations

from lab.errors import Failure
from lab.world import World


def at_address(worlds: list[World], address: str) -> tuple[World, str] | None:
    """The pool and the host that are reached there."""
    for world in worlds:
        found = world.database.where("host", address=address)
        if found:
            return world, found[0].ref
    return None


def is_member(world: World, host: str) -> bool:
    """Whether the host is not its pool's coordinator."""
    return bool(host) and host != world.coordinator


def followed(world: World, host: str) -> str:
    """The address at which the host takes the coordinator to be."""
    return world.misled.get(host) or str(world.database.get("host", world.coordinator)["address"])


def is_cut_off(world: World, host: str) -> bool:
    """Whether the host is a member that does not reach a coordinator."""
    if not is_member(world, host):
        return False
    return host in world.misled or world.coordinator in world.down


def refuse_on_member(world: World, host: str) -> None:
    """Raises HOST_IS_SLAVE with the coordinator's address when the call should have gone there."""
    if is_member(world, host):
        raise Failure("HOST_IS_SLAVE", followed(world, host))


def live(world: World, host: str) -> bool:
    """Whether the host counts as alive in the database; one that does not exist does not."""
    record = world.database.find("host", host)
    metrics = record and world.database.find("host_metrics", record["metrics"])
    return bool(metrics and metrics["live"])


def require_reachable(world: World, host: str) -> None:
    """What a call meets that is passed on to a host.

    Raises HOST_OFFLINE for one that is known to be dead, and CANNOT_CONTACT_HOST for one that just does not answer.
    """
    if not live(world, host):
        raise Failure("HOST_OFFLINE", host)
    if host in world.down:
        raise Failure("CANNOT_CONTACT_HOST", host)


def hosts_of(world: World) -> list[str]:
    """All hosts of the pool."""
    return [record.ref for record in world.database.all("host")]
