# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the lab's own channel that takes hosts' power away and gives it back."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from lab.dispatch import in_background
from lab.hosts import membership
from lab.hosts import power as hosts
from lab.world import World


class Power:
    """Which hosts there are, and their power."""

    def __init__(self, worlds: list[World]) -> None:
        self.worlds = worlds

    async def list(self, request: web.Request) -> Any:
        """All hosts of all pools, in the order of their addresses."""
        return [self._describe(world, host) for world in self.worlds for host in membership.hosts_of(world)]

    def _describe(self, world: World, host: str) -> dict[str, Any]:
        record = world.database.get("host", host)
        return {
            "pool": world.database.get("pool", world.pool)["uuid"],
            "uuid": record["uuid"],
            "name": record["name_label"],
            "address": record["address"],
            "coordinator": host == world.coordinator,
            "on": host not in world.down,
            "live": membership.live(world, host),
        }

    def _find(self, request: web.Request) -> tuple[World, str]:
        uuid = request.match_info["uuid"]
        for world in self.worlds:
            if uuid in world.database.tables["host"].by_uuid:
                return world, world.database.by_uuid("host", uuid)
        return self.worlds[0], self.worlds[0].database.by_uuid("host", uuid)

    async def die(self, request: web.Request) -> Any:
        """Take a host's power. With seconds it comes back by itself; unnoticed, the database knows nothing of it."""
        world, host = self._find(request)
        given = await request.json() if request.can_read_body else {}
        seconds, noticed = given.get("seconds"), bool(given.get("noticed", True))
        if seconds is None and not hosts.others_answer(world, host):
            raise ValueError("no host would be left to hear of its revival: say how many seconds it is to be dead")
        death = self._die(world, host, noticed, None if seconds is None else float(seconds))
        name = request.transport and request.transport.get_extra_info("sockname")
        if name and name[0] == hosts.address_of(world, host):
            # the answer to this request has to leave before
            in_background(world, death)
        else:
            await death
        return self._describe(world, host)

    async def _die(self, world: World, host: str, noticed: bool, seconds: float | None) -> None:
        await asyncio.sleep(hosts.FUSE)
        if seconds is None:
            await hosts.power_off(world, host, noticed)
        else:
            await hosts.power_cycle(world, host, seconds, noticed)

    async def revive(self, request: web.Request) -> Any:
        world, host = self._find(request)
        await hosts.power_on(world, host)
        return self._describe(world, host)
