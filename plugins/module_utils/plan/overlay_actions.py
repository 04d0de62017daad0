# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on overlay disks and their snapshots that no VM needs to be halted for. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.records import Disk, StorageRepository
from .action import BaseAction, OnInstance
from .overlay_changes import copy_cost
from .sizes import show_size
from .storage import THICK_TYPES, Space, full_cost


@dataclass(frozen=True)
class TakeSnapshot(OnInstance):
    """Take a snapshot of an instance's overlay; of a running one as if its power had failed."""

    disk: Disk
    snapshot: str  # its name
    sr: StorageRepository

    def space(self) -> tuple[Space, ...]:
        return (copy_cost(self.sr, self.disk),)

    def objects(self) -> tuple[str, ...]:
        return (self.disk.uuid,)

    def text(self) -> str:
        return f"snapshot {self.snapshot} of its overlay is taken"


@dataclass(frozen=True)
class RemoveSnapshot(BaseAction):
    """Delete a snapshot of an overlay."""

    disk: Disk
    sign = "-"

    @property
    def name(self) -> str:
        return self.disk.labels["name"]

    def objects(self) -> tuple[str, ...]:
        return (self.disk.uuid,)

    def text(self) -> str:
        return f"snapshot {self.disk.labels['snapshot']} of its overlay is deleted"


@dataclass(frozen=True)
class GrowKept(BaseAction):
    """Grow an overlay that has no VM; ``size`` in bytes."""

    disk: Disk
    size: int
    sr: StorageRepository

    @property
    def name(self) -> str:
        return self.disk.labels["name"]

    def space(self) -> tuple[Space, ...]:
        more = full_cost(self.sr.type, self.size) - full_cost(self.sr.type, self.disk.size)
        return (Space(self.sr, more if self.sr.type in THICK_TYPES else 0, more),)

    def objects(self) -> tuple[str, ...]:
        return (self.disk.uuid,)

    def text(self) -> str:
        return f"overlay without a VM {show_size(self.disk.size)} -> {show_size(self.size)}"
