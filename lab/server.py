# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side of a lab: requests in, answers out, every call logged."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from lab import transfers
from lab.control import Control, Drop
from lab.dispatch import ASYNC, LIST_METHODS, Dispatcher, Unreadable
from lab.errors import Failure
from lab.hosts import membership
from lab.rrd import handlers as statistics
from lab.transfers import answers
from lab.transfers.request import Handler
from lab.values import Typed
from lab.wire import Malformed, jsonrpc, xmlrpc
from lab.world import World

LOG = logging.getLogger("lab")
#: Longest body of a call (bytes).
LONGEST_CALL = 300 * 1024
#: Bytes of an answer that are sent at a time.
PIECE = 256 * 1024
HEADERS = {
    "cache-control": "no-cache, no-store",
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "X-Requested-With",
}
PAGE = "<html><body><h1>{0}</h1>{1}</body></html>"


def page(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """An answer for people, as XAPI gives where no protocol is being spoken."""
    found = {"cache-control": "no-cache, no-store", "connection": "close", **(headers or {})}
    response = web.Response(status=status, body=PAGE.format(status, text).encode(), headers=found)
    response.headers["content-type"] = "text/html"
    response.force_close()
    return response


@dataclass(frozen=True)
class Asked:
    """Whom a request is for: a host, of a pool, and what answers that pool's calls."""

    world: World
    dispatcher: Dispatcher
    host: str

    @property
    def uuid(self) -> str:
        record = self.world.database.find("host", self.host)
        return str(record["uuid"]) if record else ""


class Server:
    """Answers the requests of all host pools; the address that a request came to says which host it is for."""

    def __init__(self, worlds: list[World]) -> None:
        self.worlds = worlds
        self.dispatchers = [Dispatcher(world) for world in worlds]
        self.control = Control(worlds)

    def _asked(self, request: web.Request) -> Asked:
        """An address that no host has counts as the first pool's coordinator."""
        name = request.transport and request.transport.get_extra_info("sockname")
        found = membership.at_address(self.worlds, name[0] if name else "")
        world, host = found or (self.worlds[0], self.worlds[0].coordinator)
        return Asked(world, self.dispatchers[self.worlds.index(world)], host)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LONGEST_CALL)
        application.on_response_prepare.append(_without_name)
        self.control.add_routes(application)
        # XAPI looks at the beginning of a path only
        for (verb, path), handler in (transfers.HANDLERS | statistics.HANDLERS).items():
            answer = functools.partial(self._transfer, f"{verb} {path}", handler)
            application.router.add_route(verb, path + "{rest:.*}", answer)
        application.router.add_get("/lab/guests", self._guests, allow_head=False)
        application.router.add_get("/", self._welcome, allow_head=False)
        application.router.add_post("/jsonrpc{rest:.*}", self._jsonrpc)
        application.router.add_post("/{path:.*}", self._xmlrpc)
        application.router.add_route("*", "/{path:.*}", self._not_found)
        return application

    async def _welcome(self, request: web.Request) -> web.Response:
        return page(200, "This is a laboratory that speaks XAPI.")

    async def _guests(self, request: web.Request) -> web.Response:
        """The VMs of the lab as a person wants to see them; part of the lab's own channel."""
        found = [guest for world in self.worlds for guest in _guests_of(world)]
        hypervisor = self.worlds[0].hypervisor
        facts = {"accelerator": hypervisor.accelerator, "ssh_port": hypervisor.ssh_port, "guests": found}
        return web.json_response(facts)

    async def _not_found(self, request: web.Request) -> web.Response:
        """What XAPI has no handler for: a file that is not there, or a verb that is not for that path, or none."""
        if request.method == "OPTIONS":
            return _preflight(request)
        return answers.page({"GET": 404, "PUT": 403, "CONNECT": 403}.get(request.method, 501))

    async def _transfer(self, name: str, handler: Handler, request: web.Request) -> web.StreamResponse:
        """Log and make a transfer; name is its verb and path."""
        asked = self._asked(request)
        request["host"] = asked.host
        originator = _originator(asked.world, request.query.get("session_id"))
        entry = self.control.log.add(name, originator, request.method == "PUT", asked.uuid)
        started = time.monotonic()
        try:
            faults = self.control.faults.strike(name)
            await self.control.faults.suffer(faults)
            response = await handler(asked.world, request)
            entry.outcome = "ok" if response.status < 400 else str(response.status)
            if any(fault.drop == "after" for fault in faults):
                raise Drop
        except Failure as failure:
            entry.outcome = failure.code
            return page(500, failure.code)
        except Drop:
            entry.outcome = "dropped"
            return _cut(request)
        finally:
            entry.seconds = time.monotonic() - started
        return response

    async def _xmlrpc(self, request: web.Request) -> web.StreamResponse:
        try:
            method, parameters = xmlrpc.parse_call(await _body(request))
        except Malformed as error:
            return page(500, f"Internal server error: {error}")
        try:
            answer = await self.answer(self._asked(request), method, parameters)
            form = xmlrpc.bare if method == LIST_METHODS else xmlrpc.success
            data = form(answer.type, answer.value)
        except Failure as failure:
            data = xmlrpc.failure(failure.description)
        except Drop:
            return _cut(request)
        return await _reply(request, data, xmlrpc.CONTENT_TYPE)

    async def _jsonrpc(self, request: web.Request) -> web.StreamResponse:
        try:
            call = jsonrpc.parse_call(await _body(request))
        except Malformed as error:
            return page(500, f"Internal server error: {error}")
        try:
            answer = await self.answer(self._asked(request), call.method, call.parameters)
            data = jsonrpc.success(call, answer.type, answer.value)
        except Unreadable as failure:
            data = jsonrpc.failure(jsonrpc.UNREADABLE, failure.description)
        except Failure as failure:
            data = jsonrpc.failure(call, failure.description)
        except Drop:
            return _cut(request)
        return await _reply(request, data, jsonrpc.CONTENT_TYPE)

    async def answer(self, asked: Asked, method: str, parameters: list[Any]) -> Typed:
        """Log and make a call. Raises Failure, or Drop when a fault says so."""
        session = parameters[0] if parameters and isinstance(parameters[0], str) else ""
        bound = asked.dispatcher.calls.get(method.removeprefix(ASYNC))
        originator, writes = _originator(asked.world, session), bool(bound and bound.message.writes)
        entry = self.control.log.add(method, originator, writes, asked.uuid)
        if bound and bound.message.needs_session:
            # not of logins: they carry passwords
            entry.parameters = [_short(parameter) for parameter in parameters[1:]]
        started = time.monotonic()
        faults = self.control.faults.strike(method)
        # a fault of VM.start befalls Async.VM.start, too: in its task
        inner = self.control.faults.strike_inner(method)
        try:
            await self.control.faults.suffer(faults)
            before = functools.partial(self.control.faults.suffer, inner)
            answer = await asked.dispatcher.call(method, parameters, before, asked.host)
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


def _originator(world: World, session: str | None) -> str:
    record = world.database.find("session", session or "")
    return str(record["originator"]) if record else ""


def _guests_of(world: World) -> Iterator[dict[str, str]]:
    for vm in world.database.all("VM"):
        if vm["is_a_template"] or vm["is_control_domain"]:
            continue
        metrics = world.database.find("VM_guest_metrics", vm["guest_metrics"])
        yield {
            "name": vm["name_label"],
            "uuid": vm["uuid"],
            "power_state": vm["power_state"],
            "address": metrics["networks"].get("0/ip", "") if metrics else "",
            "console": world.hypervisor.console(vm["uuid"]),
        }


def _preflight(request: web.Request) -> web.Response:
    """The answer to a browser that asks whether it may call."""
    asked = request.headers.get("Access-Control-Request-Headers")
    allowed = f"{asked}, X-Requested-With" if asked else "X-Requested-With"
    headers = {**HEADERS, "access-control-allow-headers": allowed, "access-control-allow-methods": "PUT"}
    return web.Response(headers={**headers, "connection": _connection(request)})


def _connection(request: web.Request) -> str:
    """Whether the connection stays open after the answer: if the client does not say, by the version of HTTP."""
    asked = request.headers.get("Connection", "").lower()
    if asked in ("close", "keep-alive"):
        return asked
    return "close" if request.version < aiohttp.HttpVersion11 else "keep-alive"


async def _without_name(request: web.Request, response: web.StreamResponse) -> None:
    """XAPI does not say which software it is, nor of what type its page is when there is nothing."""
    response.headers.pop("Server", None)
    if response.status == 404:
        response.headers.pop("Content-Type", None)


def _short(parameter: object) -> str:
    text = str(parameter)
    return text if len(text) <= 200 else text[:197] + "..."


async def _body(request: web.Request) -> bytes:
    """The body of a call, of a length that was announced. Raises Malformed."""
    if request.content_length is None:
        raise Malformed("a call needs a Content-Length")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Malformed("the call is too long") from None


async def _reply(request: web.Request, parts: list[str], content_type: str) -> web.StreamResponse:
    """Send an answer; a large one goes out piece by piece."""
    common = {**HEADERS, "connection": _connection(request), "content-type": content_type}
    length = sum(len(part) if part.isascii() else len(part.encode("utf-8", "replace")) for part in parts)
    if length <= PIECE:
        body = "".join(parts).encode("utf-8", "replace")
        return web.Response(body=body, headers=common)
    stream = web.StreamResponse(headers={**common, "content-length": str(length)})
    await stream.prepare(request)
    for piece in _pieces(parts):
        await stream.write(piece)
    return stream


def _pieces(parts: list[str]) -> Iterator[bytes]:
    """The parts as bytes, joined to pieces that are worth sending."""
    pending: list[str] = []
    size = 0
    for part in parts:
        pending.append(part)
        size += len(part)
        if size >= PIECE:
            yield "".join(pending).encode("utf-8", "replace")
            pending, size = [], 0
    yield "".join(pending).encode("utf-8", "replace")


def _cut(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response()
