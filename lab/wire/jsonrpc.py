# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON-RPC 1.0 and 2.0 as XAPI speaks them: integers are numbers, errors have code 1."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab.database import Record
from lab.values import Type, format_time, parse_integer
from lab.wire import Malformed

CONTENT_TYPE = "application/json"


@dataclass(frozen=True)
class JsonCall:
    method: str
    parameters: list[Any]
    id: Any
    #: 1 or 2
    version: int


#: What answers a call of which some text is no text, whatever its version and id were: as in XAPI.
UNREADABLE = JsonCall("", [], 0, 1)


def parse_call(body: bytes) -> JsonCall:
    """Raises Malformed."""
    try:
        # bytes that are no UTF-8 are for the dispatcher to refuse
        call = json.loads(body.decode(errors="surrogateescape"), parse_int=parse_integer)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if not isinstance(call, dict) or not isinstance(call.get("method"), str):
        raise Malformed("this is no call")
    version = 1 if "jsonrpc" not in call else 2
    if version == 2 and call["jsonrpc"] != "2.0":
        raise Malformed(f"there is no version {call['jsonrpc']}")
    if isinstance(call.get("id"), bool) or not isinstance(call.get("id"), (int, str)):
        raise Malformed("the id is neither text nor an integer")
    return JsonCall(call["method"], _parameters(call, version), call["id"], version)


def _parameters(call: dict[str, Any], version: int) -> list[Any]:
    """Version 1 must have them; of version 2 they may be missing, and named ones count as one, as in XAPI."""
    parameters = call.get("params")
    if isinstance(parameters, list):
        return parameters
    if version == 2 and parameters is None:
        return []
    if version == 2 and isinstance(parameters, dict):
        return [parameters]
    raise Malformed("the parameters are no list")


def plain(kind: Type, value: Any) -> Any:
    """A kept value of that type as JSON has it."""
    if kind.kind == "datetime":
        return format_time(value)
    if kind.kind == "set":
        assert kind.item
        return [plain(kind.item, item) for item in value]
    if kind.kind == "map":
        assert kind.item
        return {key: plain(kind.item, item) for key, item in value.items()}
    if kind.kind == "record":
        fields = value.fields if isinstance(value, Record) else value
        return {name: plain(kind.fields[name], fields[name]) for name in kind.fields if name in fields}
    if kind.kind == "any":
        return plain(value.type, value.value)
    return "" if kind.kind == "void" else value


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _record(kind: Type, record: Record) -> str:
    """An object, kept with it until it changes."""
    text = record.dumped.get(CONTENT_TYPE)
    if text is None:
        text = record.dumped[CONTENT_TYPE] = _text(plain(kind, record))
    return text


def write(kind: Type, value: Any, out: list[str]) -> None:
    """A kept value of that type as JSON, in parts, so that a large answer need not be put together in memory."""
    if kind.kind == "any":
        write(value.type, value.value, out)
    elif kind.kind == "record" and isinstance(value, Record):
        out.append(_record(kind, value))
    elif kind.kind == "map" and kind.item and kind.item.kind == "record":
        _write_object([(key, kind.item, item) for key, item in value.items()], out)
    elif kind.kind == "record":
        members = [(name, member, value[name]) for name, member in kind.fields.items() if name in value]
        _write_object(members, out)
    elif kind.kind == "set" and kind.item and kind.item.kind == "record":
        for number, item in enumerate(value):
            out.append("," if number else "[")
            write(kind.item, item, out)
        out.append("]" if value else "[]")
    else:
        out.append(_text(plain(kind, value)))


def _write_object(members: list[tuple[str, Type, Any]], out: list[str]) -> None:
    for number, (name, kind, value) in enumerate(members):
        out.append(f"{',' if number else '{'}{_text(name)}:")
        write(kind, value, out)
    out.append("}" if members else "{}")


def success(call: JsonCall, kind: Type, value: Any) -> list[str]:
    """The answer to a call that went well, in parts."""
    out = ['{"jsonrpc":"2.0","result":' if call.version == 2 else '{"result":']
    write(kind, value, out)
    out.append(f',"id":{_text(call.id)}}}' if call.version == 2 else f',"error":null,"id":{_text(call.id)}}}')
    return out


def failure(call: JsonCall, description: list[str]) -> list[str]:
    """The answer to a call that failed, in parts."""
    if call.version == 1:
        return [_text({"result": None, "error": description, "id": call.id})]
    error = {"code": 1, "message": description[0], "data": description[1:]}
    return [_text({"jsonrpc": "2.0", "error": error, "id": call.id})]
