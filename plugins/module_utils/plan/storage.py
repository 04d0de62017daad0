# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks cost on their SR, by its type. Pure.

Figures of XenServer's storage manager: dynamic VHD on file SRs, thick logical volumes on LVM SRs (4 329 472 bytes
and 4096 bytes a 2 MiB block on top, rounded up to 4 MiB).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..model.records import StorageRepository
from .sizes import MIB

_BLOCK = 2 * MIB
_LVM_FIXED = 4_329_472
_LVM_EXTENT = 4 * MIB

#: What a fresh instance's overlay takes on a file SR after its first boot, at most.
FRESH_OVERLAY = 32 * MIB

THICK_TYPES = frozenset({"lvm", "lvmoiscsi", "lvmohba", "lvmofcoe"})


def full_cost(sr_type: str, size: int) -> int:
    """Bytes that a disk of `size` bytes takes when every block of it is written."""
    blocks = -(-size // _BLOCK)
    if sr_type in THICK_TYPES:
        return -(-(_LVM_FIXED + blocks * (_BLOCK + 4096)) // _LVM_EXTENT) * _LVM_EXTENT
    return blocks * (_BLOCK + 512) + blocks * 4 + 4096


def empty_cost(sr_type: str, size: int) -> int:
    """Bytes that a disk with hardly anything on it takes: all of it on thick SRs, the block of its header elsewhere."""
    return full_cost(sr_type, size if sr_type in THICK_TYPES else _BLOCK)


def first_cost(sr_type: str, size: int) -> int:
    """Bytes that a fresh overlay takes: all of it on thick SRs, what is touched elsewhere."""
    return full_cost(sr_type, size) if sr_type in THICK_TYPES else min(FRESH_OVERLAY, full_cost(sr_type, size))


@dataclass(frozen=True)
class Space:
    """Bytes that something takes on an SR: at once, and when every block of it is written."""

    sr: StorageRepository
    now: int
    at_most: int


def total(spaces: Iterable[Space]) -> tuple[Space, ...]:
    """The same with one entry an SR, in the order in which the SRs come."""
    found: dict[str, Space] = {}
    for space in spaces:
        before = found.get(space.sr.ref, Space(space.sr, 0, 0))
        found[space.sr.ref] = Space(space.sr, before.now + space.now, before.at_most + space.at_most)
    return tuple(found.values())
