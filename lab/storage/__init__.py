# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the lab keeps the data of virtual disks: the interface, and the file storage repositories' arithmetic.

A disk is named by its VDI's uuid. Data lives in layers: a snapshot turns a disk's data into a hidden base below
two empty children, as XenServer's file repositories do with VHD files.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

#: Allocation unit of a VHD (and of the lab's qcow2 files): a write of one byte takes a whole block.
BLOCK_SIZE = 2 * 1024 * 1024


class DiskError(Exception):
    """A disk operation failed; the text says which disk and why."""


@dataclass(frozen=True)
class Extent:
    """Bytes to be written at a byte offset; may cross block borders and be of any length."""

    offset: int
    data: bytes


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

    async def existing(self) -> set[str]:
        """uuids of all disks that are there, bases included."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of what is open; the disks stay."""


def file_size_of_vhd(virtual_size: int, allocated: int) -> int:
    """Bytes that a dynamic VHD of that virtual size takes with so many allocated bytes.

    Footer twice, header, block allocation table of 4 bytes a block, and a 512-byte bitmap before each block.
    """
    blocks = -(-virtual_size // BLOCK_SIZE)
    touched = -(-allocated // BLOCK_SIZE)
    table = -(-blocks * 4 // 512) * 512
    return 512 + 1024 + table + touched * (BLOCK_SIZE + 512) + 512
