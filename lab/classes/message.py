# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""message: notes about objects, kept apart from the database proper in XAPI; here in it."""

from __future__ import annotations

from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, World, now


@implements("message.create")
def create(call: Call, name: str, priority: int, cls: str, obj_uuid: str, body: str) -> str:
    if cls in call.db.tables and obj_uuid not in call.db.tables[cls].by_uuid:
        raise Failure("UUID_INVALID", cls, obj_uuid)
    fields = {"name": name, "priority": priority, "cls": cls, "obj_uuid": obj_uuid, "timestamp": now(), "body": body}
    return call.db.create("message", fields)


@implements("message.destroy")
def destroy(call: Call, message: str) -> None:
    call.db.delete("message", message)


@implements("message.destroy_many")
def destroy_many(call: Call, messages: list[str]) -> None:
    for message in messages:
        call.db.delete("message", message)


@implements("message.get")
def get(call: Call, cls: str, obj_uuid: str, since: float) -> dict[str, Record]:
    found = [record for record in call.db.where("message", obj_uuid=obj_uuid) if record["cls"] == cls]
    return {record.ref: record for record in found if record["timestamp"] > since}


@implements("message.get_since")
def get_since(call: Call, since: float) -> dict[str, Record]:
    return {record.ref: record for record in call.db.all("message") if record["timestamp"] > since}


@implements("message.get_all")
def get_all(call: Call) -> list[str]:
    return list(call.db.tables["message"].records)


@implements("message.get_all_records")
def get_all_records(call: Call) -> dict[str, Record]:
    return dict(call.db.tables["message"].records)


@implements("message.get_all_records_where")
def get_all_records_where(call: Call, expression: str) -> dict[str, Record]:
    return dict(call.db.tables["message"].records)


@implements("message.get_record")
def get_record(call: Call, message: str) -> Record:
    return call.db.get("message", message)


@implements("message.get_by_uuid")
def get_by_uuid(call: Call, uuid: str) -> str:
    return call.db.by_uuid("message", uuid)


#: How urgent XAPI finds what happens to VMs in the course of things.
ORDINARY = 5


def notify_vm(world: World, vm: str, name: str, what: str) -> None:
    """Leave the note that XAPI leaves when something was done with a VM."""
    record = world.database.get("VM", vm)
    fields = {
        "name": name, "priority": ORDINARY, "cls": "VM", "obj_uuid": record["uuid"], "timestamp": now(),
        "body": f"VM '{record['name_label']}' {what}",
    }  # fmt: skip
    world.database.create("message", fields)
