# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GET /rrd_updates, /host_rrd, /vm_rrd and /sr_rrd. Each host tells of itself and of what it has."""

from __future__ import annotations

from aiohttp import web

from lab.classes import sr as repositories
from lab.hosts import redirect
from lab.rrd import document, recorder, updates
from lab.rrd.archive import Archive
from lab.transfers import answers
from lab.transfers.request import Handler, Transfer, handler
from lab.values import NULL

OPEN = {"access-control-allow-origin": "*", "access-control-allow-headers": "X-Requested-With"}


def _answer(text: str, content_type: str, headers: dict[str, str] | None = None) -> web.Response:
    found = {"cache-control": "no-cache, no-store", **(headers or {})}
    response = web.Response(body=text.encode(), headers=found)
    response.headers["content-type"] = content_type
    return response


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


@handler("get_rrd_updates", "get_rrd_updates", "Get RRD updates.", tasked=False)
async def rrd_updates(transfer: Transfer) -> web.StreamResponse:
    """VMs are told of unless the query says otherwise, the host and its repositories only when it says so."""
    query = transfer.request.query
    if "start" not in query:
        return answers.head(400)
    start = _number(query["start"])
    if start is None:
        return answers.page(500)
    recorder.sample(transfer.world)
    try:
        found = updates.collect(
            _wanted(transfer), start, _number(query.get("interval")) or 0, query.get("cf", "").upper()
        )
    except updates.NothingKnown:
        return answers.page(500)
    if query.get("json", "false") != "false":
        return _answer(found.json(), "application/json", OPEN)
    return _answer(found.xml(), "text/xml", OPEN)


def _wanted(transfer: Transfer) -> list[tuple[str, Archive]]:
    """The archives that the query asks for, with the prefix of their entries: the host's, of its VMs, its SRs."""
    world, host, query = transfer.world, transfer.call.here, transfer.request.query
    record = world.database.get("host", host)
    uuids: list[tuple[str, str]] = [("host", record["uuid"])] if query.get("host") == "true" else []
    wanted = query.get("vm_uuid", "all")
    guests = [vm["uuid"] for vm in world.database.where("VM", resident_on=host)]
    uuids += [("vm", uuid) for uuid in guests if wanted in ("all", uuid)]
    wanted = query.get("sr_uuid", "none")
    if wanted != "none":
        seen = [sr["uuid"] for sr in world.database.all("SR") if host in repositories.plugged_hosts(world, sr.ref)]
        uuids += [("sr", uuid) for uuid in seen if wanted in ("all", uuid)]
    found = [(f"{kind}:{uuid}:", world.archives.get((kind, uuid))) for kind, uuid in uuids]
    return [(prefix, archive) for prefix, archive in found if archive]


def _whole(transfer: Transfer, kind: str, uuid: str) -> web.Response:
    recorder.sample(transfer.world)
    archive = transfer.world.archives.get((kind, uuid))
    return _answer(document.xml(archive), "text/xml", OPEN) if archive else answers.page(500)


@handler("get_host_rrd", "get_host_rrd", "Get Host RRD.", tasked=False)
async def host_rrd(transfer: Transfer) -> web.StreamResponse:
    """The host that is asked."""
    return _whole(transfer, "host", transfer.world.database.get("host", transfer.call.here)["uuid"])


@handler("get_sr_rrd", "get_sr_rrd", "Get SR RRD.", tasked=False)
async def sr_rrd(transfer: Transfer) -> web.StreamResponse:
    if "uuid" not in transfer.request.query:
        return answers.head(400)
    return _whole(transfer, "sr", transfer.request.query["uuid"])


@handler("get_vm_rrd", "get_vm_rrd", "Get VM RRD.", tasked=False)
async def vm_rrd(transfer: Transfer) -> web.StreamResponse:
    """A VM of another host is to be asked for there; one that has ended is in the coordinator's archive."""
    uuid = transfer.request.query.get("uuid", "")
    if not uuid:
        return answers.head(400)
    world, host = transfer.world, transfer.call.here
    vm = world.database.find("VM", world.database.tables["VM"].by_uuid.get(uuid, NULL))
    there = vm["resident_on"] if vm and vm["resident_on"] != NULL else world.coordinator
    if there != host:
        return redirect.to_host(world, transfer.request, there)
    return _whole(transfer, "vm", uuid)


HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/rrd_updates"): rrd_updates,
    ("GET", "/host_rrd"): host_rrd,
    ("GET", "/vm_rrd"): vm_rrd,
    ("GET", "/sr_rrd"): sr_rrd,
}
