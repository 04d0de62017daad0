# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data model, read from schema.json: classes with fields and messages, enums, relations."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import values
from lab.values import Type

SIMPLE = ("string", "int", "bool", "float", "datetime", "void")


@dataclass(frozen=True)
class Field:
    """A field of a class; qualifier is RW, RO/runtime or RO/constructor."""

    name: str
    type: Type
    qualifier: str
    default: Any


@dataclass(frozen=True)
class Parameter:
    name: str
    type: Type
    required: bool
    default: Any = None


@dataclass(frozen=True)
class Message:
    """A call; kind is `custom` or names the generated call (field-getter, object-create ...)."""

    cls: str
    name: str
    kind: str
    parameters: list[Parameter]
    result: Type
    is_async: bool
    needs_session: bool
    internal: bool
    #: the least of the roles that may make this call; `local-root` when no role is enough
    role: str
    #: whether the role of client certificates may make this call, too
    for_certificates: bool = False
    #: calls with a map's key: key (a star at its end stands for any text) -> the least role for it
    keys: dict[str, str] = field(default_factory=dict)
    #: whether all that is left of the call is its name
    removed: bool = False

    @property
    def wire_name(self) -> str:
        return f"{self.cls}.{self.name}"

    @property
    def other_name(self) -> str:
        """A second name on the wire, for languages whose names have no dots."""
        return f"{self.cls}_{self.name}"

    @property
    def writes(self) -> bool:
        """Whether the call can change anything, going by its name and kind."""
        if self.kind == "custom":
            return not self.name.startswith(READING_PREFIXES) and self.wire_name not in READING_CALLS
        return self.kind in ("field-setter", "field-add", "field-remove", "object-create", "object-destroy")


READING_PREFIXES = ("get_", "assert_", "compute_", "retrieve_", "query_", "list_", "has_")
#: besides: a client must log in and make tasks to read, and they are no one's objects
READING_CALLS = {
    "event.from", "event.next", "event.register", "event.unregister", "session.login_with_password",
    "session.logout", "session.local_logout", "session.slave_local_login_with_password", "task.create", "task.destroy",
    "task.cancel",
    "VM.update_allowed_operations", "host.dmesg",
}  # fmt: skip


#: Records that are no objects of the database, so that no class says what they have.
LOOSE_RECORDS = {
    "data_source": {
        "name_label": "string", "name_description": "string", "enabled": "bool", "standard": "bool", "units": "string",
        "min": "float", "max": "float", "value": "float",
    },
}  # fmt: skip


@dataclass
class Class:
    """A class of objects."""

    name: str
    fields: dict[str, Field]
    messages: dict[str, Message]
    record: Type = field(default_factory=lambda: Type("record"))
    #: whether event.from tells of its objects
    has_events: bool = True

    @property
    def in_database(self) -> bool:
        """Whether XAPI's database has its objects; a few classes only bundle calls, or have a place of their own."""
        return any(message.kind == "object-get_record" for message in self.messages.values())


class Schema:
    """All of the data model; `relations` maps the single or set end (class, field) to its other end."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._enums = {
            name: Type("enum", name, words={word.lower(): word for word in words})
            for name, words in data["enums"].items()
        }
        self._records: dict[str, Type] = {}
        for name, members in LOOSE_RECORDS.items():
            kinds = {member: self.type(text) for member, text in members.items()}
            self._records[name] = Type("record", name, fields=kinds)
        self.classes: dict[str, Class] = {}
        for name, found in data["classes"].items():
            self._add_class(name, found)
        for name, found in data["classes"].items():
            self.classes[name].messages.update(self._messages(name, found["messages"]))
        self.relations: dict[tuple[str, str], tuple[str, str]] = {}
        for one, other in data["relations"]:
            self._relate(tuple(one.split(".")), tuple(other.split(".")))

    def type(self, text: str) -> Type:
        """The type that the schema file writes as e.g. `VM ref set` or `(string -> int) map`."""
        if text in SIMPLE:
            return Type(text)
        if text.endswith(" map"):
            key, item = text[1:].removesuffix(") map").split(" -> ", 1)
            return Type("map", key=self.type(key), item=self.type(item))
        if text.endswith(" set"):
            return Type("set", item=self.type(text.removesuffix(" set")))
        if text.startswith("enum "):
            return self._enums[text.removeprefix("enum ")]
        name, _space, kind = text.rpartition(" ")
        if kind == "record":
            return self._records.setdefault(name, Type("record", name))
        return Type(kind, name)

    def _add_class(self, name: str, found: dict[str, Any]) -> None:
        fields = {}
        for field_name, member in found["fields"].items():
            kind = self.type(member["type"])
            default = values.check_kept(kind, member["default"]) if "default" in member else values.empty(kind)
            fields[field_name] = Field(field_name, kind, member["qualifier"], default)
        record = self._records.setdefault(name, Type("record", name))
        record.fields.update({field_name: member.type for field_name, member in fields.items()})
        for member_name in found["constructor"]:
            member = fields[member_name]
            record.members[member_name] = (member.type, member_name in found["required"], member.default)
        self.classes[name] = Class(name, fields, {}, record, found.get("events", True))

    def _messages(self, cls: str, found: dict[str, Any]) -> dict[str, Message]:
        messages = {}
        for name, message in found.items():
            parameters = []
            for parameter in message["params"]:
                kind = self.type(parameter[1])
                if len(parameter) == 2:
                    parameters.append(Parameter(parameter[0], kind, True))
                else:
                    default = values.check_kept(kind, parameter[2])
                    parameters.append(Parameter(parameter[0], kind, False, default))
            messages[name] = Message(
                cls, name, message["kind"], parameters, self.type(message["result"]), message.get("async", False),
                message.get("session", True), message.get("internal", False), message["role"],
                message.get("client_certificate", False), message.get("keys", {}), message.get("removed", False),
            )  # fmt: skip
        return messages

    def _relate(self, one: tuple[str, ...], other: tuple[str, ...]) -> None:
        if one == other:  # a set of references that has no other end
            return
        for end in (one, other):
            if end[0] not in self.classes or end[1] not in self.classes[end[0]].fields:
                return
        self.relations[one[0], one[1]] = (other[0], other[1])
        self.relations[other[0], other[1]] = (one[0], one[1])


def load() -> Schema:
    """The data model of this package's schema.json."""
    return Schema(json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8")))
