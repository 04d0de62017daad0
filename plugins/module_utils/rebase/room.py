# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for a new layer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Collection, Iterable

from ..layers.upper import Raw
from .decision import Action
from .engine import Decisions
from .sides import Sides

_BLOCK = 4096
#: For directories that grow, the journal and the report.
_MARGIN = 4 << 20


@dataclass(frozen=True)
class Room:
    """Bytes on a disk, and files that its inode tables can hold."""

    bytes: int
    inodes: int

    def __add__(self, other: Room) -> Room:
        return Room(self.bytes + other.bytes, self.inodes + other.inodes)


def of_copies(files: Iterable[Raw]) -> Room:
    """What copies of files take, at most."""
    return _of_layer([raw.allocated for raw in files])


def needed(sides: Sides, decisions: Decisions) -> Room:
    """What a layer of these decisions takes, at most; files with several names are counted once."""
    sizes: dict[object, int] = {}
    for decision in decisions:
        if decision.action is Action.DROP:
            continue
        _place, status = sides.source(decision)
        if decision.action is Action.WRITE or status is None:
            size = decision.entry.size if decision.entry else 0
            sizes[decision.path] = _BLOCK + _rounded(size)
            continue
        key = (status.st_dev, status.st_ino) if status.st_nlink > 1 else decision.path
        sizes[key] = status.st_blocks * 512 or 1
    return _of_layer(sizes.values())


def _of_layer(sizes: Collection[int]) -> Room:
    return Room(sum(sizes) + _MARGIN, len(sizes) + 16)


def free(directory: str) -> Room:
    """What the file system of a directory still takes."""
    status = os.statvfs(directory)
    return Room(status.f_bavail * status.f_frsize, status.f_favail)


def used(directory: str) -> Room:
    """What removing a directory gives back."""
    sizes: dict[int, int] = {}
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            status = os.lstat(f"{parent}/{name}")
            sizes[status.st_ino] = status.st_blocks * 512
    return Room(sum(sizes.values()), len(sizes))


def grow_by(wanted: Room, there: Room) -> int:
    """Bytes by which a disk must grow to hold what is wanted; 0 when it fits. An inode comes with some 16 KiB."""
    missing = max(0, wanted.bytes - there.bytes, (wanted.inodes - there.inodes) * 16384)
    return -(-missing // 2**20) * 2**20 + (16 << 20) * bool(missing)


def fits(wanted: Room, there: Room) -> bool:
    """Whether there is as much as is wanted."""
    return wanted.bytes <= there.bytes and wanted.inodes <= there.inodes


def _rounded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
