# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side of a lab: requests in, answers out, every call logged."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiohttp import web

from lab import transfers
from lab.control import Control, Drop
from lab.dispatch import ASYNC, Dispatcher
from lab.errors import Failure
from lab.values import Typed
from lab.wire import Malformed, jsonrpc, xmlrpc
from lab.world import World

LOG = logging.getLogger("lab")
#: Longest body of a call (bytes).
LONGEST_CALL = 300 * 1024
HEADERS = {
    "cache-control": "no-cache, no-store",
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "X-Requested-With",
    "connection": "keep-alive",
}
PAGE = "<html><body><h1>{0}</h1>{1}</body></html>"


def page(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """An answer for people, as XAPI gives where no protocol is being spoken."""
    found = {"cache-control": "no-cache, no-store", "connection": "close", **(headers or {})}
    response = web.Response(status=status, body=PAGE.format(status, text).encode(), headers=found)
    response.headers["content-type"] = "text/html"
    response.force_close()
    return response


class Server:
    """Answers the requests of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dispatcher = Dispatcher(world)
        self.control = Control(world)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LONGEST_CALL)
        application.on_response_prepare.append(_without_name)
        self.control.add_routes(application)
        application.router.add_put("/import_raw_vdi", self._import)
        application.router.add_get("/export_raw_vdi", self._export)
        application.router.add_get("/lab/guests", self._guests)
        application.router.add_get("/", self._welcome)
        application.router.add_post("/jsonrpc", self._jsonrpc)
        application.router.add_post("/{path:.*}", self._xmlrpc)
        application.router.add_route("*", "/{path:.*}", self._not_found)
        return application

    async def _welcome(self, request: web.Request) -> web.Response:
        return page(200, "This is a laboratory that speaks XAPI.")

    async def _guests(self, request: web.Request) -> web.Response:
        """The VMs of the lab as a person wants to see them; part of the lab's own channel."""
        database = self.world.database
        found = []
        for vm in database.all("VM"):
            if vm["is_a_template"] or vm["is_control_domain"]:
                continue
            metrics = database.find("VM_guest_metrics", vm["guest_metrics"])
            guest = {
                "name": vm["name_label"],
                "uuid": vm["uuid"],
                "power_state": vm["power_state"],
                "address": metrics["networks"].get("0/ip", "") if metrics else "",
                "console": self.world.hypervisor.console(vm["uuid"]),
            }
            found.append(guest)
        hypervisor = self.world.hypervisor
        facts = {"accelerator": hypervisor.accelerator, "ssh_port": hypervisor.ssh_port, "guests": found}
        return web.json_response(facts)

    async def _not_found(self, request: web.Request) -> web.Response:
        return page(404, "Not found")

    async def _import(self, request: web.Request) -> web.StreamResponse:
        return await self._transfer(request, transfers.import_raw_vdi)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        return await self._transfer(request, transfers.export_raw_vdi)

    async def _transfer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = f"{request.method} {request.path}"
        entry = self.control.log.add(name, self._originator(request.query.get("session_id")), request.method == "PUT")
        started = time.monotonic()
        try:
            faults = self.control.faults.strike(name)
            await self.control.faults.suffer(faults)
            response: web.StreamResponse = await handler(self.world, request)
        except transfers.Unauthorised:
            entry.outcome = "unauthorised"
            return page(401, "Unauthorised", {"www-authenticate": 'Basic realm="XenSource"'})
        except Failure as failure:
            entry.outcome = failure.code
            return page(500, failure.code)
        except Drop:
            entry.outcome = "dropped"
            return _cut(request)
        finally:
            entry.seconds = time.monotonic() - started
        entry.outcome = "ok"
        return response

    async def _xmlrpc(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
            method, parameters = xmlrpc.parse_call(body)
        except Malformed as error:
            return page(500, f"Internal server error: {error}")
        except web.HTTPRequestEntityTooLarge:
            return page(413, "The body is too long")
        try:
            answer = await self.answer(method, parameters)
            data = xmlrpc.success(xmlrpc.dump_value(answer.type, answer.value))
        except Failure as failure:
            data = xmlrpc.failure(failure.description)
        except Drop:
            return _cut(request)
        return _reply(data, xmlrpc.CONTENT_TYPE)

    async def _jsonrpc(self, request: web.Request) -> web.StreamResponse:
        try:
            call = jsonrpc.parse_call(await request.read())
        except Malformed as error:
            return page(500, f"Internal server error: {error}")
        try:
            answer = await self.answer(call.method, call.parameters)
            data = jsonrpc.success(call, jsonrpc.plain(answer.type, answer.value))
        except Failure as failure:
            data = jsonrpc.failure(call, failure.description)
        except Drop:
            return _cut(request)
        return _reply(data, jsonrpc.CONTENT_TYPE)

    async def answer(self, method: str, parameters: list[Any]) -> Typed:
        """Log and make a call. Raises Failure, or Drop when a fault says so."""
        session = parameters[0] if parameters and isinstance(parameters[0], str) else ""
        bound = self.dispatcher.calls.get(method.removeprefix(ASYNC))
        entry = self.control.log.add(method, self._originator(session), bool(bound and bound.message.writes))
        if bound and bound.message.needs_session:
            # not of logins: they carry passwords
            entry.parameters = [_short(parameter) for parameter in parameters[1:]]
        started = time.monotonic()
        faults = self.control.faults.strike(method)
        # a fault of VM.start befalls Async.VM.start, too: in its task
        inner = self.control.faults.strike_inner(method)
        try:
            await self.control.faults.suffer(faults)
            answer = await self.dispatcher.call(method, parameters, lambda: self.control.faults.suffer(inner))
            if any(fault.drop == "after" for fault in faults):
                raise Drop
        except Failure as failure:
            entry.outcome = failure.code
            raise
        except Drop:
            entry.outcome = "dropped"
            raise
        except asyncio.CancelledError:
            entry.outcome = "abandoned"
            raise
        finally:
            entry.seconds = time.monotonic() - started
        entry.outcome = "ok"
        return answer

    def _originator(self, session: str | None) -> str:
        record = self.world.database.find("session", session or "")
        return str(record["originator"]) if record else ""


async def _without_name(request: web.Request, response: web.StreamResponse) -> None:
    """XAPI does not say which software it is."""
    response.headers.pop("Server", None)


def _short(parameter: object) -> str:
    text = str(parameter)
    return text if len(text) <= 200 else text[:197] + "..."


def _reply(data: bytes, content_type: str) -> web.Response:
    response = web.Response(body=data, headers=HEADERS)
    response.headers["content-type"] = content_type
    return response


def _cut(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response()
