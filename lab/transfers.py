# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks over HTTP: raw import (plain, or in XAPI's own chunked framing) and raw export.

The answer 200 goes out before the body is read; how it went stands in the task alone.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import AsyncIterator

from aiohttp import web

from lab import sessions, tasks
from lab.classes import sr as repositories
from lab.errors import Failure
from lab.storage import BLOCK_SIZE, DiskError, Extent
from lab.unbounded import MARK
from lab.values import NULL, Type
from lab.world import World

#: Offset and length of a chunk, little-endian.
CHUNK_HEADER = struct.Struct("<QI")
WHOLE = Type("ref", "VDI")


class Unauthorised(Exception):
    """No valid session and no right password came with the request."""


async def session_of(world: World, request: web.Request) -> tuple[str, bool]:
    """The session of a request, and whether it was made for this request only. Raises Unauthorised."""
    given = request.cookies.get("session_id") or request.query.get("session_id")
    if given:
        try:
            sessions.check(world, given)
        except Failure as failure:
            raise Unauthorised from failure
        return given, False
    scheme, _space, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorised
    try:
        user, _colon, password = base64.b64decode(rest).decode().partition(":")
        return await sessions.login(world, user, password, "HTTP using Basic auth"), True
    except (binascii.Error, UnicodeDecodeError, Failure) as error:
        raise Unauthorised from error


class Transfer:
    """One request for a disk's data."""

    def __init__(self, world: World, request: web.Request, name: str) -> None:
        self.world, self.request, self.name = world, request, name
        self.session, self.temporary, self.task, self.own_task = NULL, False, "", False

    async def open(self) -> None:
        """Find session and task. Raises Unauthorised, or Failure for a task that is none."""
        self.session, self.temporary = await session_of(self.world, self.request)
        self.task = self.request.query.get("task_id", "")
        if self.task:
            self.world.database.get("task", self.task)
        else:
            self.task, self.own_task = tasks.create(self.world, self.name, "", self.session), True

    def close(self) -> None:
        if self.temporary:
            sessions.close_session(self.world, self.session)

    def disk(self) -> str:
        """The VDI of the request, given by reference or uuid. Raises VDI_MISSING and HANDLE_INVALID."""
        given = self.request.query.get("vdi", "")
        if not given:
            raise Failure("VDI_MISSING")
        by_uuid = self.world.database.tables["VDI"].by_uuid
        vdi = by_uuid.get(given, given)
        record = self.world.database.get("VDI", vdi)
        repositories.require_plugged(self.world, record["SR"])
        return vdi

    def fail(self, failure: Failure) -> None:
        tasks.fail(self.world, self.task, failure)

    def headers(self) -> dict[str, str]:
        return {"task-id": self.task, "content-type": "application/octet-stream", "connection": "close"}


async def import_raw_vdi(world: World, request: web.Request) -> web.StreamResponse:
    """PUT /import_raw_vdi"""
    transfer = Transfer(world, request, "VDI import")
    await transfer.open()
    try:
        vdi = _importable(transfer)
    except Failure as failure:
        transfer.fail(failure)
        transfer.close()
        return web.Response(status=400, text=f"<html><body>{failure.code}</body></html>", content_type="text/html")
    response = web.StreamResponse(headers={**transfer.headers(), "content-length": "0"})
    await response.prepare(request)
    try:
        await _receive(transfer, vdi)
    finally:
        transfer.close()
    return response


def _importable(transfer: Transfer) -> str:
    query = transfer.request.query
    if query.get("format", "raw") != "raw":
        raise Failure("INTERNAL_ERROR", f"the lab imports no format but raw: {query['format']}")
    vdi = transfer.disk()
    if transfer.world.database.get("VDI", vdi)["read_only"]:
        raise Failure("VDI_READONLY", vdi)
    return vdi


async def _receive(transfer: Transfer, vdi: str) -> None:
    record = transfer.world.database.get("VDI", vdi)
    chunked = transfer.request.query.get("chunked", "false") == "true"
    extents = _chunks(transfer.request) if chunked else _whole(transfer, record["virtual_size"])
    try:
        await transfer.world.disks.write(record["uuid"], extents)
        await repositories.update_space(transfer.world, record["SR"], vdi)
    except (DiskError, EOFError, OSError):
        transfer.fail(Failure("VDI_IO_ERROR", "Device I/O errors"))
        transfer.world.settle()
        _drop(transfer.request)
        return
    tasks.succeed(transfer.world, transfer.task, WHOLE, vdi)


def _drop(request: web.Request) -> None:
    """End the connection, as a server does whose disk failed in the middle."""
    if request.transport:
        request.transport.close()


async def _whole(transfer: Transfer, size: int) -> AsyncIterator[Extent]:
    """The body as it is, from offset 0; without Content-Length it must be as long as the disk."""
    request, offset = transfer.request, 0
    unbounded = MARK in request.headers or request.content_length is None
    expected = size if unbounded else request.content_length or 0
    pending = bytearray()
    while not (unbounded and offset + len(pending) >= size):
        data = await request.content.read(min(BLOCK_SIZE, size - offset - len(pending)) if unbounded else BLOCK_SIZE)
        if not data:
            break
        pending += data
        while len(pending) >= BLOCK_SIZE:
            yield Extent(offset, bytes(pending[:BLOCK_SIZE]))
            del pending[:BLOCK_SIZE]
            offset += BLOCK_SIZE
            tasks.progress(transfer.world, transfer.task, min(1.0, offset / max(1, expected)))
    if pending:
        yield Extent(offset, bytes(pending))
        offset += len(pending)
    if offset < expected:
        raise EOFError(f"the body ended after {offset} of {expected} bytes")


async def _chunks(request: web.Request) -> AsyncIterator[Extent]:
    """Chunks of offset, length and data, ended by one of offset 0 and length 0."""
    while True:
        offset, length = CHUNK_HEADER.unpack(await _exactly(request, CHUNK_HEADER.size))
        if offset == 0 and length == 0:
            return
        while length:
            piece = await _exactly(request, min(length, BLOCK_SIZE))
            yield Extent(offset, piece)
            offset, length = offset + len(piece), length - len(piece)


async def _exactly(request: web.Request, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = await request.content.read(count - len(data))
        if not piece:
            raise EOFError("the body ended within a chunk")
        data += piece
    return bytes(data)


async def export_raw_vdi(world: World, request: web.Request) -> web.StreamResponse:
    """GET /export_raw_vdi"""
    transfer = Transfer(world, request, "VDI export")
    await transfer.open()
    try:
        if request.query.get("format", "raw") != "raw":
            raise Failure("INTERNAL_ERROR", f"the lab exports no format but raw: {request.query['format']}")
        vdi = transfer.disk()
    except Failure as failure:
        transfer.fail(failure)
        transfer.close()
        return web.Response(status=400, text=f"<html><body>{failure.code}</body></html>", content_type="text/html")
    record = world.database.get("VDI", vdi)
    response = web.StreamResponse(headers={**transfer.headers(), "content-length": str(record["virtual_size"])})
    await response.prepare(request)
    try:
        async for piece in world.disks.read(record["uuid"]):
            await response.write(piece)
        tasks.succeed(world, transfer.task, Type("void"), None)
    except (DiskError, OSError):
        # Also when the client has read enough and left.
        transfer.fail(Failure("VDI_IO_ERROR", "Device I/O errors"))
        _drop(request)
    finally:
        transfer.close()
    return response
