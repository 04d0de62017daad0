# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests whose body has no announced length.

XAPI takes an upload with neither Content-Length nor Transfer-Encoding: it reads as much as its own framing, or the
disk, asks for. HTTP libraries take such a request for one without a body. So the head of the first request of a
connection is completed here before the library sees it.
"""

from __future__ import annotations

import asyncio
import re

#: Tells the handler that the length is made up.
MARK = "x-lab-unbounded"
LONGEST_HEAD = 64 * 1024
FOREVER = 2**62
ADDED = f"content-length: {FOREVER}\r\n{MARK}: 1\r\n".encode()
LENGTH = re.compile(rb"\r\n(content-length|transfer-encoding|expect)\s*:", re.IGNORECASE)


class UnboundedBodies(asyncio.Protocol):
    """Stands before a connection's HTTP protocol and passes everything on."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self._head: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self.inner.data_received(data)
            return
        self._head += data
        if not self._undecided(self._head):
            head, self._head = self._head, None
            self.inner.data_received(complete(head))

    def _undecided(self, head: bytes) -> bool:
        """Whether more has to come before it is clear if this is an upload without a length."""
        if not (b"PUT ".startswith(head) or head.startswith(b"PUT ")):
            return False
        return b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.inner.connection_lost(error)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


def complete(head: bytes) -> bytes:
    """The beginning of a connection with a length added where an upload has none."""
    if not head.startswith(b"PUT "):
        return head
    fields, end, body = head.partition(b"\r\n\r\n")
    if not end or LENGTH.search(fields):
        return head
    return fields + b"\r\n" + ADDED + b"\r\n" + body
