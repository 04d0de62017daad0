# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dynamic and differencing VHD files as a stream: read block by block in the order of the file, and written."""

from __future__ import annotations

import struct
import time
import uuid as uuids
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lab.storage import BLOCK_SIZE, Extent
from lab.transfers.body import Body

SECTOR = 512
FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
HEADER = struct.Struct(">8sQQIIII16sI4x512s192x256x")
FOOTER_COOKIE, HEADER_COOKIE = b"conectix", b"cxsparse"
DYNAMIC, DIFFERENCING = 3, 4
VERSION = 0x00010000
NOWHERE = 2**64 - 1
UNUSED = 2**32 - 1
#: Seconds from the epoch to the beginning of the year 2000, in which VHD counts.
EPOCH_2000 = 946684800
#: Largest disk that a VHD of blocks of 2 MiB can hold.
LARGEST = 2040 * 1024**3
BITMAP = bytes([0xFF]) * (BLOCK_SIZE // SECTOR // 8)


class NotVhd(Exception):
    """What comes is no VHD that can be read as a stream; the text says why."""


@dataclass(frozen=True)
class Layout:
    """Where a file has its blocks: block number by position, and how large they are."""

    virtual_size: int
    block_size: int
    #: (first sector of a block with its bitmap, number of the block), by position
    blocks: list[tuple[int, int]]
    #: bytes of the file that were read to know this
    read: int

    @property
    def bitmap_size(self) -> int:
        return -(-self.block_size // SECTOR // 8 // SECTOR) * SECTOR


def checksum(data: bytes) -> int:
    """One's complement of the sum of all bytes."""
    return ~sum(data) & 0xFFFFFFFF


# ---- reading


async def extents(body: Body) -> AsyncIterator[Extent]:
    """The written parts of a VHD. Raises NotVhd, EOFError."""
    layout = await read_layout(body)
    position = layout.read
    for sector, number in layout.blocks:
        start = sector * SECTOR
        if start < position:
            raise NotVhd("blocks overlap")
        await body.skip(start - position)
        bitmap = await body.exactly(layout.bitmap_size)
        data = await body.exactly(layout.block_size)
        position = start + layout.bitmap_size + layout.block_size
        for first, last in runs(bitmap, layout.block_size // SECTOR):
            offset = number * layout.block_size + first * SECTOR
            end = min((number * layout.block_size) + last * SECTOR, layout.virtual_size)
            if offset < end:
                yield Extent(offset, data[first * SECTOR : first * SECTOR + end - offset])
    await _finish(body)


async def _finish(body: Body) -> None:
    """Read what follows the last block: the footer, and whatever else was announced."""
    if body.length is None:
        await body.skip(SECTOR)
    else:
        await body.skip(max(0, body.length - body.received))


async def read_layout(body: Body) -> Layout:
    """Everything before the first block. Raises NotVhd, EOFError."""
    footer = FOOTER.unpack(await body.exactly(SECTOR))
    if footer[0] != FOOTER_COOKIE or footer[13] not in (DYNAMIC, DIFFERENCING):
        raise NotVhd("it does not begin with the footer of a dynamic disk")
    header_at, size = footer[3], footer[9]
    await body.skip(_forward(header_at - SECTOR))
    header = HEADER.unpack(await body.exactly(HEADER.size))
    if header[0] != HEADER_COOKIE:
        raise NotVhd("it has no header")
    table_at, entries, block_size = header[2], header[4], header[5]
    if block_size < SECTOR or block_size % SECTOR or entries > 1 << 24:
        raise NotVhd("its blocks are of an impossible size")
    await body.skip(_forward(table_at - header_at - HEADER.size))
    table = struct.unpack(f">{entries}I", await body.exactly(entries * 4))
    blocks = sorted((sector, number) for number, sector in enumerate(table) if sector != UNUSED)
    return Layout(size, block_size, blocks, table_at + entries * 4)


def _forward(count: int) -> int:
    """A stream cannot go back."""
    if count < 0 or count > 1 << 40:
        raise NotVhd("its parts are in another order than a stream can have")
    return count


def runs(bitmap: bytes, sectors: int) -> list[tuple[int, int]]:
    """The stretches of sectors that a bitmap marks as written, as (first, one after the last)."""
    if bitmap[: sectors // 8] == b"\xff" * (sectors // 8):
        return [(0, sectors)]
    found, first = [], -1
    for sector in range(sectors):
        written = bool(bitmap[sector >> 3] & (0x80 >> (sector & 7)))
        if written and first < 0:
            first = sector
        elif not written and first >= 0:
            found.append((first, sector))
            first = -1
    return [*found, (first, sectors)] if first >= 0 else found


# ---- writing


def footer(size: int, kind: int, uuid: str) -> bytes:
    """The footer, which also comes first."""
    fields: list[object] = [
        FOOTER_COOKIE, 2, VERSION, SECTOR, int(time.time()) - EPOCH_2000, b"tap\0", 0x00010003, b"\0\0\0\0", size, size,
        *_geometry(size), kind, 0, uuids.UUID(uuid).bytes, 0,
    ]  # fmt: skip
    fields[14] = checksum(FOOTER.pack(*fields))
    return FOOTER.pack(*fields)


def header(blocks: int, parent: str) -> bytes:
    """The header of a disk of so many blocks; parent is the uuid of the disk that it differs from, or empty."""
    name = f"{parent}.vhd".encode("utf-16-be") if parent else b""
    unique = uuids.UUID(parent).bytes if parent else bytes(16)
    fields: list[object] = [
        HEADER_COOKIE, NOWHERE, SECTOR + HEADER.size, VERSION, blocks, BLOCK_SIZE, 0, unique, 0, name,
    ]  # fmt: skip
    fields[6] = checksum(HEADER.pack(*fields))
    return HEADER.pack(*fields)


def _geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads, sectors a track, computed as the VHD specification has it."""
    sectors = min(size // SECTOR, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        track, heads = 255, 16
        return sectors // track // heads, heads, track
    track = 17
    per_heads = sectors // track
    heads = max(4, (per_heads + 1023) // 1024)
    if per_heads >= heads * 1024 or heads > 16:
        track, heads = 31, 16
        per_heads = sectors // track
    if per_heads >= heads * 1024:
        track, heads = 63, 16
        per_heads = sectors // track
    return per_heads // heads, heads, track


def table(blocks: int, written: list[int]) -> bytes:
    """The block allocation table of a file that has the written blocks one after the other behind it."""
    size = -(-blocks * 4 // SECTOR) * SECTOR
    first = (SECTOR + HEADER.size + size) // SECTOR
    each = (len(BITMAP) + BLOCK_SIZE) // SECTOR
    places = {number: first + position * each for position, number in enumerate(written)}
    entries = [places.get(number, UNUSED) for number in range(blocks)]
    return struct.pack(f">{blocks}I", *entries).ljust(size, b"\xff")
