# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with holes in a tar file: GNU's format 1.0 within pax, which tarfile reads but does not write."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from typing import Sequence

from ..layers.extents import Extent, data_extents, has_holes

_BLOCK = 512
_PIECE = 1 << 20


def extents_of(descriptor: int, size: int) -> list[Extent] | None:
    """Where an open file has data; None when it has no hole."""
    if not has_holes(os.fstat(descriptor)):
        return None
    extents = list(data_extents(descriptor, size))
    return None if extents == [(0, size)] else extents


def sparse_header(member: tarfile.TarInfo, extents: Sequence[Extent]) -> bytes:
    """Make a member one with holes, and return what its data begins with: where the pieces belong."""
    headers = {"major": "1", "minor": "0", "name": member.name, "realsize": str(member.size)}
    member.pax_headers = {**member.pax_headers, **{f"GNU.sparse.{key}": value for key, value in headers.items()}}
    # Short and plain, so that no other header tells a name, too.
    member.name = f"GNUSparseFile.0/{hashlib.sha256(os.fsencode(member.name)).hexdigest()[:20]}"
    # The last piece is empty, and tells the size.
    numbers = [number for extent in [*extents, (member.size, 0)] for number in extent]
    text = "".join(f"{number}\n" for number in (len(extents) + 1, *numbers)).encode()
    return text.ljust(-(-len(text) // _BLOCK) * _BLOCK, b"\0")


def reader_of(file: io.FileIO, member: tarfile.TarInfo) -> Extents:
    """What is to be written for a member that is this file with this size; holes make it a member with holes."""
    size = member.size
    extents = extents_of(file.fileno(), size)
    header = b""
    if extents is None:
        extents = [(0, size)]
    else:
        header = sparse_header(member, extents)
    member.size = len(header) + sum(length for _start, length in extents)
    return Extents(file, header, extents, size)


class Extents(io.RawIOBase):
    """A header and then pieces of a file, as one stream that ends early when the file is too short."""

    def __init__(self, file: io.FileIO, header: bytes, extents: Sequence[Extent], size: int) -> None:
        self._file = file
        self._header = header
        self._left = list(extents)
        self._size = size
        self._digest = hashlib.sha256()
        self._position = 0  # in the file, up to which the checksum is made
        self.is_short = False

    def readable(self) -> bool:
        """As io says."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As io says."""
        if self._header:
            piece, self._header = self._header[: len(buffer)], self._header[len(buffer) :]
        else:
            piece = self._next(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def sha256(self) -> str:
        """Checksum of the whole file, with its holes, once all of it is read."""
        self._zeros(self._size)
        return self._digest.hexdigest()

    def _next(self, most: int) -> bytes:
        while self._left:
            start, length = self._left[0]
            if length:
                break
            self._left.pop(0)
        else:
            return b""
        piece = os.pread(self._file.fileno(), min(length, most), start)
        self.is_short = self.is_short or not piece
        self._zeros(start)
        self._digest.update(piece)
        self._position = start + len(piece)
        self._left[0] = (self._position, length - len(piece))
        return piece

    def _zeros(self, until: int) -> None:
        while self._position < until:
            length = min(until - self._position, _PIECE)
            self._digest.update(bytes(length))
            self._position += length
