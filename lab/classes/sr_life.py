# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SR: made, introduced, scanned, forgotten and destroyed."""

from __future__ import annotations

from typing import Any

from lab.classes import pbd as pbds
from lab.classes import secret
from lab.classes import sr as repositories
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.repositories import shelf, space
from lab.storage.kinds import LvmKind
from lab.world import Call

#: Size of a repository for which none is given, in bytes.
USUAL_SIZE = 100 * 1024**3


@implements("SR.create")
async def create(
    call: Call, host: str, device_config: dict[str, str], physical_size: int, name_label: str, name_description: str,
    type_: str, content_type: str, shared: bool, sm_config: dict[str, str],
) -> str:  # fmt: skip
    membership.require_reachable(call.world, host)
    kind = _require_type(call, type_)
    sr = _new(call, "", name_label, name_description, kind, content_type, shared, sm_config)
    if isinstance(space.kind(call.world, sr), LvmKind):
        allocation = "thin" if device_config.get("allocation") == "thin" else "thick"
        call.db.set("SR", sr, sm_config={"allocation": allocation, "use_vhd": "true", **sm_config})
    call.db.set("SR", sr, physical_size=physical_size if physical_size > 0 else USUAL_SIZE, physical_utilisation=0)
    hosts = [record.ref for record in call.db.all("host")] if shared else [host]
    device_config = secret.duplicated(call, device_config)
    for target in hosts:
        plugged = membership.live(call.world, target)
        fields = {"host": target, "SR": sr, "device_config": device_config, "currently_attached": plugged}
        call.db.create("PBD", fields)
    call.world.refresh("SR", sr)
    return sr


def _require_type(call: Call, type_: str) -> str:
    """The type in the letters that XAPI keeps. Raises SR_UNKNOWN_DRIVER with the same."""
    kind = type_.lower()
    if not call.db.where("SM", type=kind):
        raise Failure("SR_UNKNOWN_DRIVER", kind)
    return kind


@implements("SR.introduce")
def introduce(
    call: Call, uuid: str, name_label: str, name_description: str, type_: str, content_type: str, shared: bool,
    sm_config: dict[str, str],
) -> str:  # fmt: skip
    return _new(call, uuid, name_label, name_description, type_.lower(), content_type, shared, sm_config)


def _new(
    call: Call, uuid: str, name_label: str, name_description: str, type_: str, content_type: str, shared: bool,
    sm_config: dict[str, Any],
) -> str:  # fmt: skip
    """A repository of which nothing is known yet: its sizes are -1."""
    if uuid and uuid in call.db.tables["SR"].by_uuid:
        raise Failure("SR_UUID_EXISTS", uuid)
    fields = {
        "uuid": uuid, "name_label": name_label, "name_description": name_description, "type": type_,
        "content_type": content_type, "shared": shared, "sm_config": sm_config, "physical_size": -1,
        "physical_utilisation": -1,
    }  # fmt: skip
    sr = call.db.create("SR", fields)
    call.world.refresh("SR", sr)
    return sr


@implements("SR.scan")
async def scan(call: Call, sr: str) -> None:
    """Also brings forgotten disks back, and puts read_only to what the files say."""
    async with repositories.operation(call, sr, "scan"):
        repositories.require_host(call.world, sr)
        await shelf.scan(call, sr)


@implements("SR.update")
async def update(call: Call, sr: str) -> None:
    repositories.require_host(call.world, sr)
    await space.update(call.world, sr)


@implements("SR.forget")
async def forget(call: Call, sr: str) -> None:
    """The data stays: a repository introduced with the same uuid finds it again."""
    async with repositories.operation(call, sr, "forget"):
        for vdi in call.db.get("SR", sr)["VDIs"]:
            await shelf.put_away(call.world, vdi)
        await shelf.put_away_repository(call.world, sr)
        _delete(call, sr)


def _delete(call: Call, sr: str) -> None:
    record = call.db.get("SR", sr)
    for pbd in record["PBDs"]:
        pbds.remove(call, pbd)
    for vdi in record["VDIs"]:
        call.db.delete("VDI", vdi)
    call.db.delete("SR", sr)


@implements("SR.destroy")
async def destroy(call: Call, sr: str) -> None:
    async with repositories.operation(call, sr, "destroy"):
        record = call.db.get("SR", sr)
        if record["other_config"].get("indestructible") == "true":
            raise Failure("SR_INDESTRUCTIBLE", sr)
        if await shelf.of_repository(call.world, sr):
            raise Failure("SR_NOT_EMPTY")
        for vdi in record["VDIs"]:
            await call.world.disks.destroy(call.db.get("VDI", vdi)["uuid"])
        secret.remove_all(call, record["sm_config"])
        _delete(call, sr)


@implements("SR.probe")
def probe(call: Call, host: str, device_config: dict[str, str], type_: str, sm_config: dict[str, str]) -> str:
    """The lab has no storage to be found: an empty list."""
    membership.require_reachable(call.world, host)
    _require_type(call, type_)
    return "<SRlist/>"


@implements("SR.probe_ext")
def probe_ext(call: Call, host: str, device_config: dict[str, str], type_: str, sm_config: dict[str, str]) -> None:
    """Drivers of the kind that the lab has answer with text, for which there is SR.probe."""
    membership.require_reachable(call.world, host)
    _require_type(call, type_)
    raise Failure("SR_OPERATION_NOT_SUPPORTED")
