# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The body of an upload: with a length, or without any."""

from __future__ import annotations

from aiohttp import ClientPayloadError, web

from lab.unbounded import MARK


class Body:
    """Bytes that a client sends."""

    def __init__(self, request: web.Request) -> None:
        self._content = request.content
        #: bytes announced, None when the client did not say
        self.length = None if MARK in request.headers else request.content_length
        self.encoding = request.headers.get("Transfer-Encoding")
        self.received = 0

    async def some(self, most: int) -> bytes:
        """What is there, up to so many bytes; empty at the end."""
        try:
            data = await self._content.read(most)
        except (ClientPayloadError, ConnectionError):
            # the connection has ended
            return b""
        self.received += len(data)
        return data

    async def exactly(self, count: int) -> bytes:
        """So many bytes. Raises EOFError when the body ends before."""
        data = bytearray()
        while len(data) < count:
            piece = await self.some(count - len(data))
            if not piece:
                raise EOFError(f"the body ended {count - len(data)} bytes early")
            data += piece
        return bytes(data)

    async def skip(self, count: int) -> None:
        """Read so many bytes and forget them. Raises EOFError."""
        while count:
            count -= len(await self.exactly(min(count, 1 << 20)))
