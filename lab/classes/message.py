# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""message: notes about objects, kept apart from the database proper in XAPI; here in it."""

from __future__ import annotations

import time

from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, World

#: Classes whose names here are not those of the data model.
TABLES = {"Host": "host", "Pool": "pool"}
#: How urgent XAPI finds what happens to VMs in the course of things.
ORDINARY = 5
#: Messages kept; the oldest beyond it go.
MOST = 10_000


def _is_known(call: Call, cls: str, uuid: str) -> bool:
    table = call.db.tables.get(TABLES.get(cls, cls))
    return table is not None and uuid in table.by_uuid


@implements("message.create")
def create(call: Call, name: str, priority: int, cls: str, obj_uuid: str, body: str) -> str:
    if not _is_known(call, cls, obj_uuid):
        raise Failure("UUID_INVALID", cls, obj_uuid)
    return leave(call.world, name, priority, cls, obj_uuid, body)


def leave(world: World, name: str, priority: int, cls: str, obj_uuid: str, body: str) -> str:
    """A message that nobody asked for, or nobody needs to be asked about."""
    # parts of a second count where messages are looked up by time, and show nowhere
    fields = {"name": name, "priority": priority, "cls": cls, "obj_uuid": obj_uuid, "timestamp": time.time()}
    message = world.database.create("message", {**fields, "body": body})
    known = world.database.tables["message"].records
    while len(known) > MOST:
        world.database.delete("message", next(iter(known)))
    return message


@implements("message.destroy")
def destroy(call: Call, message: str) -> None:
    call.db.delete("message", message)


@implements("message.destroy_many")
def destroy_many(call: Call, messages: list[str]) -> None:
    """One after the other, up to the first that is not there."""
    for message in messages:
        call.db.delete("message", message)


@implements("message.get")
def get(call: Call, cls: str, obj_uuid: str, since: float) -> dict[str, Record]:
    """Of one object, later than the second given. The error for an object that is not there has no parameters."""
    if not _is_known(call, cls, obj_uuid):
        raise Failure("UUID_INVALID")
    found = [record for record in call.db.where("message", obj_uuid=obj_uuid) if record["cls"] == cls]
    return {record.ref: record for record in found if int(record["timestamp"]) > since}


@implements("message.get_since")
def get_since(call: Call, since: float) -> dict[str, Record]:
    """Later than the moment given, by parts of a second."""
    return {record.ref: record for record in call.db.all("message") if record["timestamp"] > since}


@implements("message.get_all")
def get_all(call: Call) -> list[str]:
    return list(call.db.tables["message"].records)


@implements("message.get_all_records")
def get_all_records(call: Call) -> dict[str, Record]:
    return dict(call.db.tables["message"].records)


@implements("message.get_all_records_where")
def get_all_records_where(call: Call, expression: str) -> dict[str, Record]:
    """The expression does not count."""
    return dict(call.db.tables["message"].records)


@implements("message.get_record")
def get_record(call: Call, message: str) -> Record:
    return call.db.get("message", message)


@implements("message.get_by_uuid")
def get_by_uuid(call: Call, uuid: str) -> str:
    return call.db.by_uuid("message", uuid)


def notify_vm(world: World, vm: str, name: str, what: str) -> None:
    """Leave the note that XAPI leaves when something was done with a VM."""
    record = world.database.get("VM", vm)
    leave(world, name, ORDINARY, "VM", record["uuid"], f"VM '{record['name_label']}' {what}")
