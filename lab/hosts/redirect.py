# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transfers asked of a host that cannot make them: the answer names a host that can."""

from __future__ import annotations

from aiohttp import web

from lab.world import World


def to_host(world: World, request: web.Request, host: str) -> web.Response:
    """A redirection of the same request to another host: path, query, scheme and port stay as they were."""
    address = world.database.get("host", host)["address"]
    name = request.transport and request.transport.get_extra_info("sockname")
    port = f":{name[1]}" if name else ""
    location = f"{request.scheme}://{address}{port}{request.raw_path}"
    return web.Response(
        status=302, headers={"location": location, "connection": "close", "cache-control": "no-cache, no-store"}
    )
