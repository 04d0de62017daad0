# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event.from: what changed since a token.

A token is the generation up to which its owner has seen everything, and a second number for messages.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from lab import sessions
from lab.database import Record
from lab.errors import Failure
from lab.world import World, now

#: Seconds in which further changes are collected before an answer.
BATCH_DELAY = 0.05
#: Classes whose changes are never told.
SILENT = ("session", "event")


@dataclass(frozen=True)
class Event:
    cls: str
    operation: str
    ref: str
    record: Record | None


@dataclass(frozen=True)
class Answer:
    events: list[Event]
    #: lower-case class -> number of objects
    counts: dict[str, int]
    token: str


@dataclass(frozen=True)
class Subscription:
    """A class (lower case, `*` for all) and, if not empty, one reference."""

    cls: str
    ref: str = ""

    def wants(self, cls: str) -> bool:
        return (not self.ref and self.cls == "*") or self.cls == cls.lower()


def parse_token(token: str) -> int:
    """The generation of a token. Raises EVENT_FROM_TOKEN_PARSE_FAILURE."""
    if token == "":
        return -1
    match = re.fullmatch(r"(-?\d+),(-?\d+)", token)
    if not match:
        raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
    return int(match.group(1))


def parse_subscription(text: str) -> Subscription:
    cls, slash, ref = text.partition("/")
    return Subscription(cls.lower(), ref if slash else "")


async def wait(world: World, session: str, classes: list[str], token: str, timeout: float) -> Answer:
    """Block until something of these classes changed after the token, or for timeout seconds."""
    since = parse_token(token)
    wanted = [parse_subscription(text) for text in classes]
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    while True:
        await asyncio.sleep(BATCH_DELAY if timeout > 0 else 0)
        sessions.check(world, session)
        world.settle()
        events = collect(world, wanted, since)
        if events or loop.time() >= end:
            return Answer(events, _counts(world, wanted), f"{world.database.generation:020d},{0:020d}")
        await world.database.changed(max(0.0, end - loop.time()))


def collect(world: World, wanted: list[Subscription], since: int) -> list[Event]:
    """The newest state of what changed after a generation, one event an object."""
    found: list[Event] = []
    for cls, table in world.database.tables.items():
        if cls in SILENT:
            continue
        chosen = [subscription for subscription in wanted if subscription.wants(cls)]
        if not chosen:
            continue
        refs = None if any(not subscription.ref for subscription in chosen) else {s.ref for s in chosen}
        changed: list[Event] = []
        for ref in reversed(table.order):
            record = table.records[ref]
            if record.modified <= since:
                break
            if refs is None or ref in refs:
                changed.append(Event(cls, "add" if record.created > since else "mod", ref, record))
        found += reversed(changed)
        if since >= 0:
            gone = [ref for ref, created, deleted in table.deleted if created <= since < deleted]
            found += [Event(cls, "del", ref, None) for ref in gone if refs is None or ref in refs]
    return found


def _counts(world: World, wanted: list[Subscription]) -> dict[str, int]:
    return {
        cls.lower(): len(table.records)
        for cls, table in world.database.tables.items()
        if cls not in SILENT and any(subscription.wants(cls) for subscription in wanted)
    }


def timestamp() -> float:
    return now()


def event_id(world: World, event: Event) -> int:
    """A number for the event, as old clients want one."""
    return event.record.modified if event.record else world.database.generation


def members(world: World, event: Event) -> dict[str, Any]:
    """The parts of an event beside its snapshot."""
    return {
        "id": event_id(world, event),
        "timestamp": timestamp(),
        "class": event.cls.lower(),
        "operation": event.operation,
        "ref": event.ref,
    }
