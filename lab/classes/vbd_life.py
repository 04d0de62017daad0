# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VBD: made, changed and destroyed."""

from __future__ import annotations

from typing import Any

from lab import devices, operations
from lab.classes import vbd as disks
from lab.classes.vdi import type_name
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: Types of disks that a VBD may be made of.
USABLE_TYPES = ("system", "user", "ephemeral", "suspend", "crashdump", "metadata", "rrd", "pvs_cache")


@implements("VBD.create")
def create(call: Call, record: dict[str, Any]) -> str:
    _check_media(call, record)
    vm = call.db.get("VM", record["VM"])
    for task, running in vm["current_operations"].items():
        if running in ("migrate_send", "pool_migrate"):
            raise Failure(operations.IN_PROGRESS, "VM", vm.ref, running, task)
    userdevice = _choose_device(call, vm.ref, record["userdevice"], record["type"])
    fields = {
        **record,
        "userdevice": userdevice,
        "device": "",
        "VDI": NULL if record["empty"] else record["VDI"],
        "currently_attached": record["currently_attached"] and vm["power_state"] == "Suspended",
    }
    return disks.make(call, fields)


def _check_media(call: Call, record: dict[str, Any]) -> None:
    if not record["empty"]:
        vdi = call.db.get("VDI", record["VDI"])
        if vdi["type"] not in USABLE_TYPES:
            raise Failure("VDI_INCOMPATIBLE_TYPE", vdi.ref, type_name(vdi["type"]))
    if record["type"] == "CD" and record["mode"] != "RO":
        raise Failure("VBD_CDS_MUST_BE_READONLY")
    if record["type"] != "CD" and record["empty"]:
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", "in constructor")
    if record["mode"] == "RW" and call.db.get("VDI", record["VDI"])["read_only"]:
        raise Failure("VDI_READONLY", record["VDI"])


def _choose_device(call: Call, vm: str, userdevice: str, kind: str) -> str:
    if userdevice == "autodetect":
        free = disks.free_positions(call.world, vm, kind)
        if not free:
            raise Failure("INVALID_DEVICE", userdevice)
        userdevice = str(free[0])
    wanted = devices.meanings(userdevice)
    if not wanted:
        raise Failure("INVALID_DEVICE", userdevice)
    if wanted & disks.taken_devices(call.world, vm):
        raise Failure("DEVICE_ALREADY_EXISTS", userdevice)
    return userdevice


@implements("VBD.destroy")
def destroy(call: Call, vbd: str) -> None:
    record = call.db.get("VBD", vbd)
    if record["currently_attached"]:
        vm = call.db.get("VM", record["VM"])["uuid"]
        raise Failure("OPERATION_NOT_ALLOWED", f"VBD '{record['uuid']}' still attached to '{vm}'")
    disks.remove(call, vbd)


@implements("VBD.set_mode")
def set_mode(call: Call, vbd: str, value: str) -> None:
    record = call.db.get("VBD", vbd)
    vm = call.db.get("VM", record["VM"])
    if vm["power_state"] != "Halted":
        raise Failure("VM_BAD_POWER_STATE", vm.ref, "halted", vm["power_state"].lower())
    call.db.set("VBD", vbd, mode=value)


@implements("VBD.assert_attachable")
def assert_attachable(call: Call, vbd: str) -> None:
    failure = disks.attach_refusal(call.world, vbd)
    if failure:
        raise failure
