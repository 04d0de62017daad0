# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One import: what the references in the file became, how objects are made, and how they are taken away again."""

from __future__ import annotations

import contextlib
import uuid as uuids
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lab import inner
from lab.errors import Failure
from lab.transfers.metadata import Imported, Ova
from lab.values import Members
from lab.world import Call


@dataclass(frozen=True)
class Options:
    """How to import. sr is where disks go, empty when only metadata comes."""

    sr: str
    #: keep uuids and MAC addresses, replace a VM of the same uuid
    restore: bool = False
    #: go on where something is missing or damaged, clean nothing up
    force: bool = False
    dry_run: bool = False
    #: the VM comes running from another pool
    live: bool = False

    @property
    def metadata_only(self) -> bool:
        return not self.sr


class Making:
    """The objects of one import. `table` has what the references in the file became."""

    def __init__(self, call: Call, ova: Ova, options: Options) -> None:
        self.call, self.ova, self.options = call, ova, options
        self.table: dict[str, str] = {}
        self.vms: list[str] = []
        self._undo: list[Callable[[], Awaitable[None]]] = []

    async def undo(self) -> None:
        """Take away what was made, the last first."""
        for step in reversed(self._undo):
            with contextlib.suppress(Failure):
                await step()

    async def make(self, found: Imported, changes: dict[str, Any]) -> str:
        """A new object through its constructor; its end when the import fails is seen to."""
        members = self.call.world.schema.classes[found.cls].record.members
        record = Members({name: found.fields.get(name, default) for name, (_type, _needed, default) in members.items()})
        record.update(changes)
        record.given = frozenset(record)
        ref: str = await inner.call(self.call, f"{found.cls}.create", record)
        self._undo.append(lambda: self._destroy(found.cls, ref))
        self.table[found.id] = ref
        return ref

    async def _destroy(self, cls: str, ref: str) -> None:
        if not self.call.db.exists(cls, ref):
            return
        if cls == "VM":
            self.call.db.set("VM", ref, current_operations={}, power_state="Halted")
        await inner.call(self.call, f"{cls}.destroy", ref)

    def keep_uuid(self, found: Imported) -> None:
        """A restored object has the uuid that it had."""
        if self.options.restore and not self.call.db.tables[found.cls].by_uuid.get(found["uuid"]):
            self.call.db.set(found.cls, self.table[found.id], uuid=found["uuid"])

    def dummy(self, found: Imported) -> None:
        """What a dry run has in place of a new object."""
        self.table[found.id] = f"OpaqueRef:{uuids.uuid4()}"

    def lookup(self, ref: str) -> str:
        if ref not in self.table:
            raise Failure("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", ref)
        return self.table[ref]
