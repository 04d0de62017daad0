# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XAPI's types: how values come from the wire, are kept, and go to the wire.

Kept inside: int, float, bool and str as such; datetime as epoch seconds (float); enum as its wire name;
ref as text; set as list; map and record as dict (map keys always text).
On the wire (as any protocol's parser delivers it): int, float, bool, str, None, list, dict, Time.
"""

from __future__ import annotations

import calendar
import datetime
import re
import time
from dataclasses import dataclass, field
from typing import Any

from lab.errors import internal, ocaml_failure

NULL = "OpaqueRef:NULL"


class Time(str):
    """A datetime as it stands on the wire: `20260101T00:00:00Z`."""


def float_text(value: float) -> str:
    """A number as OCaml writes it in texts: what looks like an integer gets a point at its end."""
    text = f"{value:.12g}"
    return text if re.search("[^0-9-]", text) else f"{text}."


class Base64(str):
    """What a base64 element on the wire held."""


def format_time(seconds: float) -> str:
    """Epoch seconds in XAPI's form of ISO 8601."""
    return time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime(seconds))


def parse_time(text: str) -> float:
    """Epoch seconds of an ISO 8601 text with or without dashes and zone (UTC is taken then)."""
    match = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):?(\d\d))?", text)
    if not match:
        raise ValueError(text)
    *numbers, sign, hours, minutes = match.groups()
    # refuses what no calendar or clock shows
    year, month, day, hour, minute, second = (int(number) for number in numbers)
    seconds = calendar.timegm(datetime.datetime(year, month, day, hour, minute, second).timetuple())
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += -offset if sign == "+" else offset
    return float(seconds)


@dataclass(frozen=True)
class Type:
    """A type of the data model; `item` of sets, `key` and `item` of maps, `name` of enums, refs and records."""

    kind: str
    name: str = ""
    key: Type | None = None
    item: Type | None = None
    #: enum: lower case -> wire name
    words: dict[str, str] = field(default_factory=dict, hash=False, compare=False)
    #: record: every member that it has when it is read
    fields: dict[str, Type] = field(default_factory=dict, hash=False, compare=False)
    #: record: member of a constructor's argument -> (type, required, default)
    members: dict[str, tuple[Type, bool, Any]] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True)
class Typed:
    """A value whose type is known only when it is there: what a member of type `any` holds."""

    type: Type
    value: Any


def show(value: Any) -> str:
    """A wire value in the notation of XAPI's error texts, such as I(5) or [S(a);S(b)]."""
    if value is None:
        return "N"
    if isinstance(value, bool):
        return f"B({'true' if value else 'false'})"
    if isinstance(value, int):
        return f"I({value})"
    if isinstance(value, float):
        return f"F({value:g})"
    if isinstance(value, Time):
        return f"D({value})"
    if isinstance(value, Base64):
        return f"B64({value})"
    if isinstance(value, list):
        return "[" + ";".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ";".join(f"{key}:{show(item)}" for key, item in value.items()) + "}"
    return f"S({value})"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, (Time, Base64))


def _string(value: Any) -> str:
    if _is_text(value):
        return str(value)
    raise ocaml_failure(f"Expected string, got '{show(value)}'")


def parse_integer(text: str) -> int:
    """A 64-bit integer as XAPI reads it: digits may be parted by _, and hexadecimal and the like. Raises ValueError."""
    if not re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|0[uU][0-9_]+|[0-9][0-9_]*)", text):
        raise ValueError(text)
    digits = text.replace("_", "").replace("u", "").replace("U", "")
    number = int(digits, 0) if re.search("[xXoObB]", digits) else int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError(text)
    return number


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not _is_text(value):
        raise ocaml_failure(f"Expected int64, got '{show(value)}'")
    try:
        return parse_integer(value)
    except ValueError:
        raise ocaml_failure("Int64.of_string") from None


def _float(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not _is_text(value):
        raise ocaml_failure(f"Expected float, got '{show(value)}'")
    try:
        return float(value)
    except ValueError:
        raise ocaml_failure("float_of_string") from None


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ocaml_failure(f"Expected bool, got '{show(value)}'")


def _datetime(value: Any) -> float:
    if not isinstance(value, str) or isinstance(value, Base64):
        raise ocaml_failure("Date.t_of_rpc")
    try:
        return parse_time(value)
    except ValueError:
        raise internal(f"Invalid argument: Clock__Date.of_iso8601: {value}") from None


def from_wire(kind: Type, value: Any) -> Any:
    """The value as it is kept. Raises Failure with XAPI's text when its type does not fit."""
    if kind.kind in ("string", "ref"):
        return _string(value)
    if kind.kind == "int":
        return _integer(value)
    if kind.kind == "bool":
        return _boolean(value)
    if kind.kind == "float":
        return _float(value)
    if kind.kind == "datetime":
        return _datetime(value)
    if kind.kind == "enum":
        return _word(kind, value)
    if kind.kind == "set":
        return _set(kind, value)
    if kind.kind == "map":
        return _map(kind, value)
    return _record(kind, value)


def _word(kind: Type, value: Any) -> str:
    word = kind.words.get(value.lower()) if isinstance(value, str) else None
    if word is None:
        raise ocaml_failure("Unknown tag/contents")
    return word


def _set(kind: Type, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ocaml_failure(f"Expecting Rpc.Enum, but found '{show(value)}'")
    assert kind.item
    return [from_wire(kind.item, item) for item in value]


def _map(kind: Type, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ocaml_failure(f"Expecting Rpc.Dict, but found '{show(value)}'")
    assert kind.key and kind.item
    return {str(from_wire(kind.key, key)): from_wire(kind.item, item) for key, item in value.items()}


class Members(dict[str, Any]):
    """The members of a constructor's argument; `given` are those that the client named, the others have defaults."""

    given: frozenset[str] = frozenset()


def _record(kind: Type, value: Any) -> Members:
    if not isinstance(value, dict):
        raise ocaml_failure("bad __structure")
    record = Members()
    record.given = frozenset(value)
    for name, (member, required, default) in kind.members.items():
        if name in value:
            record[name] = from_wire(member, value[name])
        elif required:
            raise internal(f'Server_helpers.Dispatcher_FieldNotFound("{name}")')
        else:
            record[name] = copied(default)
    return record


def copied(value: Any) -> Any:
    """A copy of a kept value deep enough that changing one does not change the other."""
    if isinstance(value, dict):
        # nearly all items are text, which need not be copied
        return {key: item if type(item) is str else copied(item) for key, item in value.items()} if value else {}
    if isinstance(value, list):
        return [item if type(item) is str else copied(item) for item in value] if value else []
    return value


def empty(kind: Type) -> Any:
    """The value that a field without default has before it is set."""
    if kind.kind in ("string", "int", "bool", "float"):
        return {"string": "", "int": 0, "bool": False, "float": 0.0}[kind.kind]
    if kind.kind == "ref":
        return NULL
    if kind.kind == "datetime":
        return 0.0
    if kind.kind == "enum":
        return next(iter(kind.words.values()), "")
    return [] if kind.kind == "set" else {}


def check_kept(kind: Type, value: Any) -> Any:
    """A default of the schema file as it is kept (times are text there)."""
    if kind.kind == "datetime" and isinstance(value, str):
        return parse_time(value)
    if kind.kind == "float":
        return float(value)
    return copied(value)
