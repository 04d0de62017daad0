# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The older way to wait for events: sessions register for classes, and a queue keeps every change for them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from lab import sessions
from lab.database import Record
from lab.errors import Failure
from lab.events import Event, Subscription
from lab.world import World, now

#: Size of the events kept (bytes, of their records as text); the oldest beyond it are lost.
LARGEST = 10_000_000


@dataclass
class Registration:
    """What a session waits for; events before `seen` are its past."""

    seen: int
    wanted: list[Subscription] = field(default_factory=list)


@dataclass(frozen=True)
class Queued:
    event: Event
    at: float
    size: int


class Queue:
    """Changes of one world, kept only while a session is registered for them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.registrations: dict[str, Registration] = {}
        self.queued: deque[Queued] = deque()
        #: the number that the next event gets, and the highest of those that were lost
        self.next_number = 0
        self.lost = -1
        self.size = 0
        world.database.listeners.append(self._note)

    def register(self, session: str, classes: list[str]) -> None:
        registration = self.registrations.setdefault(session, Registration(self.next_number))
        registration.wanted += [Subscription.parse(text) for text in classes]

    def unregister(self, session: str, classes: list[str]) -> None:
        registration = self.registrations.setdefault(session, Registration(self.next_number))
        gone = [Subscription.parse(text) for text in classes]
        registration.wanted = [subscription for subscription in registration.wanted if subscription not in gone]

    async def next(self, session: str) -> list[Queued]:
        """Block until there are events for the session. Raises EVENTS_LOST, SESSION_INVALID."""
        registration = self.registrations[session]
        while True:
            self.world.settle()
            first, registration.seen = registration.seen, self.next_number
            if self.lost >= first:
                raise Failure("EVENTS_LOST")
            found = [queued for queued in self.queued if queued.event.generation >= first]
            wanted = [queued for queued in found if self._wants(registration, queued.event.cls, queued.event.ref)]
            if wanted:
                return wanted
            await self.world.database.changed(60.0)
            sessions.check(self.world, session)

    def _wants(self, registration: Registration, cls: str, ref: str) -> bool:
        return any(subscription.matches(cls, ref) for subscription in registration.wanted)

    def _note(self, cls: str, ref: str) -> None:
        """Keep a change that a session is registered for."""
        for session in [known for known in self.registrations if not self.world.database.exists("session", known)]:
            del self.registrations[session]
        if not self.world.schema.classes[cls].has_events:
            return
        name = cls.lower()
        if any(self._wants(registration, name, ref) for registration in self.registrations.values()):
            self._keep(name, ref, self.world.database.find(cls, ref))

    def _keep(self, cls: str, ref: str, record: Record | None) -> None:
        operation = "del" if record is None else "add" if record.created == record.modified else "mod"
        # the record as it is now: its values are never changed in place
        snapshot = record and Record(record.cls, ref, dict(record.fields), record.created, record.modified)
        size = len(str(record.fields)) if record else 0
        self.queued.append(Queued(Event(cls, operation, ref, self.next_number, snapshot), now(), size))
        self.next_number += 1
        self.size += size
        while self.size > LARGEST:
            dropped = self.queued.popleft()
            self.size -= dropped.size
            self.lost = dropped.event.generation
