# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls that every class has by its fields: getters, setters, records, look-ups, plain create and destroy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab import queries
from lab.errors import Failure, internal
from lab.inner_names import inner_name
from lab.registry import Handler
from lab.schema import Message
from lab.world import Call


def handler(message: Message) -> Handler | None:
    """What answers a generated call; None when the message is a custom one."""
    cls, name = message.cls, message.name
    makers: dict[str, Callable[[], Handler]] = {
        "field-getter": lambda: _getter(cls, name.removeprefix("get_")),
        "field-setter": lambda: _setter(cls, name.removeprefix("set_")),
        "field-add": lambda: _adder(cls, name),
        "field-remove": lambda: _remover(cls, name),
        "object-get_record": lambda: lambda call, ref: call.db.get(cls, ref),
        "object-get_by_uuid": lambda: lambda call, uuid: call.db.by_uuid(cls, uuid),
        "object-get_by_name_label": lambda: lambda call, label: _named(call, cls, label),
        "object-get_all": lambda: lambda call: list(call.db.tables[cls].records),
        "object-get_all_records": lambda: lambda call: dict(call.db.tables[cls].records),
        "object-get_all_where": lambda: lambda call, text: list(queries.run(call.db, cls, text)),
        "object-get_all_records_where": lambda: lambda call, text: queries.run(call.db, cls, text),
        "object-create": lambda: lambda call, record: call.db.create(cls, record),
        "object-destroy": lambda: lambda call, ref: call.db.delete(cls, ref),
    }
    maker = makers.get(message.kind)
    return maker() if maker else None


def _named(call: Call, cls: str, label: str) -> list[str]:
    return [record.ref for record in call.db.where(cls, name_label=label)]


def _getter(cls: str, name: str) -> Handler:
    def get(call: Call, ref: str) -> Any:
        return call.db.get(cls, ref)[name]

    return get


def _setter(cls: str, name: str) -> Handler:
    def set_value(call: Call, ref: str, value: Any) -> None:
        call.db.set(cls, ref, **{name: value})

    return set_value


def _adder(cls: str, message: str) -> Handler:
    name = re.sub("^add_(to_)?", "", message)

    def add_to_map(call: Call, ref: str, key: str, value: Any) -> None:
        add_key(call, cls, ref, name, key, value)

    def add_to_set(call: Call, ref: str, value: Any) -> None:
        found = call.db.get(cls, ref)[name]
        if value not in found:
            # the newest comes first, as in XAPI
            call.db.set(cls, ref, **{name: [value, *found]})

    return add_to_map if message.startswith("add_to_") else add_to_set


def add_key(call: Call, cls: str, ref: str, name: str, key: str, value: Any) -> None:
    """Add a key to a map. Raises MAP_DUPLICATE_KEY also when it is there with the same value."""
    found = call.db.get(cls, ref)[name]
    if key == "":
        raise internal("Db_exn.Empty_key_in_map")
    if key in found:
        raise Failure("MAP_DUPLICATE_KEY", cls, inner_name(cls, name), ref, key)
    call.db.set(cls, ref, **{name: {key: value, **found}})


def _remover(cls: str, message: str) -> Handler:
    name = re.sub("^remove_(from_)?", "", message)

    def remove_from_map(call: Call, ref: str, key: str) -> None:
        call.db.drop(cls, ref, name, key)

    def remove_from_set(call: Call, ref: str, value: Any) -> None:
        found = call.db.get(cls, ref)[name]
        call.db.set(cls, ref, **{name: [item for item in found if item != value]})

    return remove_from_map if message.startswith("remove_from_") else remove_from_set
