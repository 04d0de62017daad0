# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all transfers have in common: who asks, with which task, and how an error becomes an answer.

The checks and their order are XAPI's: first the session, or a user's password (a session is made for the request);
then the right to use the handler; then the work, within the task that the client made, or one that vanishes with the
request. An error ends the task; the client sees it in the status only if the answer had not begun yet.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from lab import rbac, sessions, tasks
from lab.errors import Failure, internal
from lab.transfers import answers
from lab.transfers.body import Body
from lab.values import NULL, Type
from lab.world import Call, World

LOG = logging.getLogger("lab")
Work = Callable[["Transfer"], Awaitable[web.StreamResponse]]
Handler = Callable[[World, web.Request], Awaitable[web.StreamResponse]]


class Unauthorised(Exception):
    """No valid session and no right password came with the request."""


class Forbidden(Exception):
    """The client may not do that."""


class Refused(Exception):
    """An error that is answered with a status; it ends the client's task."""

    def __init__(self, status: int, failure: Failure) -> None:
        super().__init__(status, failure.description)
        self.status, self.failure = status, failure


class Outside(Exception):
    """An error from before the task was taken over: a page tells of it, the client's task stays pending."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.description)
        self.failure = failure


@dataclass
class Transfer:
    """One request that moves data, and the call in whose name it works."""

    world: World
    request: web.Request
    call: Call
    body: Body
    #: the head of the answer has gone out
    begun: bool = False

    def parameter(self, name: str, default: str = "") -> str:
        """A parameter of the query, else a cookie."""
        return self.request.query.get(name, self.request.cookies.get(name, default))

    def flag(self, name: str) -> bool:
        return self.request.query.get(name) == "true"

    def given(self, name: str) -> bool:
        return name in self.request.query or name in self.request.cookies

    def reference(self, cls: str, *names: str) -> str:
        """The object that one of the parameters names by reference or uuid; empty when none is given.

        Raises UUID_INVALID.
        """
        given = next((self.parameter(name) for name in names if self.given(name)), "")
        if not given or self.world.database.exists(cls, given):
            return given
        return self.world.database.by_uuid(cls, given)

    async def begin(self, **headers: str) -> answers.Stream:
        """Send the head of the answer: from now on only the task tells how it went."""
        stream = answers.Stream(
            {"task-id": self.call.task, **{name.replace("_", "-"): text for name, text in headers.items()}}
        )
        self.begun = True
        # a client that has gone already may have sent all that it had to
        with contextlib.suppress(ConnectionError):
            await stream.prepare(self.request)
        return stream

    def progress(self, fraction: float) -> None:
        tasks.progress(self.world, self.call.task, min(1.0, fraction))

    def succeed(self, kind: Type | None = None, value: object = None) -> None:
        """End the task well. Without a kind it has no result."""
        if kind is None:
            tasks.finish(self.world, self.call.task, "success")
        else:
            tasks.succeed(self.world, self.call.task, kind, value)

    def fail(self, failure: Failure) -> None:
        tasks.fail(self.world, self.call.task, failure)


def lookup(request: web.Request, name: str) -> str:
    """A cookie, else a parameter of the query."""
    return str(request.cookies.get(name) or request.query.get(name, ""))


async def authenticate(world: World, request: web.Request) -> tuple[str, bool]:
    """The session of a request, and whether it was made for this request only. Raises Unauthorised."""
    given = lookup(request, "session_id")
    if given:
        try:
            sessions.check(world, given)
        except Failure as failure:
            raise Unauthorised from failure
        return given, False
    scheme, _space, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorised
    try:
        user, _colon, password = base64.b64decode(rest).decode().partition(":")
        return await sessions.login(world, user, password, "HTTP using Basic auth"), True
    except (binascii.Error, UnicodeDecodeError, Failure) as error:
        raise Unauthorised from error


def handler(action: str, realm: str, label: str, tasked: bool = True) -> Callable[[Work], Handler]:
    """Make a handler of what is to be done once the client is known and may do it.

    action is the permission's name, label the task's; what is not tasked has one only if the client brings it.
    """

    def decorate(work: Work) -> Handler:
        async def handle(world: World, request: web.Request) -> web.StreamResponse:
            try:
                session, temporary = await authenticate(world, request)
            except Unauthorised:
                return answers.unauthorised(realm)
            try:
                _require_permission(world, request, session, action)
                return await _run(world, request, session, label if tasked else "", work)
            except Forbidden:
                return answers.page(403)
            finally:
                if temporary:
                    sessions.close_session(world, session)
                world.settle()

        return handle

    return decorate


def _require_permission(world: World, request: web.Request, session: str, action: str) -> None:
    """Raises Forbidden; the client's task ends then."""
    try:
        rbac.check_http(world, session, action)
    except Failure as failure:
        tasks.fail(world, lookup(request, "task_id"), failure)
        raise Forbidden from failure


async def _run(world: World, request: web.Request, session: str, label: str, work: Work) -> web.StreamResponse:
    task = lookup(request, "task_id")
    if task and not world.database.exists("task", task):
        return answers.page(500, more=_extra(Failure("HANDLE_INVALID", "task", task)))
    own = not task and label != ""
    if own:
        task = tasks.create(world, label, "", session, lookup(request, "subtask_of") or NULL)
    call = Call(world, label, session, task, host=str(request.get("host", "")))
    transfer = Transfer(world, request, call, Body(request))
    try:
        return await work(transfer)
    except Refused as refused:
        transfer.fail(refused.failure)
        return answers.head(refused.status)
    except Outside as outside:
        return answers.page(500, more=_extra(outside.failure))
    except Failure as failure:
        return _failed(transfer, failure)
    except (OSError, EOFError) as error:
        return _failed(transfer, Failure("CLIENT_ERROR", str(error)))
    except Exception as error:
        LOG.exception("%s failed", label)
        return _failed(transfer, internal(f"{type(error).__name__}: {error}"))
    finally:
        if own and world.database.exists("task", task):
            tasks.remove(world, task)


def _failed(transfer: Transfer, failure: Failure) -> web.StreamResponse:
    """The task ends; so does the connection if the answer has begun, else there is a page."""
    transfer.fail(failure)
    if not transfer.begun:
        return answers.page(500, more=_extra(failure))
    answers.drop(transfer.request)
    return web.Response()


def _extra(failure: Failure) -> str:
    described = f"{failure.code}: [ {'; '.join(failure.description[1:])} ]"
    return f"<h1> Additional information </h1>{html.escape(described)}"
