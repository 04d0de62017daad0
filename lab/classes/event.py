# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event: what changed, for clients that wait for it."""

from __future__ import annotations

import uuid
from typing import Any

from lab import events
from lab.errors import Failure
from lab.event_queue import Queue
from lab.registry import implements
from lab.values import Type, Typed
from lab.world import Call, World

STRING = Type("string")
EVENT = Type(
    "record",
    "event",
    fields={
        "id": STRING, "timestamp": STRING, "class": STRING, "operation": STRING, "ref": STRING,
        "snapshot": Type("any"),
    },
)  # fmt: skip
EVENTS = Type("set", item=EVENT)
ANSWER = Type(
    "record",
    "event batch",
    fields={"events": EVENTS, "valid_ref_counts": Type("map", key=STRING, item=Type("int32")), "token": STRING},
)
#: event.from tells no time.
NO_TIME = "0.0"


@implements("event.from")
async def from_(call: Call, classes: list[str], token: str, timeout: float) -> Typed:
    answer = await events.wait(call.world, call.session, classes, token, timeout)
    found = [_members(call, event, NO_TIME) for event in answer.events]
    return Typed(ANSWER, {"events": found, "valid_ref_counts": answer.counts, "token": answer.token})


def _members(call: Call, event: events.Event, timestamp: str) -> dict[str, Any]:
    members: dict[str, Any] = {
        # messages have no place among the numbers of the database
        "id": str(0 if event.cls == events.MESSAGE else event.generation),
        "timestamp": timestamp,
        "class": event.cls,
        "operation": event.operation,
        "ref": event.ref,
    }
    if event.record:
        members["snapshot"] = Typed(call.world.schema.classes[event.record.cls].record, event.record)
    return members


def _queue(world: World) -> Queue:
    """The queue of a world, which begins with the first that registers."""
    if world.event_queue is None:
        world.event_queue = Queue(world)
    return world.event_queue


@implements("event.register")
def register(call: Call, classes: list[str]) -> None:
    _queue(call.world).register(call.session, classes)


@implements("event.unregister")
def unregister(call: Call, classes: list[str]) -> None:
    _queue(call.world).unregister(call.session, classes)


@implements("event.next")
async def next_(call: Call) -> Typed:
    queue = _queue(call.world)
    if call.session not in queue.registrations:
        raise Failure("SESSION_NOT_REGISTERED", f"trackid={uuid.uuid5(uuid.NAMESPACE_OID, call.session).hex}")
    found = await queue.next(call.session)
    return Typed(EVENTS, [_members(call, queued.event, f"{queued.at:.0f}.") for queued in found])


@implements("event.get_current_id")
def get_current_id(call: Call) -> int:
    return _queue(call.world).next_number


@implements("event.inject")
def inject(call: Call, cls: str, ref: str) -> str:
    """Count an object as changed; the answer is a token from just before."""
    definition = call.world.schema.classes.get(cls)
    if definition is None or not definition.in_database:
        raise Failure("HANDLE_INVALID", cls, ref)
    before = call.db.generation
    call.db.touch(cls, ref)
    return str(events.Token(before))
