# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk as it is: all its bytes from the first on, or in XAPI's own framing of the written parts."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

from lab.storage import BLOCK_SIZE, Extent
from lab.transfers.body import Body
from lab.transfers.request import Transfer

#: Offset and length of a chunk, little-endian.
CHUNK_HEADER = struct.Struct("<QI")


async def whole(transfer: Transfer, size: int) -> AsyncIterator[Extent]:
    """The body from offset 0 on; without a length it is as long as the disk. Raises EOFError when it is short."""
    expected = size if transfer.body.length is None else transfer.body.length
    offset = 0
    while offset < expected:
        data = await transfer.body.exactly(min(BLOCK_SIZE, expected - offset))
        yield Extent(offset, data)
        offset += len(data)
        transfer.progress(offset / expected)


async def chunks(body: Body) -> AsyncIterator[Extent]:
    """Chunks of offset, length and data, ended by one of offset 0 and length 0. Raises EOFError."""
    while True:
        offset, length = CHUNK_HEADER.unpack(await body.exactly(CHUNK_HEADER.size))
        if offset == 0 and length == 0:
            return
        while length:
            piece = await body.exactly(min(length, BLOCK_SIZE))
            yield Extent(offset, piece)
            offset, length = offset + len(piece), length - len(piece)
