# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VBD: the link between a VM and a disk or a disc."""

from __future__ import annotations

import re
from typing import Any

from lab import operations
from lab.database import Record
from lab.errors import Failure
from lab.hypervisor import HypervisorError
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, World

#: Types of disks that a VBD may be made of.
USABLE_TYPES = ("system", "user", "ephemeral", "suspend", "crashdump", "metadata", "rrd", "pvs_cache")
DEVICE = re.compile(r"(xvd|hd|sd)([a-z]+)")
#: Operations on a disk during which it can be attached all the same.
HARMLESS = ("mirror", "copy")


def device_number(userdevice: str) -> tuple[str, int] | None:
    """The bus (empty for the usual one) and position that a device name means; None when it is no device."""
    match = DEVICE.fullmatch(userdevice)
    if match:
        position = 0
        for letter in match.group(2):
            position = position * 26 + ord(letter) - ord("a") + 1
        return ("sd" if match.group(1) == "sd" else "", position - 1)
    if re.fullmatch(r"[+-]?(\d[\d_]*|0[xX][0-9a-fA-F]+)", userdevice):
        digits = userdevice.replace("_", "")
        return ("", int(digits, 16) if "x" in digits.lower() else int(digits))
    return None


def device_name(userdevice: str) -> str:
    """What the guest calls the device: xvda for position 0."""
    found = device_number(userdevice)
    position, letters = max(0, found[1] if found else 0) + 1, ""
    while position:
        position, letter = divmod(position - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"xvd{letters}"


def free_positions(world: World, vm: str) -> list[int]:
    """Positions that the VM's VBDs leave free; the last one (255) is the control domain's only."""
    record = world.database.get("VM", vm)
    used = {device_number(world.database.get("VBD", vbd)["userdevice"]) for vbd in record["VBDs"]}
    last = 255 if record["is_control_domain"] else 254
    return [position for position in range(last + 1) if ("", position) not in used]


def sharing_refusal(world: World, record: Record) -> Failure | None:
    """Why the disk of this VBD cannot be attached now: others write it, or read it while this one would write."""
    vdi = world.database.get("VDI", record["VDI"])
    others = [world.database.get("VBD", vbd) for vbd in vdi["VBDs"] if vbd != record.ref]
    holding = [vbd for vbd in others if _holds(world, vbd)]
    written = record["mode"] == "RW" or any(vbd["mode"] == "RW" for vbd in holding)
    if holding and written and not vdi["sharable"]:
        return Failure("VDI_IN_USE", vdi.ref)
    if record["mode"] == "RW" and vdi["read_only"]:
        return Failure("VDI_READONLY", vdi.ref)
    return None


def _holds(world: World, vbd: Record) -> bool:
    if not (vbd["currently_attached"] or vbd["current_operations"]):
        return False
    vm = world.database.find("VM", vbd["VM"])
    return vm is not None and vm["power_state"] != "Suspended" and not vm["is_control_domain"]


def attach_refusal(world: World, vbd: str, task: str = "") -> Failure | None:
    """Why the VBD cannot be attached now (at the start of its VM, or by plug)."""
    record = world.database.get("VBD", vbd)
    for other, running in record["current_operations"].items():
        if other != task:
            return Failure(operations.IN_PROGRESS, "VBD", vbd, running, other)
    if record["empty"] or record["currently_attached"]:
        return None
    vdi = world.database.get("VDI", record["VDI"])
    if not vdi["managed"]:
        return Failure("VDI_NOT_MANAGED", vbd)
    for other, running in vdi["current_operations"].items():
        if other != task and running not in HARMLESS:
            return Failure(operations.IN_PROGRESS, "VDI", vdi.ref, running, other)
    return sharing_refusal(world, record)


def allowed_operations(world: World, vbd: str) -> list[str]:
    """What the VM's state and the VBD's kind allow; sharing is not looked at, as in XAPI."""
    record = world.database.get("VBD", vbd)
    vm = world.database.find("VM", record["VM"])
    if vm is None or record["current_operations"]:
        return []
    removable = record["type"] == "CD"
    media = [("insert" if record["empty"] else "eject")] if removable else []
    if vm["power_state"] != "Running":
        return ["attach", *media] if vm["power_state"] == "Halted" else ["attach"]
    if removable and vm["domain_type"] == "hvm":
        return ["attach", *media, "pause", "unpause"]
    if record["currently_attached"]:
        unplug = ["unplug", "unplug_force"] if record["unpluggable"] else []
        return ["attach", *media, "pause", "unpause", *unplug]
    return ["attach", *media, "pause", "unpause", "plug"]


def refresh(world: World, vm: str) -> None:
    """Have the allowed operations of all VBDs of a VM, and of their disks, computed anew."""
    vbds = world.database.get("VM", vm)["VBDs"]
    world.refresh("VBD", *vbds)
    world.refresh("VDI", *(world.database.get("VBD", vbd)["VDI"] for vbd in vbds))


@implements("VBD.create")
def create(call: Call, record: dict[str, Any]) -> str:
    _check_media(call, record)
    vm = call.db.get("VM", record["VM"])
    userdevice = _choose_device(call, vm.ref, record["userdevice"])
    fields = {
        **record,
        "userdevice": userdevice,
        "device": "",
        "VDI": NULL if record["empty"] else record["VDI"],
        "currently_attached": record["currently_attached"] and vm["power_state"] == "Suspended",
    }
    return make(call, fields)


def make(call: Call, fields: dict[str, Any]) -> str:
    """A VBD and its metrics."""
    vbd = call.db.create("VBD", {**fields, "metrics": call.db.create("VBD_metrics", {})})
    call.world.refresh("VBD", vbd)
    call.world.refresh("VDI", fields["VDI"])
    return vbd


def _check_media(call: Call, record: dict[str, Any]) -> None:
    if not record["empty"]:
        vdi = call.db.get("VDI", record["VDI"])
        if vdi["type"] not in USABLE_TYPES:
            raise Failure("VDI_INCOMPATIBLE_TYPE", vdi.ref, vdi["type"])
    if record["type"] == "CD" and record["mode"] != "RO":
        raise Failure("VBD_CDS_MUST_BE_READONLY")
    if record["type"] != "CD" and record["empty"]:
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", "in constructor")
    if record["mode"] == "RW" and call.db.get("VDI", record["VDI"])["read_only"]:
        raise Failure("VDI_READONLY", record["VDI"])


def _choose_device(call: Call, vm: str, userdevice: str) -> str:
    if userdevice == "autodetect":
        free = free_positions(call.world, vm)
        if not free:
            raise Failure("INVALID_DEVICE", userdevice)
        return str(free[0])
    number = device_number(userdevice)
    if number is None:
        raise Failure("INVALID_DEVICE", userdevice)
    taken = [call.db.get("VBD", vbd)["userdevice"] for vbd in call.db.get("VM", vm)["VBDs"]]
    if number in [device_number(other) for other in taken]:
        raise Failure("DEVICE_ALREADY_EXISTS", userdevice)
    return userdevice


@implements("VBD.destroy")
def destroy(call: Call, vbd: str) -> None:
    record = call.db.get("VBD", vbd)
    if record["currently_attached"]:
        vm = call.db.get("VM", record["VM"])["uuid"]
        raise Failure("OPERATION_NOT_ALLOWED", f"VBD '{record['uuid']}' still attached to '{vm}'")
    remove(call, vbd)


def remove(call: Call, vbd: str) -> None:
    """Remove the VBD and its metrics."""
    record = call.db.get("VBD", vbd)
    if call.db.exists("VBD_metrics", record["metrics"]):
        call.db.delete("VBD_metrics", record["metrics"])
    call.db.delete("VBD", vbd)
    call.world.refresh("VDI", record["VDI"])


def _require_running(call: Call, record: Record) -> Record:
    vm = call.db.get("VM", record["VM"])
    if vm["power_state"] != "Running":
        raise Failure("VM_BAD_POWER_STATE", vm.ref, "running", vm["power_state"].lower())
    return vm


def require_drivers(call: Call, vm: Record) -> None:
    """Raises VM_MISSING_PV_DRIVERS for an HVM guest from which no agent has reported."""
    if vm["domain_type"] != "hvm":
        return
    metrics = call.db.find("VM_guest_metrics", vm["guest_metrics"])
    if metrics is None or not metrics["PV_drivers_detected"]:
        raise Failure("VM_MISSING_PV_DRIVERS", vm.ref)


@implements("VBD.plug")
async def plug(call: Call, vbd: str) -> None:
    record = call.db.get("VBD", vbd)
    vm = _require_running(call, record)
    if record["currently_attached"]:
        raise Failure("DEVICE_ALREADY_ATTACHED", vbd)
    if vm["domain_type"] == "hvm" and record["type"] == "CD":
        text = "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected"
        raise Failure("OPERATION_NOT_ALLOWED", text)
    require_drivers(call, vm)
    if vm["domain_type"] == "hvm" and record["mode"] == "RO":
        raise Failure("DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd)
    check = lambda: attach_refusal(call.world, vbd, call.task)  # noqa: E731
    async with operations.operation(call, "VBD", vbd, "plug", check):
        call.db.set("VBD", vbd, currently_attached=True, device=device_name(record["userdevice"]))
    refresh(call.world, vm.ref)


@implements("VBD.unplug", "VBD.unplug_force")
async def unplug(call: Call, vbd: str) -> None:
    record = call.db.get("VBD", vbd)
    vm = _require_running(call, record)
    if not record["currently_attached"]:
        raise Failure("DEVICE_ALREADY_DETACHED", vbd)
    require_drivers(call, vm)
    if not record["unpluggable"]:
        raise Failure("VBD_NOT_UNPLUGGABLE", vbd)
    async with operations.operation(call, "VBD", vbd, "unplug", lambda: operations.clash(call, "VBD", vbd)):
        call.db.set("VBD", vbd, currently_attached=False, device="")
    refresh(call.world, vm.ref)


@implements("VBD.insert")
async def insert(call: Call, vbd: str, vdi: str) -> None:
    record = call.db.get("VBD", vbd)
    if record["type"] != "CD":
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", vbd)
    if not record["empty"]:
        raise Failure("VBD_NOT_EMPTY", vbd)
    disk = call.db.get("VDI", vdi)
    await _change_disc(call, record, disk["uuid"])
    call.db.set("VBD", vbd, VDI=vdi, empty=False)
    _settle_disc(call, record)


@implements("VBD.eject")
async def eject(call: Call, vbd: str) -> None:
    record = call.db.get("VBD", vbd)
    if record["type"] != "CD":
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", vbd)
    if record["empty"]:
        raise Failure("VBD_IS_EMPTY", vbd)
    await _change_disc(call, record, None)
    call.db.set("VBD", vbd, VDI=NULL, empty=True)
    _settle_disc(call, record)


async def _change_disc(call: Call, record: Record, disk: str | None) -> None:
    vm = call.db.get("VM", record["VM"])
    found = device_number(record["userdevice"])
    if vm["power_state"] not in ("Running", "Paused") or not found or not record["currently_attached"]:
        return
    try:
        await call.world.hypervisor.insert(vm["uuid"], found[1], disk)
    except HypervisorError as error:
        raise Failure("INTERNAL_ERROR", str(error)) from error


def _settle_disc(call: Call, record: Record) -> None:
    """A running PV guest's drive is attached while a disc is in it, and only then."""
    vm = call.db.get("VM", record["VM"])
    if vm["power_state"] == "Running" and vm["domain_type"] != "hvm":
        call.db.set("VBD", record.ref, currently_attached=not record["empty"])
    call.world.refresh("VBD", record.ref)


@implements("VBD.set_mode")
def set_mode(call: Call, vbd: str, value: str) -> None:
    record = call.db.get("VBD", vbd)
    vm = call.db.get("VM", record["VM"])
    if vm["power_state"] != "Halted":
        raise Failure("VM_BAD_POWER_STATE", vm.ref, "halted", vm["power_state"].lower())
    call.db.set("VBD", vbd, mode=value)


@implements("VBD.assert_attachable")
def assert_attachable(call: Call, vbd: str) -> None:
    failure = attach_refusal(call.world, vbd)
    if failure:
        raise failure


@implements("VBD.pause", "VBD.unpause")
def pause(call: Call, vbd: str, *token: str) -> str:
    """Deprecated; the storage layer's business."""
    _require_running(call, call.db.get("VBD", vbd))
    return ""
