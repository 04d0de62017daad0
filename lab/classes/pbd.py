# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PBD: the link between a host and a storage repository."""

from __future__ import annotations

from typing import Any

from lab.classes import sr as repositories
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("PBD.create")
def create(call: Call, record: dict[str, Any]) -> str:
    call.db.get("host", record["host"])
    call.db.get("SR", record["SR"])
    if call.db.where("PBD", host=record["host"], SR=record["SR"]):
        existing = call.db.where("PBD", host=record["host"], SR=record["SR"])[0].ref
        raise Failure("PBD_EXISTS", record["SR"], record["host"], existing)
    pbd = call.db.create("PBD", record)
    call.world.refresh("SR", record["SR"])
    return pbd


@implements("PBD.destroy")
def destroy(call: Call, pbd: str) -> None:
    record = call.db.get("PBD", pbd)
    if record["currently_attached"]:
        raise Failure("OPERATION_NOT_ALLOWED", "PBD is currently attached")
    call.db.delete("PBD", pbd)
    if call.db.exists("SR", record["SR"]):
        call.world.refresh("SR", record["SR"])


@implements("PBD.plug")
async def plug(call: Call, pbd: str) -> None:
    record = call.db.get("PBD", pbd)
    if record["currently_attached"]:
        return
    async with repositories.operation(call, record["SR"], "plug"):
        call.db.set("PBD", pbd, currently_attached=True)
        call.world.refresh("VDI", *call.db.get("SR", record["SR"])["VDIs"])


@implements("PBD.unplug")
async def unplug(call: Call, pbd: str) -> None:
    record = call.db.get("PBD", pbd)
    if not record["currently_attached"]:
        return
    _require_unused(call, record["SR"], record["host"])
    async with repositories.operation(call, record["SR"], "unplug"):
        call.db.set("PBD", pbd, currently_attached=False)


def _require_unused(call: Call, sr: str, host: str) -> None:
    for vdi in call.db.get("SR", sr)["VDIs"]:
        for vbd in call.db.get("VDI", vdi)["VBDs"]:
            record = call.db.get("VBD", vbd)
            if record["currently_attached"] and call.db.get("VM", record["VM"])["resident_on"] == host:
                raise Failure("VDI_IN_USE", vdi)


@implements("PBD.set_device_config")
def set_device_config(call: Call, pbd: str, value: dict[str, str]) -> None:
    call.db.set("PBD", pbd, device_config=value)
