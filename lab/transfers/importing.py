# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PUT /import and PUT /import_metadata: VMs from archives, with and without the data of their disks."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from lab import tasks
from lab.errors import Failure
from lab.transfers import metadata, pieces, xva
from lab.transfers.attachment import attached
from lab.transfers.disks import receive
from lab.transfers.making import Options
from lab.transfers.metadata import Imported, Ova
from lab.transfers.objects import Importer
from lab.transfers.placing import elsewhere
from lab.transfers.request import Outside, Refused, Transfer, handler
from lab.values import NULL, Type
from lab.wire import Malformed

VMS = Type("set", item=Type("ref", "VM"))


@handler("put_import", "VM.import", "VM.import")
async def import_(transfer: Transfer) -> web.StreamResponse:
    """The answer begins before anything is read; the task's result is the set of the new VMs."""
    sr = _repository(transfer)
    redirect = elsewhere(transfer, sr)
    if redirect:
        return redirect
    transfer.progress(0.0)
    if transfer.world.database.get("SR", sr)["content_type"] == "iso":
        raise Refused(400, Failure("SR_OPERATION_NOT_SUPPORTED"))
    if transfer.body.encoding:
        raise Refused(403, Failure("IMPORT_ERROR_CANNOT_HANDLE_CHUNKED"))
    options = Options(sr, restore=transfer.flag("restore"), force=transfer.flag("force"))
    return await _import(transfer, options)


def _repository(transfer: Transfer) -> str:
    """Where the disks go: as the request says, else to the pool's default. Raises Outside."""
    database = transfer.world.database
    try:
        sr = transfer.reference("SR", "sr_id", "sr_uuid")
        if sr:
            return sr
        default = database.get("pool", transfer.world.pool)["default_SR"]
        if not database.exists("SR", default):
            raise Failure("DEFAULT_SR_NOT_FOUND", default)
        return str(default)
    except Failure as failure:
        raise Outside(failure) from failure


@handler("put_import_metadata", "VM.import_metadata", "VM.metadata_import")
async def import_metadata(transfer: Transfer) -> web.StreamResponse:
    """VMs whose disks are there already."""
    options = Options(
        "", restore=transfer.flag("restore"), force=transfer.flag("force"), dry_run=transfer.flag("dry_run"),
        live=transfer.flag("live"),
    )  # fmt: skip
    return await _import(transfer, options)


async def _import(transfer: Transfer, options: Options) -> web.StreamResponse:
    answer = await transfer.begin(content_type="application/octet-stream")
    try:
        vms = await _read(transfer, options)
    except EOFError as error:
        raise Failure("IMPORT_ERROR_PREMATURE_EOF") from error
    except (xva.BadArchive, pieces.Damaged, Malformed, ValueError, KeyError, TypeError) as error:
        raise Failure("IMPORT_ERROR_GENERIC", str(error)) from error
    transfer.succeed(VMS, vms)
    await answer.end(transfer.request)
    return answer


async def _read(transfer: Transfer, options: Options) -> list[str]:
    source = pieces.Source(pieces.uncompressed(_body(transfer)))
    reader = xva.TarReader(source)
    name, content = await reader.file()
    if name != xva.OVA:
        raise Failure("IMPORT_ERROR_UNEXPECTED_FILE", xva.OVA, name)
    ova = metadata.parse(transfer.world, content)
    importer = Importer(transfer.call, ova, options)
    importer.require_readable()
    try:
        await importer.make_all()
        if not options.metadata_only:
            record = transfer.world.database.get("task", transfer.call.task)
            # what tells clients that they may change networks now
            other_config = {**record["other_config"], "object_creation": "complete"}
            transfer.world.database.set("task", transfer.call.task, other_config=other_config)
            await _receive_disks(transfer, reader, importer)
    except BaseException:
        if not options.force:
            await importer.undo()
        raise
    return importer.finish()


async def _body(transfer: Transfer) -> AsyncIterator[bytes]:
    while data := await transfer.body.some(pieces.PART):
        yield data


async def _receive_disks(transfer: Transfer, reader: xva.TarReader, importer: Importer) -> None:
    """The data of all disks, in the order of their references in the file."""
    wanted = sorted((found for found in _streamed(importer.ova) if found.id in importer.table), key=_by_id)
    total, done = sum(found["virtual_size"] for found in wanted), 0
    for found in wanted:
        parts = xva.extents(reader, f"{found.id}/", found["virtual_size"], importer.options.force)
        async with attached(transfer.call, transfer.call.here, importer.table[found.id], "RW") as record:
            await receive(transfer, record, parts)
        done += found["virtual_size"]
        transfer.progress(done / total)
        if tasks.cancelled(transfer.world, transfer.call.task):
            raise Failure("TASK_CANCELLED", transfer.call.task)


def _by_id(found: Imported) -> str:
    return found.id


def _streamed(ova: Ova) -> list[Imported]:
    """The disks whose data is in the archive: no CDs, nothing from ISO repositories."""
    disks = {vbd["VDI"] for vbd in ova.of("VBD") if vbd["type"] != "CD" and vbd["VDI"] != NULL}
    images = {sr.id for sr in ova.of("SR") if sr["content_type"] == "iso"}
    return [
        vdi for vdi in ova.of("VDI")
        if (vdi.id in disks and vdi["SR"] not in images) or vdi["type"] == "suspend"
    ]  # fmt: skip
