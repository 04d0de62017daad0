# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SR: storage repositories, their space and their scan."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from lab import operations
from lab.errors import Failure
from lab.registry import implements
from lab.storage import DiskError, file_size_of_vhd
from lab.world import Call, World

#: Operations that each kind of repository has a driver for.
PBD_OPERATIONS = ["plug", "unplug", "pbd_create", "pbd_destroy"]
FILE_OPERATIONS = [
    "scan", "update", "vdi_create", "vdi_destroy", "vdi_resize", "vdi_clone", "vdi_snapshot", "vdi_mirror",
    "vdi_enable_cbt", "vdi_disable_cbt", "vdi_data_destroy", "vdi_list_changed_blocks", "vdi_set_on_boot",
]  # fmt: skip
ISO_OPERATIONS = ["scan", "vdi_clone"]
#: Operations that do not keep others from starting on the same repository.
LIGHT = ("plug", "unplug", "pbd_create", "pbd_destroy")
FILE_TYPES = ("ext", "nfs", "file", "smb")


def is_iso(world: World, sr: str) -> bool:
    return bool(world.database.get("SR", sr)["content_type"] == "iso")


def allowed_operations(world: World, sr: str) -> list[str]:
    """What the driver can do, as long as nothing else is being done there."""
    record = world.database.get("SR", sr)
    if any(name not in LIGHT for name in record["current_operations"].values()):
        return list(PBD_OPERATIONS)
    plugged = [pbd for pbd in record["PBDs"] if world.database.get("PBD", pbd)["currently_attached"]]
    return [
        *PBD_OPERATIONS,
        *(ISO_OPERATIONS if record["content_type"] == "iso" else FILE_OPERATIONS),
        *([] if plugged else ["forget"]),
    ]


def plugged_hosts(world: World, sr: str) -> list[str]:
    """Hosts that see the repository."""
    pbds = [world.database.get("PBD", pbd) for pbd in world.database.get("SR", sr)["PBDs"]]
    return [pbd["host"] for pbd in pbds if pbd["currently_attached"]]


def require_plugged(world: World, sr: str) -> None:
    if not plugged_hosts(world, sr):
        raise Failure("SR_HAS_NO_PBDS", sr)


def require_operation(world: World, sr: str, name: str) -> None:
    """Raises SR_OPERATION_NOT_SUPPORTED when the driver lacks the operation."""
    known = ISO_OPERATIONS if is_iso(world, sr) else FILE_OPERATIONS
    if name not in known:
        raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)


def operation(call: Call, sr: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the repository; all but the light ones run one at a time, and wait for one another."""
    ignored = () if name not in LIGHT else tuple(FILE_OPERATIONS)
    return operations.operation(call, "SR", sr, name, lambda: operations.clash(call, "SR", sr, (*LIGHT, *ignored)))


async def update_space(world: World, sr: str, *vdis: str) -> None:
    """Read how much the given disks take (all when none is given), and add up the repository's figures."""
    database = world.database
    existing = await world.disks.existing()
    for vdi in vdis or database.get("SR", sr)["VDIs"]:
        record = database.find("VDI", vdi)
        if record is None or record["uuid"] not in existing:
            continue
        try:
            touched = await world.disks.allocated(record["uuid"])
        except DiskError:
            # destroyed meanwhile
            continue
        iso = is_iso(world, sr)
        size = record["virtual_size"] if iso else file_size_of_vhd(record["virtual_size"], touched)
        if database.exists("VDI", vdi):
            database.set("VDI", vdi, physical_utilisation=size)
    if not database.exists("SR", sr):
        return
    records = [database.get("VDI", vdi) for vdi in database.get("SR", sr)["VDIs"]]
    database.set(
        "SR",
        sr,
        physical_utilisation=sum(record["physical_utilisation"] for record in records) + world.foreign_bytes.get(sr, 0),
        virtual_allocation=sum(record["virtual_size"] for record in records if record["managed"]),
    )


@implements("SR.scan", "SR.update")
async def scan(call: Call, sr: str) -> None:
    """Also puts read_only of writable disks back to what the file says, as VHD drivers do."""
    call.db.get("SR", sr)
    require_plugged(call.world, sr)
    async with operation(call, sr, "scan"):
        await update_space(call.world, sr)
        if not is_iso(call.world, sr):
            for vdi in call.db.get("SR", sr)["VDIs"]:
                if call.db.get("VDI", vdi)["managed"]:
                    call.db.set("VDI", vdi, read_only=False)


@implements("SR.create")
async def create(
    call: Call, host: str, device_config: dict[str, str], physical_size: int, name_label: str, name_description: str,
    type_: str, content_type: str, shared: bool, sm_config: dict[str, str],
) -> str:  # fmt: skip
    if not call.db.exists("host", host):
        raise Failure("HOST_OFFLINE", host)
    _require_type(call, type_)
    sr = _new(call, "", name_label, name_description, type_, content_type, shared, sm_config)
    call.db.set("SR", sr, physical_size=physical_size)
    hosts = [record.ref for record in call.db.all("host")] if shared else [host]
    for target in hosts:
        fields = {"host": target, "SR": sr, "device_config": device_config, "currently_attached": True}
        call.db.create("PBD", fields)
    call.world.refresh("SR", sr)
    return sr


@implements("SR.introduce")
def introduce(
    call: Call, uuid: str, name_label: str, name_description: str, type_: str, content_type: str, shared: bool,
    sm_config: dict[str, str],
) -> str:  # fmt: skip
    return _new(call, uuid, name_label, name_description, type_, content_type, shared, sm_config)


def _require_type(call: Call, type_: str) -> None:
    if not call.db.where("SM", type=type_):
        raise Failure("SR_UNKNOWN_DRIVER", type_)


def _new(
    call: Call, uuid: str, name_label: str, name_description: str, type_: str, content_type: str, shared: bool,
    sm_config: dict[str, Any],
) -> str:  # fmt: skip
    if uuid and uuid in call.db.tables["SR"].by_uuid:
        raise Failure("DB_UNIQUENESS_CONSTRAINT_VIOLATION", "SR", "uuid", uuid)
    fields = {
        "uuid": uuid, "name_label": name_label, "name_description": name_description, "type": type_,
        "content_type": content_type, "shared": shared, "sm_config": sm_config,
    }  # fmt: skip
    sr = call.db.create("SR", fields)
    call.world.refresh("SR", sr)
    return sr


def _require_unplugged(call: Call, sr: str) -> None:
    call.db.get("SR", sr)
    if plugged_hosts(call.world, sr):
        raise Failure("SR_HAS_PBD", sr)


@implements("SR.forget")
def forget(call: Call, sr: str) -> None:
    _require_unplugged(call, sr)
    for pbd in call.db.get("SR", sr)["PBDs"]:
        call.db.delete("PBD", pbd)
    for vdi in call.db.get("SR", sr)["VDIs"]:
        call.db.delete("VDI", vdi)
    call.db.delete("SR", sr)


@implements("SR.destroy")
async def destroy(call: Call, sr: str) -> None:
    _require_unplugged(call, sr)
    if not call.db.get("SR", sr)["PBDs"]:
        raise Failure("SR_HAS_NO_PBDS", sr)
    for vdi in call.db.get("SR", sr)["VDIs"]:
        await call.world.disks.destroy(call.db.get("VDI", vdi)["uuid"])
    forget(call, sr)


@implements("SR.get_supported_types")
def get_supported_types(call: Call) -> list[str]:
    return sorted({record["type"] for record in call.db.all("SM")})


@implements("SR.set_name_label")
def set_name_label(call: Call, sr: str, value: str) -> None:
    call.db.set("SR", sr, name_label=value)


@implements("SR.set_name_description")
def set_name_description(call: Call, sr: str, value: str) -> None:
    call.db.set("SR", sr, name_description=value)


@implements("SR.set_shared")
def set_shared(call: Call, sr: str, value: bool) -> None:
    call.db.set("SR", sr, shared=value)


@implements("SR.get_data_sources")
def get_data_sources(call: Call, sr: str) -> list[dict[str, str]]:
    call.db.get("SR", sr)
    return []


@implements("SR.forget_data_source_archives")
def forget_data_source_archives(call: Call, sr: str, name: str) -> None:
    call.db.get("SR", sr)


@implements("SR.probe")
def probe(call: Call, host: str, device_config: dict[str, str], type_: str, sm_config: dict[str, str]) -> str:
    """The lab has no storage to be found: an empty list."""
    _require_type(call, type_)
    return "<SRlist/>"


@implements("SR.assert_can_host_ha_statefile")
def assert_can_host_ha_statefile(call: Call, sr: str) -> None:
    require_operation(call.world, sr, "vdi_create")


@implements("SR.assert_supports_database_replication")
def assert_supports_database_replication(call: Call, sr: str) -> None:
    call.db.get("SR", sr)
    raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)
