# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Streams of bytes: cut into pieces of one size, read by count, compressed and uncompressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: zlib's word for data in a gzip file.
GZIP = 31
PART = 1 << 20


class Damaged(Exception):
    """Compressed data that cannot be read; the text says why."""


async def pieces(parts: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same bytes in pieces of that size; the last may be shorter."""
    pending = bytearray()
    async for part in parts:
        pending += part
        while len(pending) >= size:
            yield bytes(pending[:size])
            del pending[:size]
    if pending:
        yield bytes(pending)


class Source:
    """Bytes to be read by count from a stream of parts of any size."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts, self._pending = parts, bytearray()

    async def exactly(self, count: int) -> bytes:
        """So many bytes. Raises EOFError when the stream ends before."""
        while len(self._pending) < count:
            try:
                self._pending += await self._parts.__anext__()
            except StopAsyncIteration:
                raise EOFError(f"{count - len(self._pending)} bytes are missing at the end") from None
        data = bytes(self._pending[:count])
        del self._pending[:count]
        return data

    async def skip(self, count: int) -> None:
        """Read so many bytes and forget them. Raises EOFError."""
        while count:
            count -= len(await self.exactly(min(count, PART)))


async def uncompressed(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The content of a stream, whether it is compressed (gzip, zstd) or not. Raises Damaged."""
    first = b""
    async for part in parts:
        first += part
        if len(first) >= len(ZSTD_MAGIC):
            break
    whole = _joined(first, parts)
    if first.startswith(GZIP_MAGIC):
        whole = _gunzipped(whole)
    elif first.startswith(ZSTD_MAGIC):
        whole = _through(whole, "zstd", "-d", "-c", "-q")
    async for part in whole:
        yield part


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


async def _gunzipped(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    engine = zlib.decompressobj(GZIP)
    try:
        async for part in parts:
            while part:
                yield engine.decompress(part, PART)
                part = engine.unconsumed_tail
    except zlib.error as error:
        raise Damaged(str(error)) from error
    yield engine.flush()


async def gzipped(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream as a gzip file."""
    engine = zlib.compressobj(1, zlib.DEFLATED, GZIP)
    async for part in parts:
        data = engine.compress(part)
        if data:
            yield data
    yield engine.flush()


def zstd(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream as a zstd file. Raises Damaged when the program zstd is missing."""
    return _through(parts, "zstd", "-c", "-q")


async def _through(parts: AsyncIterator[bytes], *command: str) -> AsyncIterator[bytes]:
    """What a program makes of the stream. Raises Damaged when it fails."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    except OSError as error:
        raise Damaged(f"{command[0]} is not installed") from error
    feeding = asyncio.ensure_future(_feed(process, parts))
    try:
        assert process.stdout
        while data := await process.stdout.read(PART):
            yield data
        await feeding
        if await process.wait():
            raise Damaged(f"{command[0]} failed")
    finally:
        feeding.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _feed(process: asyncio.subprocess.Process, parts: AsyncIterator[bytes]) -> None:
    assert process.stdin
    try:
        async for part in parts:
            process.stdin.write(part)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        # the program has ended early; its status tells why
        return
    finally:
        process.stdin.close()
