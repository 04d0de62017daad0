# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side of the lab's own channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from lab import sessions
from lab.classes import sr as repositories
from lab.control import faults
from lab.control.calls import CallLog
from lab.control.faults import Faults
from lab.control.hosts import Power
from lab.database import Record
from lab.errors import Failure
from lab.world import World

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Control:
    """The log of calls, the faults that wait, and the requests that read and change them."""

    def __init__(self, worlds: list[World]) -> None:
        self.worlds = worlds
        #: one for all pools
        self.pace = worlds[0].pace
        self.log = CallLog()
        self.faults = Faults()
        self.power = Power(worlds)
        #: told to end the lab, with or without mercy for its guests
        self.on_stop: Callable[[bool], None] = lambda destroy: None

    def add_routes(self, application: web.Application) -> None:
        routes: dict[tuple[str, str], Callable[[web.Request], Awaitable[Any]]] = {
            ("GET", "/lab/calls"): self._get_calls,
            ("DELETE", "/lab/calls"): self._delete_calls,
            ("POST", "/lab/stop"): self._stop,
            ("GET", "/lab/faults"): self._get_faults,
            ("POST", "/lab/faults"): self._post_fault,
            ("DELETE", "/lab/faults"): self._delete_faults,
            ("GET", "/lab/pace"): self._get_pace,
            ("PUT", "/lab/pace"): self._put_pace,
            ("GET", "/lab/sessions"): self._get_sessions,
            ("DELETE", "/lab/sessions"): self._delete_sessions,
            ("PUT", "/lab/srs/{uuid}"): self._put_repository,
            ("PUT", "/lab/vms/{uuid}"): self._put_machine,
            ("GET", "/lab/hosts"): self.power.list,
            ("POST", "/lab/hosts/{uuid}/die"): self.power.die,
            ("POST", "/lab/hosts/{uuid}/revive"): self.power.revive,
        }
        for (verb, path), answer in routes.items():
            application.router.add_route(verb, path, _json(answer))

    async def _get_calls(self, request: web.Request) -> Any:
        return self.log.summary(request.query.get("log") != "0")

    async def _delete_calls(self, request: web.Request) -> Any:
        self.log.clear()

    async def _stop(self, request: web.Request) -> Any:
        self.on_stop(bool((await request.json()).get("destroy")))

    async def _get_faults(self, request: web.Request) -> Any:
        return [asdict(fault) for fault in self.faults.waiting]

    async def _post_fault(self, request: web.Request) -> Any:
        fault = faults.parse(await request.json())
        self.faults.add(fault)
        return asdict(fault)

    async def _delete_faults(self, request: web.Request) -> Any:
        self.faults.clear()

    async def _get_pace(self, request: web.Request) -> Any:
        return self.pace.seconds

    async def _put_pace(self, request: web.Request) -> Any:
        given = await request.json()
        self.pace.set({str(name): float(seconds) for name, seconds in given.items()})
        return self.pace.seconds

    async def _get_sessions(self, request: web.Request) -> Any:
        wanted = ("originator", "auth_user_name", "last_active")
        return [{name: record[name] for name in wanted} for _world, record in self._sessions()]

    async def _delete_sessions(self, request: web.Request) -> Any:
        """As if they had been unused for too long: their next call gets SESSION_INVALID."""
        originator = request.query.get("originator")
        gone = [found for found in self._sessions() if originator is None or found[1]["originator"] == originator]
        for world, session in gone:
            sessions.close_session(world, session.ref)
        return {"expired": len(gone)}

    def _sessions(self) -> list[tuple[World, Record]]:
        return [(world, record) for world in self.worlds for record in world.database.all("session")]

    def _find(self, cls: str, uuid: str) -> tuple[World, str]:
        """The object and its pool. Raises UUID_INVALID."""
        known = [world for world in self.worlds if uuid in world.database.tables[cls].by_uuid]
        world = known[0] if known else self.worlds[0]
        return world, world.database.by_uuid(cls, uuid)

    async def _put_repository(self, request: web.Request) -> Any:
        world, sr = self._find("SR", request.match_info["uuid"])
        free = (await request.json())["free"]
        world.foreign_bytes.pop(sr, None)
        await repositories.update_space(world, sr)
        if free is not None:
            record = world.database.get("SR", sr)
            unused = record["physical_size"] - record["physical_utilisation"]
            world.foreign_bytes[sr] = unused - int(free)
            await repositories.update_space(world, sr)
        record = world.database.get("SR", sr)
        return {"free": record["physical_size"] - record["physical_utilisation"]}

    async def _put_machine(self, request: web.Request) -> Any:
        world, vm = self._find("VM", request.match_info["uuid"])
        boot = (await request.json())["boot"]
        if boot not in ("fails", "works"):
            raise ValueError(f"boot fails or works, not {boot!r}")
        (world.unbootable.add if boot == "fails" else world.unbootable.discard)(vm)
        return {"boot": boot}


def _json(answer: Callable[[web.Request], Awaitable[Any]]) -> Handler:
    """A handler that answers in JSON, 404 for an object that is not there, 400 for a request that makes no sense."""

    async def handle(request: web.Request) -> web.Response:
        try:
            found = await answer(request)
        except Failure as failure:
            return web.json_response({"error": " ".join(failure.description)}, status=404)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return web.json_response({"error": f"this makes no sense: {error!r}"}, status=400)
        return web.json_response({} if found is None else found)

    return handle
