# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive in which XAPI moves VMs: a tar file of ova.xml and, for each disk, a directory of numbered parts.

A part has 1 MiB and is followed by a file with its checksum. Parts of nothing but zeros are left out, except for the
first and the last.
"""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator
from typing import Protocol

from lab.storage import Disks, Extent
from lab.transfers.checksums import XXHASH, checksum
from lab.transfers.pieces import pieces

OVA = "ova.xml"
PART = 1 << 20
BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
#: Longest file that is read as a whole.
LONGEST = 64 * PART


class BadArchive(Exception):
    """The stream is no archive as it should be; the text says why."""


class ChecksumFailed(BadArchive):
    """A part is not what its checksum says."""


class Reader(Protocol):
    """What an archive is read from."""

    async def exactly(self, count: int) -> bytes:
        raise NotImplementedError

    async def skip(self, count: int) -> None:
        raise NotImplementedError


def _padding(size: int) -> int:
    return -size % BLOCK


def entry(name: str, data: bytes) -> bytes:
    """A file in the archive."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(_padding(len(data)))


async def disk(disks: Disks, uuid: str, size: int, directory: str, end: bool = False) -> AsyncIterator[bytes]:
    """The parts of a disk of that size, with their checksums; with end also the end of the archive."""
    last = -(-size // PART) - 1
    zeros, number = bytes(PART), 0
    async for data in pieces(disks.read(uuid), PART):
        if number in (0, last) or data != zeros:
            name = f"{directory}{number:08d}"
            yield entry(name, data) + entry(name + XXHASH, checksum(XXHASH, data).encode())
        number += 1
    if end:
        yield END


class TarReader:
    """The files of an archive, one after the other."""

    def __init__(self, source: Reader) -> None:
        self._source = source

    async def header(self) -> tarfile.TarInfo | None:
        """The next file's header; None at the end of the archive. Raises BadArchive, EOFError."""
        block = await self._source.exactly(BLOCK)
        if not any(block):
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        except tarfile.HeaderError as error:
            raise BadArchive(f"a damaged header: {error}") from error
        if info.size > LONGEST:
            raise BadArchive(f"{info.name} has {info.size} bytes")
        return info

    async def data(self, info: tarfile.TarInfo) -> bytes:
        """The content of the file whose header was read last. Raises EOFError."""
        data = await self._source.exactly(info.size)
        await self._source.skip(_padding(info.size))
        return data

    async def file(self) -> tuple[str, bytes]:
        """The next file. Raises BadArchive, EOFError."""
        info = await self.header()
        if info is None:
            raise EOFError("the archive ends too early")
        return info.name, await self.data(info)


async def extents(reader: TarReader, directory: str, size: int, force: bool = False) -> AsyncIterator[Extent]:
    """The parts of a disk of that size. With force, wrong checksums are ignored. Raises BadArchive, EOFError."""
    offset, last, usual = 0, -1, 0
    while offset < size:
        name, data = await reader.file()
        number = _number(name, directory)
        if number <= last:
            raise BadArchive(f"{name} comes too late")
        usual = usual or len(data)
        offset += (number - last - 1) * usual
        await _check(reader, name, data, force)
        yield Extent(offset, data)
        offset, last = offset + len(data), number


def _number(name: str, directory: str) -> int:
    digits = name.removeprefix(directory)
    if not name.startswith(directory) or not digits.isdigit():
        raise BadArchive(f"{name} is no part of {directory}")
    return int(digits)


async def _check(reader: TarReader, name: str, data: bytes, force: bool) -> None:
    """Compare a part with the checksum that follows it."""
    checksum_name, text = await reader.file()
    try:
        expected = checksum(checksum_name.removeprefix(name), data)
    except ValueError as error:
        raise BadArchive(f"{checksum_name} is no checksum of {name}") from error
    if text.decode("latin-1") != expected and not force:
        raise ChecksumFailed(f"Block {name} checksum failed: original = {text!r}; recomputed = {expected}")
