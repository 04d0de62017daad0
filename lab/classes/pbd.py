# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PBD: the link between a host and a storage repository."""

from __future__ import annotations

from typing import Any

from lab import operations
from lab.classes import secret
from lab.classes import sr as repositories
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.repositories import shelf
from lab.world import Call


@implements("PBD.create")
async def create(call: Call, record: dict[str, Any]) -> str:
    """Whether there is such a host is not looked at; other_config is not kept, passwords are copied."""
    async with repositories.operation(call, record["SR"], "pbd_create"):
        for pbd in call.db.get("SR", record["SR"])["PBDs"]:
            if call.db.get("PBD", pbd)["host"] == record["host"]:
                raise Failure("PBD_EXISTS", record["SR"], record["host"], pbd)
        _refuse_internal_key(record["device_config"])
        config = secret.duplicated(call, record["device_config"])
        fields = {"device_config": config, "currently_attached": False, "other_config": {}}
        return call.db.create("PBD", {**record, **fields})


def _refuse_internal_key(device_config: dict[str, str]) -> None:
    if "SRmaster" in device_config:
        text = "This key is for internal use only"
        raise Failure("VALUE_NOT_SUPPORTED", "SRmaster", device_config["SRmaster"], text)


@implements("PBD.destroy")
async def destroy(call: Call, pbd: str) -> None:
    sr = call.db.get("PBD", pbd)["SR"]
    async with repositories.operation(call, sr, "pbd_destroy"):
        if call.db.get("PBD", pbd)["currently_attached"]:
            raise Failure("OPERATION_NOT_ALLOWED", "PBD is currently attached")
        remove(call, pbd)


def remove(call: Call, pbd: str) -> None:
    """Remove the PBD and the secrets it has of its own."""
    secret.remove_all(call, call.db.get("PBD", pbd)["device_config"])
    call.db.delete("PBD", pbd)


@implements("PBD.plug")
async def plug(call: Call, pbd: str) -> None:
    """The coordinator's one also has the repository scanned."""
    record = call.db.get("PBD", pbd)
    sr = record["SR"]
    async with repositories.operation(call, sr, "plug"):
        membership.require_reachable(call.world, record["host"])
        if not call.db.get("PBD", pbd)["currently_attached"]:
            _require_sharable(call, sr, record["host"])
            call.db.set("PBD", pbd, currently_attached=True)
    call.world.refresh("VDI", *call.db.get("SR", sr)["VDIs"])
    if record["host"] == call.world.coordinator:
        await shelf.scan(call, sr)


def _require_sharable(call: Call, sr: str, host: str) -> None:
    others = [found for found in repositories.plugged_hosts(call.world, sr) if found != host]
    if others and not call.db.get("SR", sr)["shared"]:
        raise Failure("SR_NOT_SHARABLE", sr, others[0])


@implements("PBD.unplug")
async def unplug(call: Call, pbd: str) -> None:
    record = call.db.get("PBD", pbd)
    sr = record["SR"]

    def check() -> Failure | None:
        """On the host that all disk operations are done on, none may be under way."""
        if record["host"] == call.world.coordinator:
            for vdi in call.db.get("SR", sr)["VDIs"]:
                if busy := operations.clash(call, "VDI", vdi):
                    return busy
        return repositories.refusal(call.world, sr, "unplug", call.task)

    async with operations.operation(call, "SR", sr, "unplug", check):
        membership.require_reachable(call.world, record["host"])
        if call.db.get("PBD", pbd)["currently_attached"]:
            _require_unused(call, sr, record["host"])
            call.db.set("PBD", pbd, currently_attached=False)
    call.world.refresh("VDI", *call.db.get("SR", sr)["VDIs"])


def _require_unused(call: Call, sr: str, host: str) -> None:
    """Raises VDI_IN_USE with all disks of the repository that VMs on the host have attached."""
    used = []
    for vm in call.db.where("VM", resident_on=host):
        for vbd in (call.db.get("VBD", ref) for ref in vm["VBDs"]):
            vdi = call.db.find("VDI", vbd["VDI"])
            if vbd["currently_attached"] and vdi and vdi["SR"] == sr and vdi["type"] != "metadata":
                used.append(vdi.ref)
    if used:
        raise Failure("VDI_IN_USE", *used)


@implements("PBD.set_device_config")
def set_device_config(call: Call, pbd: str, value: dict[str, str]) -> None:
    """Only for the storage layer's own sessions."""
    call.db.get("PBD", pbd)
    raise Failure("PERMISSION_DENIED", "")
