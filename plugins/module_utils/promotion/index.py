# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive of a promotion says of itself: its last member, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping

from ..layers.entry import Entry, Type

FORMAT = 1
NAME = "skinnybox.json"


class ArchiveUnusable(Exception):
    """The file is no archive of a promotion, or a damaged one; the message says so."""


@dataclass(frozen=True, slots=True)
class State:
    """What is at a path."""

    entry: Entry
    sha256: str | None = None  # of files


@dataclass(frozen=True, slots=True)
class Item:
    """A path that is promoted."""

    now: State
    was: State | None  # in the instance's master
    link: str | None = None  # the first name of the same file
    allocated: int = 0  # bytes that the file took on the instance's disk


@dataclass(frozen=True)
class Index:
    """All that an archive holds."""

    master_id: str
    hostname: str
    items: Mapping[str, Item] = field(default_factory=dict)  # by path, parents first
    deletions: Mapping[str, State] = field(default_factory=dict)  # what the master has, deepest first
    scrubbed: Mapping[str, str] = field(default_factory=dict)  # reason by path
    master_accounts: Mapping[str, str] = field(default_factory=dict)  # text by path
    instance_accounts: Mapping[str, str] = field(default_factory=dict)


def to_json(index: Index) -> bytes:
    """The index as the archive has it; the same for the same index."""
    data = asdict(index, dict_factory=_plain)
    return json.dumps({"format": FORMAT, **data}, separators=(",", ":")).encode()


def from_json(text: bytes) -> Index:
    """Read an index. Raises ArchiveUnusable."""
    try:
        data = json.loads(text)
        if data.pop("format") != FORMAT:
            raise ArchiveUnusable("The archive was made by another version of Skinnybox, in a format not known here.")
        for name, make in (("items", _item), ("deletions", _state)):
            data[name] = {path: make(value) for path, value in data[name].items()}
        return Index(**data)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ArchiveUnusable(f"The archive's index cannot be read: {problem}.") from problem


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Type) else _attributes(name, value) for name, value in pairs}


def _attributes(name: str, value: Any) -> Any:
    return {key: part.hex() for key, part in dict(value).items()} if name == "xattrs" else value


def _item(data: dict[str, Any]) -> Item:
    return Item(_state(data["now"]), _state(data["was"]) if data["was"] else None, data["link"], data["allocated"])


def _state(data: dict[str, Any]) -> State:
    entry = dict(data["entry"])
    entry["type"] = Type(entry["type"])
    entry["device"] = tuple(entry["device"]) if entry["device"] else None
    entry["xattrs"] = {name: bytes.fromhex(value) for name, value in entry["xattrs"].items()}
    return State(Entry(**entry), data["sha256"])
