# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GET /export and GET /export_metadata: VMs as archives, with and without the data of their disks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from aiohttp import web

from lab import placement
from lab.classes import vm_lifecycle as lifecycle
from lab.database import Record
from lab.errors import Failure
from lab.storage import DiskError
from lab.transfers import metadata, pieces, xva
from lab.transfers.attachment import attached
from lab.transfers.metadata import Export
from lab.transfers.placing import elsewhere
from lab.transfers.request import Outside, Transfer, handler

FILE = {"content_type": "application/octet-stream", "content_disposition": 'attachment; filename="export.xva"'}


def _machine(transfer: Transfer) -> str:
    """The VM that the request names by `ref` or `uuid`."""
    database, query = transfer.world.database, transfer.request.query
    try:
        vm = query["ref"] if "ref" in query else database.by_uuid("VM", query.get("uuid", ""))
        return database.get("VM", vm).ref
    except Failure as failure:
        raise Outside(failure) from failure


@handler("get_export", "VM.export", "VM.export")
async def export(transfer: Transfer) -> web.StreamResponse:
    """A VM that does not run, with its disks; the VM is held meanwhile."""
    vm = _machine(transfer)
    record = transfer.world.database.get("VM", vm)
    redirect = elsewhere(transfer, *placement.repositories_of(transfer.world, record))
    if redirect:
        return redirect
    transfer.progress(0.0)
    preserve = transfer.parameter("preserve_power_state") == "true"
    async with lifecycle.hold(transfer.call, vm, "export"):
        answer = await transfer.begin(**FILE)
        table, ova = metadata.export(Export(transfer.world, preserve_power_state=preserve), [vm])
        disks = _disks(transfer, record, table, preserve)
        try:
            async for part in _packed(transfer, _archive(transfer, ova, disks)):
                await answer.write(part)
        except (DiskError, pieces.Damaged) as error:
            raise Failure("VDI_IO_ERROR", str(error)) from error
    transfer.succeed()
    await answer.end(transfer.request)
    return answer


def _packed(transfer: Transfer, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The archive, compressed as asked for."""
    wanted = transfer.request.query.get("use_compression", "")
    if wanted in ("true", "gzip"):
        return pieces.gzipped(parts)
    return pieces.zstd(parts) if wanted == "zstd" else parts


def _disks(transfer: Transfer, record: Record, table: dict[str, str], preserve: bool) -> list[tuple[str, str]]:
    """The disks whose data is exported and their references in the file, in the order of these; no CDs."""
    database = transfer.world.database
    vbds = [database.get("VBD", vbd) for vbd in record["VBDs"]]
    vdis = [vbd["VDI"] for vbd in vbds if vbd["type"] != "CD" and database.exists("VDI", vbd["VDI"])]
    if preserve and record["power_state"] == "Suspended":
        vdis.append(record["suspend_VDI"])
    wanted = [vdi for vdi in vdis if database.get("SR", database.get("VDI", vdi)["SR"])["content_type"] != "iso"]
    return sorted((table[vdi], vdi) for vdi in dict.fromkeys(wanted) if vdi in table)


async def _archive(transfer: Transfer, ova: bytes, disks: list[tuple[str, str]]) -> AsyncIterator[bytes]:
    yield xva.entry(xva.OVA, ova)
    database, sent = transfer.world.database, 0
    total = sum(database.get("VDI", vdi)["virtual_size"] for _name, vdi in disks)
    for name, vdi in disks:
        async with attached(transfer.call, transfer.call.here, vdi, "RO") as record:
            async for part in xva.disk(transfer.world.disks, record["uuid"], record["virtual_size"], f"{name}/"):
                yield part
        sent += record["virtual_size"]
        transfer.progress(sent / total)
    yield xva.END


@handler("get_export_metadata", "VM.export_metadata", "VM.export_metadata")
async def export_metadata(transfer: Transfer) -> web.StreamResponse:
    """One VM with its snapshots, or all VMs; any power state will do."""
    query = transfer.request.query
    vms = _all_machines(transfer) if transfer.flag("all") else [_machine(transfer)]
    if not transfer.flag("all") and transfer.world.database.get("VM", vms[0])["is_a_snapshot"]:
        raise Failure("OPERATION_NOT_ALLOWED", "Exporting metadata of a snapshot is not allowed")
    async with AsyncExitStack() as held:
        for vm in vms:
            await held.enter_async_context(lifecycle.hold(transfer.call, vm, "metadata_export"))
        wanted = Export(
            transfer.world,
            with_snapshots=query.get("export_snapshots", "true") == "true",
            preserve_power_state=True,
            with_bases=transfer.flag("include_vhd_parents"),
        )
        _table, ova = metadata.export(wanted, vms)
    archive = xva.entry(xva.OVA, ova) + xva.END
    answer = await transfer.begin(**FILE, content_length=str(len(archive)))
    await answer.write(archive)
    transfer.succeed()
    await answer.end(transfer.request)
    return answer


def _all_machines(transfer: Transfer) -> list[str]:
    with_dom0 = transfer.request.query.get("include_dom0", "true") == "true"
    return [
        record.ref
        for record in transfer.world.database.all("VM")
        if not record["is_default_template"] and (with_dom0 or not record["is_control_domain"])
    ]
