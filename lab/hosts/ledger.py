# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the VMs of each host take of its memory: sums that follow every change, so that nobody has to add up."""

from __future__ import annotations

from dataclasses import dataclass

from lab.database import Database, Record
from lab.values import NULL


@dataclass(frozen=True)
class Load:
    """Memory of VMs in bytes: what the host spends beside them, and the limits of their own."""

    overhead: int = 0
    static_max: int = 0
    dynamic_max: int = 0
    dynamic_min: int = 0

    def __add__(self, other: Load) -> Load:
        return self._joined(other, 1)

    def __sub__(self, other: Load) -> Load:
        return self._joined(other, -1)

    def _joined(self, other: Load, sign: int) -> Load:
        return Load(
            self.overhead + sign * other.overhead,
            self.static_max + sign * other.static_max,
            self.dynamic_max + sign * other.dynamic_max,
            self.dynamic_min + sign * other.dynamic_min,
        )


NOTHING = Load()


def load_of(record: Record) -> Load:
    """What one VM takes."""
    return Load(
        record["memory_overhead"], record["memory_static_max"], record["memory_dynamic_max"],
        record["memory_dynamic_min"],
    )  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """Where a VM counts: on the host it is on, and on the one that keeps memory for it."""

    resident_on: str
    scheduled_on: str
    load: Load

    @property
    def hosts(self) -> list[str]:
        """A VM that moves within its host counts twice there."""
        return [host for host in (self.resident_on, self.scheduled_on) if host != NULL]


class Ledger:
    """The sums of one pool."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sums: dict[str, Load] = {}
        self._entries: dict[str, Entry] = {}
        database.listeners.append(self._note)

    def rebuild(self) -> None:
        """Begin anew, after the database was filled from a file."""
        self._sums.clear()
        self._entries.clear()
        for record in self._database.all("VM"):
            self._note("VM", record.ref)

    def on(self, host: str, ignored: str = "") -> Load:
        """What all VMs on the host take, and those that are coming there but for the ignored one."""
        total = self._sums.get(host, NOTHING)
        entry = self._entries.get(ignored)
        return total - entry.load if entry and entry.scheduled_on == host else total

    def _note(self, cls: str, ref: str) -> None:
        if cls != "VM":
            return
        record = self._database.find(cls, ref)
        old, new = self._entries.pop(ref, None), None
        if record and (record["resident_on"] != NULL or record["scheduled_to_be_resident_on"] != NULL):
            new = Entry(record["resident_on"], record["scheduled_to_be_resident_on"], load_of(record))
            self._entries[ref] = new
        if old == new:
            return
        if old:
            for host in old.hosts:
                self._sums[host] -= old.load
        if new:
            for host in new.hosts:
                self._sums[host] = self._sums.get(host, NOTHING) + new.load
