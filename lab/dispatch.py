# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a call's name and parameters to its answer, with the checks that XAPI makes on the way and their order."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lab import generated, rbac, sessions, tasks, values
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import HANDLERS, Handler
from lab.schema import Message
from lab.values import Type, Typed
from lab.world import Call, World, dummy_task

LOG = logging.getLogger("lab")
ASYNC = "Async."
LIST_METHODS = "system.listMethods"
#: Characters that XML cannot have.
NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
Prelude = Callable[[], Awaitable[None]]
NAMES = Type("set", item=Type("string"))
SESSION = Type("ref", "session")
#: Classes whose calls have no task.
WITHOUT_TASK = ("task", "event")


class Unreadable(Failure):
    """Text in a parameter that XML could not have: refused before the call is looked at."""


@dataclass(frozen=True)
class Bound:
    """A message and what answers it."""

    message: Message
    handler: Handler


class Dispatcher:
    """All calls of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: dict[str, Bound] = {}
        for definition in world.schema.classes.values():
            for message in definition.messages.values():
                handler = HANDLERS.get(message.wire_name) or generated.handler(message)
                bound = Bound(message, handler or _missing(message))
                self.calls[message.wire_name] = self.calls[message.other_name] = bound
        unknown = set(HANDLERS) - set(self.calls)
        assert not unknown, f"implemented, but not in the data model: {unknown}"

    async def call(self, method: str, parameters: list[Any], before: Prelude | None = None, host: str = "") -> Typed:
        """The answer to a call that a host was asked. Raises Failure.

        before is awaited first, for Async calls within the task.
        """
        for parameter in parameters:
            if not _is_text(parameter):
                raise Unreadable("INVALID_VALUE", "Invalid UTF-8 string in parameter", values.show(parameter))
        name = method.removeprefix(ASYNC)
        bound = self.calls.get(name)
        if bound is None:
            return self._outside(name, parameters, host)
        message = bound.message
        session, rest = _split(message, name, parameters)
        arguments = [] if message.removed else _arguments(message, rest)
        if message.needs_session:
            self._check(session, host)
        if message.removed:
            raise Failure("MESSAGE_REMOVED")
        if message.internal:
            raise internal(f'Internal API "{name}" call attempted with non-pool (external) session')
        call = Call(self.world, message.wire_name, session, host=host)
        if method.startswith(ASYNC):
            return self._start(bound, method, call, arguments, before)
        if before:
            await before()
        return await self._run(bound, call, arguments)

    def _check(self, session: str, host: str) -> None:
        """Raises SESSION_INVALID, and HOST_IS_SLAVE on a member; local sessions are good for their host."""
        if self.world.local_sessions.get(session) == host:
            return
        sessions.check(self.world, session)
        membership.refuse_on_member(self.world, host)

    def _outside(self, name: str, parameters: list[Any], host: str) -> Typed:
        """Calls that are not of the data model. Raises MESSAGE_METHOD_UNKNOWN, of a valid session."""
        if name == LIST_METHODS:
            return Typed(NAMES, self.names())
        if name.startswith("system.isAlive:") and parameters and isinstance(parameters[0], str):
            return Typed(Type("string"), parameters[0])
        if parameters:
            self._check(values.from_wire(SESSION, parameters[0]), host)
        raise Failure("MESSAGE_METHOD_UNKNOWN", name)

    def names(self) -> list[str]:
        """All calls there are, by their first names."""
        return [name for name, bound in self.calls.items() if name == bound.message.wire_name]

    async def _run(self, bound: Bound, call: Call, arguments: list[Any]) -> Typed:
        if bound.message.needs_session:
            rbac.check(self.world, call.session, rbac.permission_of(bound.message, arguments))
        try:
            answer = bound.handler(call, *arguments)
            if inspect.isawaitable(answer):
                answer = await answer
        except (Failure, asyncio.CancelledError):
            raise
        except Exception as error:
            LOG.exception("%s failed", call.method)
            raise internal(f"{type(error).__name__}: {error}") from error
        finally:
            self.world.settle()
        return answer if isinstance(answer, Typed) else Typed(bound.message.result, answer)

    def _start(self, bound: Bound, method: str, call: Call, arguments: list[Any], before: Prelude | None) -> Typed:
        if not bound.message.is_async:
            raise Failure("Fault", f"No async mode for this operation (rpc: {method.removeprefix(ASYNC)})")
        # calls about tasks and events have no task, and the answer is the dummy that stands for it
        is_kept = bound.message.cls not in WITHOUT_TASK
        task = call.task = tasks.create(self.world, method, "", call.session) if is_kept else dummy_task(method)
        in_background(self.world, self._finish(bound, call, arguments, before))
        return Typed(Type("ref", "task"), task)

    async def _finish(self, bound: Bound, call: Call, arguments: list[Any], before: Prelude | None) -> None:
        try:
            if before:
                await before()
            answer = await self._run(bound, call, arguments)
        except Failure as failure:
            tasks.fail(self.world, call.task, failure)
        except asyncio.CancelledError:
            tasks.fail(self.world, call.task, Failure("TASK_CANCELLED", call.task))
            raise
        else:
            tasks.succeed(self.world, call.task, answer.type, answer.value)


def in_background(world: World, work: Awaitable[None]) -> None:
    """Run something that nobody waits for, and keep it until it ends."""
    task: asyncio.Task[None] = asyncio.ensure_future(work)
    world.work.add(task)
    task.add_done_callback(world.work.discard)


def _is_text(parameter: Any) -> bool:
    """Whether all text in a parameter could stand in XML, too."""
    if isinstance(parameter, str):
        return not NO_TEXT.search(parameter)
    if isinstance(parameter, list):
        return all(_is_text(item) for item in parameter)
    if isinstance(parameter, dict):
        return all(_is_text(key) and _is_text(item) for key, item in parameter.items())
    return True


def _split(message: Message, name: str, parameters: list[Any]) -> tuple[str, list[Any]]:
    """The session and the other parameters. Raises MESSAGE_PARAMETER_COUNT_MISMATCH."""
    required = sum(parameter.required for parameter in message.parameters)
    optional = len(message.parameters) > required
    given = len(parameters) - message.needs_session
    if given < required or (given > required and not optional):
        raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", name, required, given)
    if not message.needs_session:
        return values.NULL, parameters
    return values.from_wire(SESSION, parameters[0]), parameters[1:]


def _arguments(message: Message, given: list[Any]) -> list[Any]:
    """The parameters as kept values; what is left out gets its default."""
    arguments = []
    for number, parameter in enumerate(message.parameters):
        if number < len(given):
            arguments.append(values.from_wire(parameter.type, given[number]))
        else:
            arguments.append(values.copied(parameter.default))
    return arguments


def _missing(message: Message) -> Handler:
    """What answers a call that the lab has no behaviour for: its object is looked up all the same."""

    def refuse(call: Call, *arguments: Any) -> None:
        first = message.parameters[0].type if message.parameters else None
        if first and first.kind == "ref" and first.name in call.db.tables:
            call.db.get(first.name, arguments[0])
        raise Failure("NOT_IMPLEMENTED", message.wire_name)

    return refuse
