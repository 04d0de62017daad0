# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of a pool: records, references, relations kept at both ends, and what changed when.

Every change gets a number from one counter, the generation. event.from and waiting calls read changes by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lab.errors import Failure
from lab.schema import Class, Schema
from lab.values import NULL, copied

#: Deletions that event.from can still tell, for each class.
REMEMBERED_DELETIONS = 512
#: Where a uuid says of which kind it is, and what a random one has there.
VERSION_BITS, RANDOM_VERSION = (0xF << 76) | (3 << 62), (4 << 76) | (2 << 62)


@dataclass(slots=True)
class Record:
    """One object. Its fields are changed only through the database."""

    cls: str
    ref: str
    fields: dict[str, Any]
    created: int
    modified: int
    #: the record as it goes over the wire, made when first asked for after a change
    dumped: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@dataclass
class Table:
    """The objects of one class. `order` has the references by last change, the newest last."""

    records: dict[str, Record] = field(default_factory=dict)
    by_uuid: dict[str, str] = field(default_factory=dict)
    order: dict[str, None] = field(default_factory=dict)
    #: reference, generation of its creation, generation of its deletion
    deleted: list[tuple[str, int, int]] = field(default_factory=list)


class Blank:
    """The fields of a new object of a class, with their defaults."""

    def __init__(self, definition: Class) -> None:
        self._defaults = {name: known.default for name, known in definition.fields.items()}
        #: what must not be shared among objects: how to make it anew
        self._containers: list[tuple[str, Callable[[], Any]]] = [
            (name, type(value) if not value else partial(copied, value))
            for name, value in self._defaults.items()
            if isinstance(value, (dict, list))
        ]

    def filled(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The defaults with some fields of the object's own; members that are no fields are left out."""
        values = dict(self._defaults)
        for name, make in self._containers:
            values[name] = make()
        for name, value in fields.items():
            if name in values:
                values[name] = copied(value) if isinstance(value, (dict, list)) else value
        return values


class Database:
    """All tables. Not thread-safe: everything runs in one event loop, and a change is complete between awaits."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.generation = 1
        self.tables = {name: Table() for name in schema.classes}
        #: called with (class, ref) after each change of a record, and of its deletion
        self.listeners: list[Callable[[str, str], None]] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._blanks = {name: Blank(definition) for name, definition in schema.classes.items()}
        self._relations: dict[str, list[tuple[str, str, str]]] = {name: [] for name in schema.classes}
        for (cls, name), (other_cls, other_name) in schema.relations.items():
            self._relations[cls].append((name, other_cls, other_name))

    # ---- reading

    def get(self, cls: str, ref: str) -> Record:
        """The object. Raises HANDLE_INVALID."""
        record = self.tables[cls].records.get(ref)
        if record is None:
            raise Failure("HANDLE_INVALID", cls, ref)
        return record

    def find(self, cls: str, ref: str) -> Record | None:
        return self.tables[cls].records.get(ref)

    def exists(self, cls: str, ref: str) -> bool:
        return ref in self.tables[cls].records

    def by_uuid(self, cls: str, uuid: str) -> str:
        """Its reference. Raises UUID_INVALID."""
        ref = self.tables[cls].by_uuid.get(uuid)
        if ref is None:
            raise Failure("UUID_INVALID", cls, uuid)
        return ref

    def all(self, cls: str) -> Iterator[Record]:
        """All objects of a class; it is safe to change the database on the way."""
        return iter(list(self.tables[cls].records.values()))

    def where(self, cls: str, **fields: Any) -> list[Record]:
        """The objects whose fields have these values."""
        found: Iterable[Record] = self.tables[cls].records.values()
        for name, value in fields.items():
            found = [record for record in found if record.fields[name] == value]
        return list(found)

    # ---- writing

    def create(self, cls: str, fields: dict[str, Any], ref: str | None = None) -> str:
        """Make an object; fields that are left out get their default, an empty or missing uuid a new one."""
        is_new = ref is None
        ref = ref or f"OpaqueRef:{new_uuid()}"
        values = self._blanks[cls].filled(fields)
        if "uuid" in values and not fields.get("uuid"):
            values["uuid"] = new_uuid()
        generation = self._next()
        table = self.tables[cls]
        record = Record(cls, ref, values, generation, generation)
        table.records[ref] = record
        table.order[ref] = None
        if "uuid" in values:
            table.by_uuid[values["uuid"]] = ref
        for name, other_cls, other_name in self._relations[cls]:
            value = values[name]
            for other in [value] if isinstance(value, str) else value:
                self._link(other_cls, other, other_name, ref, is_new)
        self._tell(cls, ref)
        return ref

    def set(self, cls: str, ref: str, **changes: Any) -> None:
        """Change fields of an object. Values are copied; nothing happens when nothing differs."""
        record = self.get(cls, ref)
        changes = {name: value for name, value in changes.items() if record.fields[name] != value}
        if not changes:
            return
        for name, other_cls, other_name in self._relations[cls]:
            if name in changes:
                self._join(record, name, other_cls, other_name, record.fields[name], changes[name])
        if "uuid" in changes:
            by_uuid = self.tables[cls].by_uuid
            by_uuid.pop(record.fields["uuid"], None)
            by_uuid[changes["uuid"]] = ref
        for name, value in changes.items():
            record.fields[name] = copied(value)
        self._touch(record)

    def put(self, cls: str, ref: str, name: str, key: str, value: Any) -> None:
        """Set one key of a map."""
        self.set(cls, ref, **{name: {**self.get(cls, ref)[name], key: value}})

    def drop(self, cls: str, ref: str, name: str, key: str) -> None:
        """Remove one key of a map, if it is there."""
        self.set(cls, ref, **{name: {k: v for k, v in self.get(cls, ref)[name].items() if k != key}})

    def delete(self, cls: str, ref: str) -> None:
        """Remove an object from its table and from the sets of its relations. References to it elsewhere stay."""
        record = self.get(cls, ref)
        table = self.tables[cls]
        del table.records[ref]
        table.order.pop(ref, None)
        table.by_uuid.pop(record.fields.get("uuid", ""), None)
        for name, other_cls, other_name in self._relations[cls]:
            value = record.fields[name]
            if isinstance(value, str):
                self._join(record, name, other_cls, other_name, value, NULL)
        table.deleted.append((ref, record.created, self._next()))
        del table.deleted[:-REMEMBERED_DELETIONS]
        self._tell(cls, ref)

    def touch(self, cls: str, ref: str) -> None:
        """Count the object as changed though no field is."""
        self._touch(self.get(cls, ref))

    # ---- waiting

    async def changed(self, timeout: float) -> bool:
        """Wait until anything changes; False when nothing did within timeout seconds."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    # ---- inner

    def _next(self) -> int:
        self.generation += 1
        return self.generation

    def _touch(self, record: Record) -> None:
        record.modified = self._next()
        record.dumped.clear()
        order = self.tables[record.cls].order
        order.pop(record.ref, None)
        order[record.ref] = None
        self._tell(record.cls, record.ref)

    def _tell(self, cls: str, ref: str) -> None:
        for listener in self.listeners:
            listener(cls, ref)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _join(self, record: Record, name: str, other_cls: str, other_name: str, old: Any, new: Any) -> None:
        """Bring the other end of a relation in step with this end going from old to new."""
        before = [old] if isinstance(old, str) else old
        after = [new] if isinstance(new, str) else new
        for ref in before:
            if ref not in after:
                self._unlink(other_cls, ref, other_name, record.ref)
        for ref in after:
            if ref not in before:
                self._link(other_cls, ref, other_name, record.ref)

    def _link(self, cls: str, ref: str, name: str, target: str, is_new: bool = False) -> None:
        """Enter target in a set of the other object. A new reference cannot be there, which saves a search."""
        other = self.tables[cls].records.get(ref)
        known = other.fields[name] if other else None
        if other and isinstance(known, list) and (is_new or target not in known):
            other.fields[name] = [*known, target]
            self._touch(other)

    def _unlink(self, cls: str, ref: str, name: str, target: str) -> None:
        other = self.find(cls, ref)
        if other and isinstance(other.fields[name], list) and target in other.fields[name]:
            other.fields[name] = [item for item in other.fields[name] if item != target]
            self._touch(other)

    # ---- keeping

    def dump(self) -> dict[str, Any]:
        """Everything that a later load() needs, as plain data."""
        return {
            "generation": self.generation,
            "tables": {
                cls: {ref: record.fields for ref, record in table.records.items()} for cls, table in self.tables.items()
            },
        }

    def load(self, data: dict[str, Any]) -> None:
        """Fill an empty database with what dump() made. Fields unknown now are left out, new ones get a default."""
        self.generation = int(data["generation"]) + 1
        for cls, found in data["tables"].items():
            if cls not in self.tables:
                continue
            table, definition = self.tables[cls], self.schema.classes[cls]
            for ref, stored in found.items():
                fields = _complete(definition, stored)
                table.records[ref] = Record(cls, ref, fields, self.generation, self.generation)
                table.order[ref] = None
                with contextlib.suppress(KeyError):
                    table.by_uuid[fields["uuid"]] = ref


def _complete(definition: Class, stored: dict[str, Any]) -> dict[str, Any]:
    return {name: copied(stored.get(name, known.default)) for name, known in definition.fields.items()}


def new_uuid() -> str:
    """A random uuid; made by hand, for the library's takes most of the time that a small object does."""
    number = random.getrandbits(128) & ~VERSION_BITS | RANDOM_VERSION
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
