# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: made, introduced, resized, forgotten and destroyed."""

from __future__ import annotations

import re
from typing import Any

from lab.classes import sr as repositories
from lab.classes import vdi as images
from lab.classes.vdi import type_name
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import implements
from lab.repositories import collector, shelf, space, tracking, volumes
from lab.world import Call

UUID = re.compile("-".join(f"[0-9a-fA-F]{{{length}}}" for length in (8, 4, 4, 4, 12)))
#: The last parameters of VDI.pool_introduce: fields by these names.
INTRODUCED = (
    "xenstore_data", "sm_config", "managed", "virtual_size", "physical_utilisation", "metadata_of_pool",
    "is_a_snapshot", "snapshot_time", "snapshot_of", "cbt_enabled",
)  # fmt: skip


@implements("VDI.create")
async def create(call: Call, record: dict[str, Any]) -> str:
    sr = record["SR"]
    async with repositories.operation(call, sr, "vdi_create"):
        repositories.require_host(call.world, sr)
        if record["type"] == "cbt_metadata":
            raise Failure("VDI_INCOMPATIBLE_TYPE", "", type_name("cbt_metadata"))
        if record["virtual_size"] < 0:
            raise internal('Storage_error ([S(Internal_error);S(Failure("Int64.of_string"))])')
        return await volumes.make(call, {**record, "virtual_size": volumes.rounded(record["virtual_size"])})


@implements("VDI.destroy")
async def destroy(call: Call, vdi: str) -> None:
    """Also removes the VBDs that halted VMs have of the disk."""
    async with images.working(call, vdi, "destroy") as record, collector.layers(call.world, record["SR"]):
        await volumes.erase(call, vdi)


@implements("VDI.forget")
async def forget(call: Call, vdi: str) -> None:
    """The data stays, and so do VBDs; a scan brings the disk back."""
    async with images.hold(call, vdi, "forget"):
        await shelf.put_away(call.world, vdi)
        record = call.db.get("VDI", vdi)
        call.db.delete("VDI", vdi)
        space.add_up(call.world, record["SR"])


@implements("VDI.introduce")
async def introduce(call: Call, uuid: str, label: str, description: str, sr: str, *fields: Any) -> str:
    """Disks are introduced one by one only where the driver offers it."""
    async with repositories.operation(call, sr, "vdi_introduce"):
        repositories.require_host(call.world, sr)
        raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)


@implements("VDI.resize")
async def resize(call: Call, vdi: str, size: int) -> None:
    async with images.working(call, vdi, "resize") as record:
        if size < record["virtual_size"]:
            raise space.backend_failure(79, "VDI Invalid size", "shrinking not allowed")
        wanted = volumes.rounded(size)
        if wanted == record["virtual_size"]:
            return
        space.require(call.world, record["SR"], await space.of_growth(call.world, record, wanted))
        await call.world.disks.resize(record["uuid"], wanted)
        call.db.set("VDI", vdi, virtual_size=wanted)
        if record["cbt_enabled"]:
            await tracking.resize(call.world, record, wanted)
        await space.update(call.world, record["SR"], vdi)


@implements("VDI.update")
async def update(call: Call, vdi: str) -> None:
    async with images.hold(call, vdi, "update"):
        repositories.require_host(call.world, call.db.get("VDI", vdi)["SR"])
        await _look_at(call, vdi)


async def _look_at(call: Call, vdi: str) -> None:
    """Bring the record in step with the data."""
    record = call.db.get("VDI", vdi)
    shape = (await call.world.disks.shapes()).get(record["uuid"])
    if shape:
        shelf.in_step(call.world, record, shape)
        await space.update(call.world, record["SR"], vdi)


@implements("VDI.set_name_label")
async def set_name_label(call: Call, vdi: str, value: str) -> None:
    repositories.require_host(call.world, call.db.get("VDI", vdi)["SR"])
    call.db.set("VDI", vdi, name_label=value)
    await _look_at(call, vdi)


@implements("VDI.set_name_description")
async def set_name_description(call: Call, vdi: str, value: str) -> None:
    repositories.require_host(call.world, call.db.get("VDI", vdi)["SR"])
    call.db.set("VDI", vdi, name_description=value)
    await _look_at(call, vdi)


def _require_halted(call: Call, vdi: str) -> None:
    """Raises VM_BAD_POWER_STATE unless all VMs with the disk are off."""
    for vbd in call.db.get("VDI", vdi)["VBDs"]:
        vm = call.db.get("VM", call.db.get("VBD", vbd)["VM"])
        if vm["power_state"] != "Halted":
            raise Failure("VM_BAD_POWER_STATE", vm.ref, "halted", vm["power_state"].lower())


@implements("VDI.set_on_boot")
async def set_on_boot(call: Call, vdi: str, value: str) -> None:
    """A disk that is to be reset at boot gets a base with all that it holds now, and a layer of its own."""
    _require_halted(call, vdi)
    async with images.working(call, vdi, "set_on_boot") as record:
        if value == "reset":
            async with collector.layers(call.world, record["SR"]):
                await volumes.erase(call, await volumes.branch(call, vdi, {}))
        call.db.set("VDI", vdi, on_boot=value)


@implements("VDI.set_allow_caching")
def set_allow_caching(call: Call, vdi: str, value: bool) -> None:
    _require_halted(call, vdi)
    call.db.set("VDI", vdi, allow_caching=value)


@implements("VDI.generate_config")
async def generate_config(call: Call, host: str, vdi: str) -> str:
    """What a host needs to attach the disk without XAPI: nothing in the lab."""
    async with images.hold(call, vdi, "generate_config"):
        membership.require_reachable(call.world, host)
        repositories.require_host(call.world, call.db.get("VDI", vdi)["SR"])
        images.require_managed(call, vdi)
        return ""


@implements("VDI.get_nbd_info")
def get_nbd_info(call: Call, vdi: str) -> list[dict[str, str]]:
    """No network of the lab serves NBD."""
    if call.db.get("VDI", vdi)["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", vdi, type_name("cbt_metadata"))
    return []


@implements("VDI.open_database")
def open_database(call: Call, vdi: str) -> None:
    kind = call.db.get("VDI", vdi)["type"]
    if kind != "metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", vdi, type_name(kind))
    raise Failure("COULD_NOT_IMPORT_DATABASE", "Not_found")


@implements("VDI.read_database_pool_uuid")
def read_database_pool_uuid(call: Call, vdi: str) -> str:
    """No disk of the lab's holds a pool's database. Whether there is such a disk is not looked at."""
    return ""


@implements("VDI.force_unlock")
async def force_unlock(call: Call, vdi: str) -> None:
    """Given up by XAPI, after its checks."""
    async with images.hold(call, vdi, "force_unlock"):
        repositories.require_host(call.world, call.db.get("VDI", vdi)["SR"])
        raise Failure("MESSAGE_DEPRECATED")


@implements("VDI.pool_introduce")
def pool_introduce(
    call: Call, uuid: str, label: str, description: str, sr: str, kind: str, sharable: bool, read_only: bool,
    other_config: dict[str, str], location: str, *fields: Any,
) -> str:  # fmt: skip
    """A record alone, as a pool has it made that another one joins. fields: those that follow in the call."""
    for vdi in call.db.get("SR", sr)["VDIs"]:
        if call.db.get("VDI", vdi)["location"] == location:
            raise Failure("LOCATION_NOT_UNIQUE", sr, location)
    if not UUID.match(uuid):
        raise Failure("UUID_INVALID", "VDI", uuid)
    if uuid in call.db.tables["VDI"].by_uuid:
        raise Failure("DB_UNIQUENESS_CONSTRAINT_VIOLATION", "VDI", "uuid", uuid)
    known = {
        "uuid": uuid, "name_label": label, "name_description": description, "SR": sr, "type": kind,
        "sharable": sharable, "read_only": read_only, "other_config": other_config, "location": location,
    }  # fmt: skip
    return volumes.register(call, {**known, **dict(zip(INTRODUCED, fields, strict=True))})
