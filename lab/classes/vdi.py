# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: virtual disks."""

from __future__ import annotations

import uuid as uuids
from contextlib import AbstractAsyncContextManager
from typing import Any

from lab import operations
from lab.classes import sr as repositories
from lab.database import Record
from lab.errors import Failure, internal
from lab.registry import implements
from lab.storage import BLOCK_SIZE, DiskError
from lab.values import NULL
from lab.world import Call, World, now

#: Largest disk of a VHD repository.
LARGEST = 2040 * 1024**3
#: Operations in the order in which allowed_operations lists them, and whether an attached disk allows them:
#: "RW" always, "RO" while nobody writes, "" never.
WHILE_ATTACHED = {
    "snapshot": "RW", "clone": "RW", "copy": "RO", "resize": "", "destroy": "", "update": "", "forget": "",
    "generate_config": "",
}  # fmt: skip
#: The driver's capability that an operation needs.
NEEDS = {
    "snapshot": "vdi_snapshot", "clone": "vdi_clone", "resize": "vdi_resize", "destroy": "vdi_destroy",
    "update": "update",
}  # fmt: skip
COPIED_BY_CLONE = (
    "name_label", "name_description", "SR", "virtual_size", "type", "sharable", "other_config", "xenstore_data",
    "on_boot", "allow_caching",
)  # fmt: skip
TYPE_NAMES = {"cbt_metadata": "CBT metadata", "user": "User", "system": "System"}


def attachments(world: World, vdi: str) -> list[Record]:
    """The VBDs through which the disk is attached now."""
    vbds = [world.database.get("VBD", vbd) for vbd in world.database.get("VDI", vdi)["VBDs"]]
    return [vbd for vbd in vbds if vbd["currently_attached"]]


def refusal(world: World, vdi: str, name: str, task: str = "") -> Failure | None:
    """Why an operation cannot be done with the disk now."""
    record = world.database.get("VDI", vdi)
    for other, running in record["current_operations"].items():
        if other != task and not (running == "copy" and name in ("copy", "clone", "snapshot")):
            return Failure(operations.IN_PROGRESS, "VDI", vdi, running, other)
    if name == "resize" and not repositories.plugged_hosts(world, record["SR"]):
        return Failure("SR_HAS_NO_PBDS", record["SR"])
    attached = attachments(world, vdi)
    permitted = WHILE_ATTACHED.get(name, "")
    if attached and (permitted == "" or (permitted == "RO" and any(vbd["mode"] == "RW" for vbd in attached))):
        return Failure("VDI_IN_USE", vdi, name)
    busy = _busy_attachment(world, record, task)
    if busy:
        return busy
    if name in NEEDS and NEEDS[name] not in _driver(world, record["SR"]):
        return Failure("SR_OPERATION_NOT_SUPPORTED", record["SR"])
    return _special_refusal(record, vdi, name)


def _busy_attachment(world: World, record: Record, task: str) -> Failure | None:
    for vbd in record["VBDs"]:
        for other, running in world.database.get("VBD", vbd)["current_operations"].items():
            if other != task:
                return Failure(operations.IN_PROGRESS, "VDI", record.ref, running, other)
    return None


def _special_refusal(record: Record, vdi: str, name: str) -> Failure | None:
    if record["type"] == "cbt_metadata" and name in ("snapshot", "clone", "copy", "resize"):
        return Failure("VDI_INCOMPATIBLE_TYPE", vdi, TYPE_NAMES["cbt_metadata"])
    if name == "destroy" and record["type"] == "rrd":
        return Failure("VDI_HAS_RRDS", vdi)
    if name == "destroy" and record["type"] in ("ha_statefile", "redo_log"):
        return None
    if name == "snapshot" and record["sharable"]:
        return Failure("VDI_IS_SHARABLE", vdi)
    if name in ("snapshot", "copy") and record["on_boot"] == "reset":
        return Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    return None


def _driver(world: World, sr: str) -> list[str]:
    return repositories.ISO_OPERATIONS if repositories.is_iso(world, sr) else repositories.FILE_OPERATIONS


def allowed_operations(world: World, vdi: str) -> list[str]:
    return [name for name in WHILE_ATTACHED if refusal(world, vdi, name) is None]


def hold(call: Call, vdi: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the disk."""
    return operations.operation(call, "VDI", vdi, name, lambda: refusal(call.world, vdi, name, call.task))


def require_managed(call: Call, vdi: str) -> Record:
    record = call.db.get("VDI", vdi)
    if not record["managed"]:
        raise Failure("VDI_NOT_MANAGED", vdi)
    return record


@implements("VDI.create")
async def create(call: Call, record: dict[str, Any]) -> str:
    sr = record["SR"]
    call.db.get("SR", sr)
    if record["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", "", TYPE_NAMES["cbt_metadata"])
    repositories.require_plugged(call.world, sr)
    repositories.require_operation(call.world, sr, "vdi_create")
    size = rounded(record["virtual_size"])
    async with repositories.operation(call, sr, "vdi_create"):
        return await make(call, {**record, "virtual_size": size})


def rounded(size: int) -> int:
    """The size that a disk gets: whole blocks, at least one. Raises what the driver says of impossible ones."""
    if size < 0:
        raise internal('Storage_error ([S(Internal_error);S(Failure("Int64.of_string"))])')
    if size > LARGEST:
        text = f"VDI Invalid size [opterr=VDI size must be between 1 MB and {LARGEST // 1024**2} MB]"
        raise Failure("SR_BACKEND_FAILURE_79", "", text, "")
    return max(BLOCK_SIZE, -(-size // BLOCK_SIZE) * BLOCK_SIZE)


async def make(call: Call, fields: dict[str, Any]) -> str:
    """A new empty disk and its record; the caller holds the repository."""
    uuid = str(uuids.uuid4())
    await call.world.disks.create(uuid, fields["virtual_size"])
    vdi = register(call, {**fields, "uuid": uuid})
    await repositories.update_space(call.world, fields["SR"], vdi)
    return vdi


def register(call: Call, fields: dict[str, Any]) -> str:
    """The record of a disk whose data exists."""
    vdi = call.db.create("VDI", {"managed": True, "location": fields["uuid"], **fields})
    call.world.refresh("VDI", vdi)
    return vdi


@implements("VDI.destroy")
async def destroy(call: Call, vdi: str) -> None:
    """Also removes the VBDs that halted VMs have of the disk."""
    record = require_managed(call, vdi)
    repositories.require_plugged(call.world, record["SR"])
    async with repositories.operation(call, record["SR"], "vdi_destroy"), hold(call, vdi, "destroy"):
        await erase(call, vdi)


async def erase(call: Call, vdi: str) -> None:
    """Free the disk and every base below it that nobody needs any more."""
    record = call.db.get("VDI", vdi)
    for vbd in record["VBDs"]:
        call.db.delete("VBD", vbd)
    await call.world.disks.destroy(record["uuid"])
    call.db.delete("VDI", vdi)
    await _collect(call, record)
    await repositories.update_space(call.world, record["SR"], NULL)


async def _collect(call: Call, record: Record) -> None:
    parent = record["sm_config"].get("vhd-parent")
    if not parent or any(other["sm_config"].get("vhd-parent") == parent for other in call.db.all("VDI")):
        return
    base = call.db.find("VDI", call.db.tables["VDI"].by_uuid.get(parent, NULL))
    if base and not base["managed"]:
        await call.world.disks.destroy(base["uuid"])
        call.db.delete("VDI", base.ref)
        await _collect(call, base)


@implements("VDI.forget")
async def forget(call: Call, vdi: str) -> None:
    require_managed(call, vdi)
    async with hold(call, vdi, "forget"):
        call.db.delete("VDI", vdi)


@implements("VDI.clone")
async def clone(call: Call, vdi: str, driver_params: dict[str, str]) -> str:
    record = require_managed(call, vdi)
    repositories.require_plugged(call.world, record["SR"])
    async with repositories.operation(call, record["SR"], "vdi_clone"), hold(call, vdi, "clone"):
        return await branch(call, vdi, {})


@implements("VDI.snapshot")
async def snapshot(call: Call, vdi: str, driver_params: dict[str, str]) -> str:
    record = require_managed(call, vdi)
    repositories.require_plugged(call.world, record["SR"])
    async with repositories.operation(call, record["SR"], "vdi_snapshot"), hold(call, vdi, "snapshot"):
        return await branch(call, vdi, {"is_a_snapshot": True, "snapshot_of": vdi})


async def branch(call: Call, vdi: str, changes: dict[str, Any]) -> str:
    """A new child of what the disk holds now; the disk itself becomes a child of that, too."""
    record, child = call.db.get("VDI", vdi), str(uuids.uuid4())
    base = record["sm_config"].get("vhd-parent", "")
    if not base or await call.world.disks.allocated(record["uuid"]):
        base = await _push_down(call, record, child)
    else:
        await call.world.disks.clone(base, child)
    fields = {name: record[name] for name in COPIED_BY_CLONE}
    sm_config = {"vhd-parent": base}
    new = register(call, {**fields, "uuid": child, "sm_config": sm_config, "snapshot_time": now(), **changes})
    refs = [new, vdi, call.db.by_uuid("VDI", base)]
    await repositories.update_space(call.world, record["SR"], *refs)
    return new


async def _push_down(call: Call, record: Record, child: str) -> str:
    """Turn the disk's data into a hidden base below the disk and the child; its uuid."""
    base = str(uuids.uuid4())
    await call.world.disks.snapshot(record["uuid"], base, child)
    parent = record["sm_config"].get("vhd-parent")
    fields = {
        "uuid": base, "location": base, "name_label": "base copy", "SR": record["SR"], "type": record["type"],
        "virtual_size": record["virtual_size"], "managed": False, "read_only": True,
        "sm_config": {"vhd-parent": parent} if parent else {},
    }  # fmt: skip
    call.db.create("VDI", fields)
    call.db.put("VDI", record.ref, "sm_config", "vhd-parent", base)
    return base


@implements("VDI.copy")
async def copy(call: Call, vdi: str, sr: str, base_vdi: str, into_vdi: str) -> str:
    """A full copy, into a new disk on sr, or into an existing one (sr does not count then)."""
    record = require_managed(call, vdi)
    if into_vdi == NULL:
        call.db.get("SR", sr)
    if not repositories.plugged_hosts(call.world, record["SR"]):
        raise internal("Not_found")
    target_sr = sr if into_vdi == NULL else call.db.get("VDI", into_vdi)["SR"]
    async with hold(call, vdi, "copy"):
        if into_vdi == NULL:
            repositories.require_plugged(call.world, target_sr)
            repositories.require_operation(call.world, target_sr, "vdi_create")
            async with repositories.operation(call, target_sr, "vdi_create"):
                fields = {name: record[name] for name in (*COPIED_BY_CLONE, "tags")}
                into_vdi = await make(call, {**fields, "SR": target_sr, "on_boot": "persist"})
        await _copy_data(call, record, into_vdi)
    await repositories.update_space(call.world, target_sr, into_vdi)
    return into_vdi


async def _copy_data(call: Call, record: Record, into_vdi: str) -> None:
    target = call.db.get("VDI", into_vdi)
    if target["read_only"]:
        raise Failure("VDI_READONLY", into_vdi)
    if target["virtual_size"] < record["virtual_size"]:
        raise Failure("VDI_TOO_SMALL", into_vdi, record["virtual_size"])
    try:
        await call.world.disks.copy(record["uuid"], target["uuid"])
    except DiskError as error:
        raise Failure("VDI_IO_ERROR", str(error)) from error


@implements("VDI.resize")
async def resize(call: Call, vdi: str, size: int) -> None:
    record = require_managed(call, vdi)
    async with repositories.operation(call, record["SR"], "vdi_resize"), hold(call, vdi, "resize"):
        wanted = rounded(size)
        if wanted < record["virtual_size"]:
            text = "VDI Invalid size [opterr=shrinking not allowed]"
            raise Failure("SR_BACKEND_FAILURE_79", "", text, "")
        await call.world.disks.resize(record["uuid"], wanted)
        call.db.set("VDI", vdi, virtual_size=wanted)
    await repositories.update_space(call.world, record["SR"], vdi)


@implements("VDI.resize_online")
def resize_online(call: Call, vdi: str, size: int) -> None:
    raise Failure("SR_OPERATION_NOT_SUPPORTED", call.db.get("VDI", vdi)["SR"])


@implements("VDI.update")
async def update(call: Call, vdi: str) -> None:
    record = require_managed(call, vdi)
    async with hold(call, vdi, "update"):
        await repositories.update_space(call.world, record["SR"], vdi)


@implements("VDI.set_name_label")
def set_name_label(call: Call, vdi: str, value: str) -> None:
    _require_reachable(call, vdi)
    call.db.set("VDI", vdi, name_label=value)


@implements("VDI.set_name_description")
def set_name_description(call: Call, vdi: str, value: str) -> None:
    _require_reachable(call, vdi)
    call.db.set("VDI", vdi, name_description=value)


def _require_reachable(call: Call, vdi: str) -> None:
    repositories.require_plugged(call.world, call.db.get("VDI", vdi)["SR"])


@implements("VDI.set_on_boot")
async def set_on_boot(call: Call, vdi: str, value: str) -> None:
    require_managed(call, vdi)
    async with hold(call, vdi, "set_on_boot"):
        call.db.set("VDI", vdi, on_boot=value)


@implements("VDI.set_allow_caching")
def set_allow_caching(call: Call, vdi: str, value: bool) -> None:
    call.db.set("VDI", vdi, allow_caching=value)


@implements("VDI.enable_cbt")
def enable_cbt(call: Call, vdi: str) -> None:
    if call.db.get("VDI", vdi)["is_a_snapshot"]:
        raise Failure("OPERATION_NOT_ALLOWED", f"VDI is a snapshot: {vdi}")
    call.db.set("VDI", vdi, cbt_enabled=True)


@implements("VDI.disable_cbt")
def disable_cbt(call: Call, vdi: str) -> None:
    call.db.set("VDI", vdi, cbt_enabled=False)


@implements("VDI.data_destroy")
def data_destroy(call: Call, vdi: str) -> None:
    record = call.db.get("VDI", vdi)
    if not record["is_a_snapshot"]:
        raise Failure("OPERATION_NOT_ALLOWED", f"VDI is not a snapshot: {vdi}")
    raise Failure("VDI_NO_CBT_METADATA", vdi)


@implements("VDI.get_nbd_info")
def get_nbd_info(call: Call, vdi: str) -> list[dict[str, str]]:
    """No network of the lab serves NBD."""
    call.db.get("VDI", vdi)
    return []


@implements("VDI.generate_config")
def generate_config(call: Call, host: str, vdi: str) -> str:
    call.db.get("host", host)
    call.db.get("VDI", vdi)
    return ""


@implements("VDI.open_database")
def open_database(call: Call, vdi: str) -> None:
    kind = call.db.get("VDI", vdi)["type"]
    raise Failure("VDI_INCOMPATIBLE_TYPE", vdi, TYPE_NAMES.get(kind, kind.capitalize()))
