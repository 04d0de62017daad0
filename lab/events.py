# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event.from: what changed since a token.

A token is the generation up to which its owner has seen everything, and a second one for messages, which XAPI keeps
outside its database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lab import sessions
from lab.database import Record, Table
from lab.errors import Failure
from lab.schema import Class
from lab.values import parse_integer
from lab.world import World

#: Seconds in which further changes are collected before an answer, and between two looks.
BATCH_DELAY = 0.05
MESSAGE = "message"


@dataclass(frozen=True)
class Token:
    """What its owner has seen: all changes up to a generation, all messages up to another."""

    generation: int = 0
    messages: int = 0

    def __str__(self) -> str:
        return f"{self.generation:020d},{self.messages:020d}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """The token that a client gives back; nothing stands for the beginning.

        Raises EVENT_FROM_TOKEN_PARSE_FAILURE.
        """
        if text == "":
            return cls()
        try:
            generation, messages = text.split(",")
            return cls(parse_integer(generation), parse_integer(messages))
        except ValueError:
            raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", text) from None


@dataclass(frozen=True)
class Subscription:
    """A class (lower case, `*` for all) and, if there is one, a reference."""

    cls: str
    ref: str | None = None

    @classmethod
    def parse(cls, text: str) -> Subscription:
        name, slash, ref = text.partition("/")
        return cls(name.lower(), ref if slash else None)

    def wants(self, cls: str) -> bool:
        """Whether any object of the class (lower case) is wanted."""
        return self.cls == cls or (self.cls == "*" and self.ref is None)

    def matches(self, cls: str, ref: str) -> bool:
        return self.wants(cls) and self.ref in (None, ref)


@dataclass(slots=True)
class Event:
    """A change; of a deleted object there is no record. The class is in lower case."""

    cls: str
    operation: str
    ref: str
    generation: int
    record: Record | None = None


@dataclass
class Changes:
    """What changed, one event an object."""

    messages: list[Event] = field(default_factory=list)
    added: list[Event] = field(default_factory=list)
    changed: list[Event] = field(default_factory=list)
    deleted: list[Event] = field(default_factory=list)
    token: Token = field(default_factory=Token)

    @property
    def events(self) -> list[Event]:
        """All of it, in XAPI's order."""
        return [*self.messages, *self.added, *self.changed, *self.deleted]


@dataclass(frozen=True)
class Answer:
    events: list[Event]
    #: lower-case class -> number of objects
    counts: dict[str, int]
    token: str


async def wait(world: World, session: str, classes: list[str], token: str, timeout: float) -> Answer:
    """Block until something of these classes changed after the token, or for timeout seconds."""
    since = Token.parse(token)
    wanted = [Subscription.parse(text) for text in classes]
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    if timeout > 0 and not _only_tasks(wanted):
        await asyncio.sleep(BATCH_DELAY)
    while True:
        sessions.check(world, session)
        world.settle()
        changes = collect(world, wanted, since)
        if changes.events or loop.time() >= end:
            return Answer(changes.events, _counts(world), str(changes.token))
        since = changes.token
        await world.database.changed(max(0.0, end - loop.time()))
        await asyncio.sleep(min(BATCH_DELAY, max(0.0, end - loop.time())))


def _only_tasks(wanted: list[Subscription]) -> bool:
    return bool(wanted) and all(subscription.cls == "task" for subscription in wanted)


def collect(world: World, wanted: list[Subscription], since: Token) -> Changes:
    """The newest state of what changed after a token."""
    changes = Changes()
    last_message = since.messages
    for cls, table in _tables(world, wanted):
        if cls.name == MESSAGE:
            changes.messages = list(_messages(table, wanted, since.messages))
            last_message = max([last_message, *(event.generation for event in changes.messages)])
        else:
            _gather(changes, cls.name.lower(), table, wanted, since.generation)
    changes.token = Token(max(world.database.generation, since.generation), last_message)
    return changes


def _tables(world: World, wanted: list[Subscription]) -> Iterator[tuple[Class, Table]]:
    for name, table in world.database.tables.items():
        definition = world.schema.classes[name]
        if definition.has_events and any(subscription.wants(name.lower()) for subscription in wanted):
            yield definition, table


def _gather(changes: Changes, cls: str, table: Table, wanted: list[Subscription], since: int) -> None:
    found = [record for record in _newest(table, since) if _matches(wanted, cls, record.ref)]
    for record in reversed(found):
        if record.created > since:
            changes.added.append(Event(cls, "add", record.ref, record.created, record))
        else:
            changes.changed.append(Event(cls, "mod", record.ref, record.modified, record))
    for ref, created, deleted in table.deleted:
        if created <= since < deleted and _matches(wanted, cls, ref):
            changes.deleted.append(Event(cls, "del", ref, deleted))


def _messages(table: Table, wanted: list[Subscription], since: int) -> Iterator[Event]:
    """Of messages each deletion is told, even of ones that the client never saw."""
    if not any(subscription.wants(MESSAGE) for subscription in wanted):
        return
    for record in _newest(table, since):
        yield Event(MESSAGE, "add", record.ref, record.created, record)
    for ref, _created, deleted in table.deleted:
        if deleted > since:
            yield Event(MESSAGE, "del", ref, deleted)


def _newest(table: Table, since: int) -> Iterator[Record]:
    """The objects that changed after a generation, the newest first."""
    for ref in reversed(table.order):
        record = table.records[ref]
        if record.modified <= since:
            return
        yield record


def _matches(wanted: Iterable[Subscription], cls: str, ref: str) -> bool:
    return any(subscription.matches(cls, ref) for subscription in wanted)


def _counts(world: World) -> dict[str, int]:
    """How many objects there are of each class of the database, whatever was asked for."""
    return {
        name.lower(): len(table.records)
        for name, table in world.database.tables.items()
        if world.schema.classes[name].in_database
    }
