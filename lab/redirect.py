# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transfers asked of a host that cannot make them: the answer names a host that can."""

from __future__ import annotations

from aiohttp import web

from lab import membership
from lab.classes import sr as repositories
from lab.world import World


def elsewhere(world: World, request: web.Request, sr: str) -> web.Response | None:
    """A redirection to a host that has the repository plugged, or None when the host asked has it.

    Nothing but the query goes along: path, scheme and port stay as they were. Raises SR_HAS_NO_PBDS.
    """
    repositories.require_plugged(world, sr)
    hosts = [host for host in repositories.plugged_hosts(world, sr) if membership.live(world, host)]
    if not hosts or request.get("host", hosts[0]) in hosts:
        return None
    return to_host(world, request, hosts[0])


def to_host(world: World, request: web.Request, host: str) -> web.Response:
    """A redirection of the same request to another host."""
    address = world.database.get("host", host)["address"]
    name = request.transport and request.transport.get_extra_info("sockname")
    port = f":{name[1]}" if name else ""
    location = f"{request.scheme}://{address}{port}{request.raw_path}"
    return web.Response(status=302, headers={"location": location, "connection": "close"})
