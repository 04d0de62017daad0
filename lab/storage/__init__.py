# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the lab keeps the data of virtual disks: the interface.

A disk is named by its VDI's uuid. Data lives in layers: a snapshot turns a disk's data into a hidden base below
two empty children, as XenServer's file repositories do with VHD files.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

#: Allocation unit of a VHD (and of the lab's qcow2 files): a write of one byte takes a whole block.
BLOCK_SIZE = 2 * 1024 * 1024


#: What changed is told in pieces of this size, as in XenServer's own logs of changed blocks.
GRAIN = 64 * 1024


class DiskError(Exception):
    """A disk operation failed; the text says which disk and why."""


class DiskBusy(DiskError):
    """Somebody is using the disk in a way that does not allow the operation now."""


@dataclass(frozen=True)
class Extent:
    """Bytes to be written at a byte offset; may cross block borders and be of any length."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Shape:
    """What a disk's own layer is: its virtual size, and the disk below it (empty when there is none)."""

    size: int
    parent: str = ""


class Disks(Protocol):
    """Storage of virtual disks. Sizes and offsets are bytes. All methods raise DiskError.

    Calls for one disk never overlap, the server sees to that; calls for different disks may.
    """

    async def create(self, uuid: str, virtual_size: int) -> None:
        """Make an empty disk (reads as zeros, takes no blocks)."""

    async def destroy(self, uuid: str) -> None:
        """Free the disk's own layer; never called while another disk has it as base. Missing disk: no error."""

    async def snapshot(self, source: str, base: str, child: str) -> None:
        """Turn source's data into base; source and child become empty children of it.

        Also used for clone. A running guest may hold source open read-write (it must then be switched
        over to the new layer) or read-only.
        """

    async def clone(self, parent: str, child: str) -> None:
        """Make child an empty child of parent, a base that snapshot() made earlier."""

    async def copy(self, source: str, target: str) -> None:
        """Write all data of source (with its bases) to target, which exists and is at least as large."""

    async def resize(self, uuid: str, virtual_size: int) -> None:
        """Grow the disk."""

    async def write(self, uuid: str, extents: AsyncIterable[Extent]) -> None:
        """Write extents as they come, in any order; what they leave out keeps its content.

        Blocks that are all zeros and were never touched need not be allocated.
        """

    def read(self, uuid: str) -> AsyncIterator[bytes]:
        """The whole disk as a stream of chunks of any size, from byte 0 to the end (an async generator)."""
        raise NotImplementedError

    async def allocated(self, uuid: str) -> int:
        """Bytes in the blocks of BLOCK_SIZE that this layer itself has touched (bases not counted)."""
        raise NotImplementedError

    async def touched(self, uuid: str) -> set[int]:
        """Numbers of the blocks of BLOCK_SIZE that this layer itself has touched (bases not counted)."""
        raise NotImplementedError

    def differences(self, uuid: str, other: str) -> AsyncIterator[Extent]:
        """What the disk holds otherwise than another one: aligned extents of GRAIN, in order (an async generator).

        Looked for in what the layers that only one of the two has have touched.
        """
        raise NotImplementedError

    async def coalesce(self, upper: str, lower: str) -> None:
        """Write upper's layer, a base, into lower, the base below it; whoever was above upper is above lower then.

        upper is gone afterwards. No other disk has lower as base. Raises DiskBusy while a guest uses them.
        """

    async def collapse(self, leaf: str) -> None:
        """Make one layer of a disk and the base below it, which no other disk has.

        The disk keeps its name, the base is gone. Raises DiskBusy while a guest uses it, or somebody writes to it.
        """

    async def existing(self) -> set[str]:
        """uuids of all disks that are there, bases included."""
        raise NotImplementedError

    async def shapes(self) -> dict[str, Shape]:
        """Size and parent of all disks that are there, by uuid."""
        raise NotImplementedError

    async def keep_note(self, uuid: str, kind: str, text: str) -> None:
        """Keep a text beside the disks, under a uuid and the kind of note that it is (one word)."""

    async def drop_note(self, uuid: str, kind: str) -> None:
        """Remove a note; a missing one: no error."""

    async def notes(self, kind: str) -> dict[str, str]:
        """All notes of a kind, by uuid."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of what is open; the disks stay."""
