# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""event: what changed, for clients that wait for it."""

from __future__ import annotations

import uuid
from typing import Any

from lab import events
from lab.errors import Failure
from lab.registry import implements
from lab.schema import Schema
from lab.values import Type, Typed
from lab.world import Call

STRING, INT, TIME = Type("string"), Type("int"), Type("datetime")
EVENT = Type(
    "record",
    "event",
    fields={
        "id": INT, "timestamp": TIME, "class": STRING, "operation": STRING, "ref": STRING,
        "snapshot": Type("any"),
    },
)  # fmt: skip
ANSWER = Type(
    "record",
    "event batch",
    fields={
        "events": Type("set", item=EVENT),
        "valid_ref_counts": Type("map", key=STRING, item=INT),
        "token": STRING,
    },
)


@implements("event.from")
async def from_(call: Call, classes: list[str], token: str, timeout: float) -> Typed:
    answer = await events.wait(call.world, call.session, classes, token, timeout)
    found = [_members(call, event) for event in answer.events]
    return Typed(ANSWER, {"events": found, "valid_ref_counts": answer.counts, "token": answer.token})


def _members(call: Call, event: events.Event) -> dict[str, Any]:
    members = events.members(call.world, event)
    if event.record:
        members["snapshot"] = Typed(_record_type(call.world.schema, event.cls), event.record)
    return members


def _record_type(schema: Schema, cls: str) -> Type:
    return schema.classes[cls].record


@implements("event.get_current_id")
def get_current_id(call: Call) -> int:
    return call.db.generation


@implements("event.next")
def next_(call: Call) -> None:
    raise Failure("SESSION_NOT_REGISTERED", f"trackid={uuid.uuid5(uuid.NAMESPACE_OID, call.session).hex}")


@implements("event.inject")
def inject(call: Call, cls: str, ref: str) -> str:
    names = {name.lower(): name for name in call.db.tables}
    if cls.lower() not in names:
        raise Failure("HANDLE_INVALID", cls, ref)
    call.db.touch(names[cls.lower()], ref)
    return f"{call.db.generation:020d},{0:020d}"
