# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""QEMU's two JSON protocols on Unix sockets: QMP with the machine, and QGA with the agent in the guest."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from pathlib import Path
from typing import Any

#: A line of an answer may be this long, in bytes.
LIMIT = 4 * 1024 * 1024


class ChannelError(Exception):
    """The peer is gone, does not answer or refuses; the text says what was asked of it."""


class Channel:
    """A connection on which commands are answered in order, with events between."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        #: set when the peer has gone
        self.ended = asyncio.Event()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(self, socket: Path) -> None:
        """Connect to a Unix socket. Raises ChannelError."""
        try:
            reader, self._writer = await open_socket(socket)
        except OSError as error:
            raise ChannelError(f"{self.name}: cannot connect to {socket}: {error}") from error
        self._reading = asyncio.create_task(self._read(reader))

    async def execute(self, command: str, arguments: dict[str, Any] | None = None, timeout: float = 30.0) -> Any:
        """The answer to a command. Raises ChannelError when it is refused or does not come within timeout seconds."""
        if self._writer is None or self.ended.is_set():
            raise ChannelError(f"{self.name}: not connected, so no {command}")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"execute": command, "arguments": arguments or {}, "id": number}
        try:
            self._writer.write(json.dumps(message).encode() + b"\n")
            return await asyncio.wait_for(answer, timeout)
        except asyncio.TimeoutError as error:
            raise ChannelError(f"{self.name}: no answer to {command} within {timeout:g} s") from error
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Let go of the peer."""
        if self._reading:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._writer:
            self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                with contextlib.suppress(ValueError):  # the agent may send half a line of an earlier conversation
                    self._take(json.loads(line.lstrip(b"\xff")))
        except (OSError, ValueError):
            pass
        finally:
            self.ended.set()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ChannelError(f"{self.name}: the connection ended"))

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self.events.put_nowait(message)
            return
        answer = self._waiting.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(ChannelError(f"{self.name}: {message['error'].get('desc', message['error'])}"))
        else:
            answer.set_result(message.get("return"))


async def open_socket(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a Unix socket whose path may be longer than the 107 bytes that the kernel takes."""
    directory = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/{socket.name}", limit=LIMIT)
    finally:
        os.close(directory)


async def open_machine(name: str, socket: Path) -> Channel:
    """A QMP connection that is ready for commands. Raises ChannelError."""
    channel = Channel(name)
    await channel.connect(socket)
    try:
        await channel.execute("qmp_capabilities", timeout=10.0)
    except ChannelError:
        await channel.close()
        raise
    return channel
