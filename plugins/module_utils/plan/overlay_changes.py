# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a halted instance's overlay besides growing it: items of a change. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.records import Disk, StorageRepository
from .storage import Space, empty_cost, first_cost, full_cost


@dataclass(frozen=True)
class ResetOverlay:
    """A fresh overlay in the place of this one, with the same identity."""

    disk: Disk
    sr: StorageRepository
    live: bool = False

    def text(self) -> str:
        return "overlay made anew, its identity kept"

    def space(self) -> Space:
        """What it takes while both are there."""
        return Space(self.sr, first_cost(self.sr.type, self.disk.size), full_cost(self.sr.type, self.disk.size))


@dataclass(frozen=True)
class RevertOverlay:
    """A copy of a snapshot in the place of the overlay."""

    disk: Disk
    snapshot: Disk
    sr: StorageRepository  # of the snapshot, and so of the copy
    live: bool = False

    def text(self) -> str:
        return f"overlay reverted to snapshot {self.snapshot.labels['snapshot']}"

    def space(self) -> Space:
        """What the copy takes: it shares with the snapshot what nobody writes anew."""
        return copy_cost(self.sr, self.disk)


@dataclass(frozen=True)
class DeleteOverlay:
    """The overlay and its snapshots are deleted, the VM stays."""

    disk: Disk
    snapshots: tuple[Disk, ...]
    live: bool = False

    def text(self) -> str:
        return "overlay deleted" + (f" with {len(self.snapshots)} snapshots" if self.snapshots else "")


def copy_cost(sr: StorageRepository, disk: Disk) -> Space:
    """What a snapshot or clone of a disk takes at once: a whole volume on thick SRs, a header elsewhere."""
    return Space(sr, empty_cost(sr.type, disk.size), full_cost(sr.type, disk.size))
