# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own channel, which no XenServer has: a log of all calls, and faults on demand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from lab.errors import Failure

#: Calls that the log keeps.
KEPT = 100_000


class Drop(Exception):
    """The connection is to be cut without an answer."""


@dataclass
class Fault:
    """What is to happen to the nth call (from now, counting from 1) of a method; `*` means any method."""

    method: str
    nth: int = 1
    #: XAPI error code and parameters instead of the answer
    error: list[str] = field(default_factory=list)
    #: cut the connection `before` or `after` the call is executed
    drop: str = ""
    #: seconds that the answer is late
    latency: float = 0.0
    #: apply to every call from the nth on, not only to the nth
    always: bool = False
    seen: int = 0

    def strikes(self, method: str) -> bool:
        """Count a call; whether this fault applies to it."""
        if self.method not in ("*", method):
            return False
        self.seen += 1
        return self.seen == self.nth or (self.always and self.seen > self.nth)


@dataclass
class Logged:
    """One call as it was made."""

    method: str
    time: float
    originator: str
    write: bool
    #: `ok`, or the error's code
    outcome: str = ""
    seconds: float = 0.0
    parameters: list[str] = field(default_factory=list)


class Control:
    """The log of calls and the faults that wait."""

    def __init__(self) -> None:
        self.calls: list[Logged] = []
        self.faults: list[Fault] = []
        #: told to end the lab, with or without mercy for its guests
        self.on_stop: Callable[[bool], None] = lambda destroy: None

    def log(self, method: str, originator: str, write: bool) -> Logged:
        entry = Logged(method, time.time(), originator, write)
        self.calls.append(entry)
        del self.calls[:-KEPT]
        return entry

    def strike(self, method: str) -> list[Fault]:
        """The faults that apply to a call of this method."""
        struck = [fault for fault in self.faults if fault.strikes(method)]
        self._forget_past()
        return struck

    def strike_inner(self, method: str) -> list[Fault]:
        """The faults that apply to what an Async call does in its task."""
        name = method.removeprefix("Async.")
        if name == method:
            return []
        struck = [fault for fault in self.faults if fault.method == name and fault.strikes(name)]
        self._forget_past()
        return struck

    def _forget_past(self) -> None:
        self.faults = [fault for fault in self.faults if fault.always or fault.seen < fault.nth]

    def summary(self) -> dict[str, Any]:
        """Counts per method, reads and writes apart, and the log in order."""
        return {
            "total": len(self.calls),
            "reads": dict(Counter(entry.method for entry in self.calls if not entry.write)),
            "writes": dict(Counter(entry.method for entry in self.calls if entry.write)),
            "log": [asdict(entry) for entry in self.calls],
        }

    def add_routes(self, application: web.Application) -> None:
        application.router.add_get("/lab/calls", self._get_calls)
        application.router.add_delete("/lab/calls", self._delete_calls)
        application.router.add_post("/lab/stop", self._stop)
        application.router.add_get("/lab/faults", self._get_faults)
        application.router.add_post("/lab/faults", self._post_fault)
        application.router.add_delete("/lab/faults", self._delete_faults)

    async def _get_calls(self, request: web.Request) -> web.Response:
        summary = self.summary()
        if request.query.get("log") == "0":
            del summary["log"]
        return web.json_response(summary)

    async def _stop(self, request: web.Request) -> web.Response:
        self.on_stop(bool((await request.json()).get("destroy")))
        return web.json_response({})

    async def _delete_calls(self, request: web.Request) -> web.Response:
        self.calls.clear()
        return web.json_response({})

    async def _get_faults(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(fault) for fault in self.faults])

    async def _post_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault(**await request.json())
        except (TypeError, ValueError) as error:
            return web.json_response({"error": f"this is no fault: {error}"}, status=400)
        self.faults.append(fault)
        return web.json_response(asdict(fault))

    async def _delete_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({})


async def suffer(faults: list[Fault]) -> None:
    """Be late, and raise what the faults order to happen instead of the call: Drop or Failure."""
    for fault in faults:
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.drop == "before":
            raise Drop
        if fault.error:
            raise Failure(*fault.error)
