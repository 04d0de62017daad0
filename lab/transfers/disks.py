# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PUT /import_raw_vdi and GET /export_raw_vdi: the data of one disk, as it is, as VHD, or in a tar archive."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from lab import inner
from lab.classes import sr as repositories
from lab.database import Record
from lab.errors import Failure, internal
from lab.repositories import space
from lab.storage import BLOCK_SIZE, DiskError, Disks, Extent
from lab.transfers import raw, vhd, xva
from lab.transfers.answers import Stream
from lab.transfers.attachment import attached
from lab.transfers.pieces import pieces
from lab.transfers.placing import elsewhere
from lab.transfers.request import Outside, Refused, Transfer, handler
from lab.values import Type

FORMATS = {"raw": "application/octet-stream", "vhd": "application/vhd", "tar": "application/x-tar"}
#: The directory in the archive of one disk.
TAR_DIRECTORY = "vdi/"
IO_ERROR = ("VDI_IO_ERROR", "Device I/O errors")
VDI = Type("ref", "VDI")


def _disk(transfer: Transfer, name: str = "vdi") -> str:
    """The disk that the request names; XAPI looks before it has a task to tell that there is none."""
    try:
        return transfer.reference("VDI", name)
    except Failure as failure:
        raise Outside(failure) from failure


def _format(transfer: Transfer) -> str:
    kind = transfer.parameter("format", "raw").lower()
    if kind not in FORMATS:
        raise Refused(404, internal(f"Unknown format {transfer.parameter('format')}"))
    return kind


# ---- import


@handler("put_import_raw_vdi", "VDI.import", "Importing raw VDI")
async def import_raw_vdi(transfer: Transfer) -> web.StreamResponse:
    """The answer begins before the disk is attached and the body read."""
    vdi = _disk(transfer)
    try:
        sr = transfer.world.database.get("VDI", vdi)["SR"] if vdi else transfer.reference("SR", "sr_id", "sr_uuid")
        if not sr:
            raise Failure("VDI_MISSING")
        redirect = elsewhere(transfer, sr)
    except Failure as failure:
        raise Refused(400, failure) from failure
    if redirect:
        return redirect
    kind = _importable(transfer)
    vdi = vdi or await _new_disk(transfer, sr, kind)
    answer = await transfer.begin(content_type="application/octet-stream")
    async with attached(transfer.call, transfer.call.here, vdi, "RW") as record:
        await receive(transfer, record, _extents(transfer, kind, record))
    transfer.succeed(VDI, vdi)
    await answer.end(transfer.request)
    return answer


def _importable(transfer: Transfer) -> str:
    """The format, when it can come in this way."""
    kind = _format(transfer)
    if transfer.given("chunked") and kind != "raw":
        raise Refused(404, internal("Cannot handle chunked VHD"))
    if transfer.body.encoding:
        raise Refused(404, internal(f"Cannot handle encoding: {transfer.body.encoding}"))
    return kind


async def _new_disk(transfer: Transfer, sr: str, kind: str) -> str:
    """A disk for an upload that names only a repository."""
    if kind == "vhd":
        raise Refused(400, internal("Importing a VHD directly into an SR not yet supported"))
    if kind != "raw" or transfer.body.length is None:
        raise Refused(400, internal("Not enough info supplied to import"))
    members = transfer.world.schema.classes["VDI"].record.members
    record = {name: default for name, (_type, _required, default) in members.items()}
    record |= {"name_label": "Imported VDI", "SR": sr, "virtual_size": transfer.body.length, "type": "user"}
    made: str = await inner.call(transfer.call, "VDI.create", record)
    return made


def _extents(transfer: Transfer, kind: str, record: Record) -> AsyncIterator[Extent]:
    if kind == "vhd":
        return vhd.extents(transfer.body)
    if kind == "tar":
        return xva.extents(xva.TarReader(transfer.body), TAR_DIRECTORY, record["virtual_size"])
    if transfer.given("chunked"):
        return raw.chunks(transfer.body)
    return raw.whole(transfer, record["virtual_size"])


async def receive(transfer: Transfer, record: Record, extents: AsyncIterator[Extent]) -> None:
    """Write what comes to a disk as long as its repository has room for it. Raises VDI_IO_ERROR."""
    try:
        await transfer.world.disks.write(record["uuid"], space.metered(transfer.world, record, extents))
    except (DiskError, EOFError, OSError, vhd.NotVhd, xva.BadArchive) as error:
        raise Failure(*IO_ERROR) from error
    finally:
        await repositories.update_space(transfer.world, record["SR"], record.ref)


# ---- export


@handler("get_export_raw_vdi", "VDI.export_raw", "Exporting raw VDI")
async def export_raw_vdi(transfer: Transfer) -> web.StreamResponse:
    """Raw and tar go out as they are read; of a VHD all written blocks are found first."""
    vdi = _disk(transfer)
    if not vdi:
        raise Outside(Failure("VDI_MISSING"))
    redirect = elsewhere(transfer, transfer.world.database.get("VDI", vdi)["SR"])
    if redirect:
        return redirect
    kind, base = _format(transfer), _disk(transfer, "base")
    host = transfer.call.here
    async with attached(transfer.call, host, vdi, "RO") as record:
        if kind == "vhd" and record["virtual_size"] > vhd.LARGEST:
            raise Failure("VDI_TOO_LARGE", vdi, vhd.LARGEST)
        if base:
            async with attached(transfer.call, host, base, "RO") as older:
                answer = await _send(transfer, record, kind, older)
        else:
            answer = await _send(transfer, record, kind, None)
    transfer.succeed()
    await answer.end(transfer.request)
    return answer


async def _send(transfer: Transfer, record: Record, kind: str, base: Record | None) -> Stream:
    answer = await transfer.begin(
        content_type=FORMATS[kind], content_disposition=f'attachment; filename="{record["uuid"]}.{kind}"'
    )
    parts = _parts(transfer, record, kind, base)
    sent = 0
    try:
        async for part in parts:
            await answer.write(part)
            sent += len(part)
            transfer.progress(sent / record["virtual_size"])
    except (DiskError, OSError) as error:
        # also when the client has read enough and left
        raise Failure(*IO_ERROR) from error
    return answer


def _parts(transfer: Transfer, record: Record, kind: str, base: Record | None) -> AsyncIterator[bytes]:
    if kind == "vhd":
        return _as_vhd(transfer, record, base)
    if kind == "tar":
        return xva.disk(transfer.world.disks, record["uuid"], record["virtual_size"], TAR_DIRECTORY, end=True)
    return transfer.world.disks.read(record["uuid"])


async def _as_vhd(transfer: Transfer, record: Record, base: Record | None) -> AsyncIterator[bytes]:
    """A dynamic VHD, or with a base one that has only the blocks which differ."""
    size, disks = record["virtual_size"], transfer.world.disks
    written = await _written(disks, record["uuid"], base["uuid"] if base else "")
    ends = vhd.footer(size, vhd.DIFFERENCING if base else vhd.DYNAMIC, record["uuid"])
    blocks = -(-size // BLOCK_SIZE)
    yield ends + vhd.header(blocks, base["uuid"] if base else "") + vhd.table(blocks, written)
    wanted, number = set(written), 0
    async for data in pieces(disks.read(record["uuid"]), BLOCK_SIZE):
        # a guest may write meanwhile: the table says what has to come
        if number in wanted:
            yield vhd.BITMAP + data.ljust(BLOCK_SIZE, b"\0")
        number += 1
    yield ends


async def _written(disks: Disks, uuid: str, base: str) -> list[int]:
    """Numbers of the blocks that are not all zeros, or with a base of those that are not as there."""
    older = pieces(disks.read(base), BLOCK_SIZE) if base else None
    found, number = [], 0
    async for data in pieces(disks.read(uuid), BLOCK_SIZE):
        before = await _next(older) if older else b""
        if data.ljust(BLOCK_SIZE, b"\0") != before.ljust(BLOCK_SIZE, b"\0"):
            found.append(number)
        number += 1
    return found


async def _next(parts: AsyncIterator[bytes]) -> bytes:
    """The next part, nothing behind the end."""
    async for part in parts:
        return part
    return b""
