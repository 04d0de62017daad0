# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VBD: the link between a VM and a disk or a disc; its devices, and when what may be done with it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from lab import devices, operations
from lab.database import Record
from lab.errors import Failure
from lab.repositories import space
from lab.values import NULL
from lab.world import Call, World

#: All operations, in the order in which allowed_operations lists them.
OPERATIONS = ("attach", "eject", "unplug", "unplug_force", "insert", "plug", "pause", "unpause")
UNPLUGGING = ("unplug", "unplug_force")
PLUGGING = ("plug", *UNPLUGGING)
#: Operations for which the disk must be to be had.
ATTACHING = ("attach", "insert", "plug")
PAUSING = ("pause", "unpause")
FLOPPY_DRIVES = 2
#: Operations of a VM during which nothing is plugged or unplugged.
ENDING = ("clean_shutdown", "hard_shutdown", "suspend", "pause")
#: Operations on a disk during which it can be attached all the same.
HARMLESS = ("mirror", "copy")


def position(record: Record) -> int:
    """Where the guest has the VBD's device, from 0."""
    return devices.position(record["userdevice"])


def taken_devices(world: World, vm: str) -> set[devices.Device]:
    """All devices that the names of the VM's VBDs may stand for."""
    vbds = [world.database.get("VBD", vbd) for vbd in world.database.get("VM", vm)["VBDs"]]
    names = [vbd[name] for vbd in vbds for name in ("userdevice", "device")]
    return {device for name in names for device in devices.meanings(name)}


def free_positions(world: World, vm: str, kind: str = "Disk") -> list[int]:
    """Positions that the VM's VBDs leave free for one of that type.

    The last one (255) is the control domain's only; guests with emulated devices have two floppy drives, others none.
    """
    record = world.database.get("VM", vm)
    emulated, of_host = record["domain_type"] == "hvm", record["is_control_domain"]
    if kind == "Floppy" and not of_host:
        known = [devices.Device("floppy", disk) for disk in range(FLOPPY_DRIVES if emulated else 0)]
    else:
        known = [devices.numbered(disk, emulated and not of_host) for disk in range(256 if of_host else 255)]
    taken = taken_devices(world, vm)
    return [device.disk for device in known if device not in taken]


def refusal(world: World, vbd: str, name: str, task: str = "", sharing: bool = True) -> Failure | None:
    """Why an operation cannot be done with the VBD now; without sharing, who else has the disk does not count."""
    record = world.database.get("VBD", vbd)
    vm = world.database.get("VM", record["VM"])
    return (
        _clash(record, name, task)
        or _unsuitable(record, name)
        or _power_refusal(record, vm, name)
        or _ending(vm, name, task)
        or _guest_refusal(world, record, vm, name)
        or _suspended(record, vm, name)
        or _disk_refusal(world, record, vm, name, task, sharing)
    )


def _clash(record: Record, name: str, task: str) -> Failure | None:
    """What is paused can be resumed while it is attached, as in a reboot."""
    harmless = {"pause": PAUSING, "unpause": ("attach", *PAUSING)}.get(name, ())
    for other, running in record["current_operations"].items():
        if other != task and running not in harmless:
            return Failure(operations.IN_PROGRESS, "VBD", record.ref, running, other)
    return None


def _unsuitable(record: Record, name: str) -> Failure | None:
    if name in UNPLUGGING and not record["unpluggable"]:
        return Failure("VBD_NOT_UNPLUGGABLE", record.ref)
    if name in ("insert", "eject") and record["type"] != "CD":
        return Failure("VBD_NOT_REMOVABLE_MEDIA", record.ref)
    if name == "eject" and record["empty"]:
        return Failure("VBD_IS_EMPTY", record.ref)
    if name == "insert" and not record["empty"]:
        return Failure("VBD_NOT_EMPTY", record.ref)
    return None


def _power_refusal(record: Record, vm: Record, name: str) -> Failure | None:
    state = vm["power_state"]
    if state == "Running":
        if name == "plug" and record["currently_attached"]:
            return Failure("DEVICE_ALREADY_ATTACHED", record.ref)
        if name in UNPLUGGING and not record["currently_attached"]:
            return Failure("DEVICE_ALREADY_DETACHED", record.ref)
        return None
    if name in PLUGGING or (name in PAUSING and state != "Paused"):
        return Failure("VM_BAD_POWER_STATE", vm.ref, "running", state.lower())
    return None


def _ending(vm: Record, name: str, task: str) -> Failure | None:
    for other, running in vm["current_operations"].items():
        if name in ("plug", "unplug") and running in ENDING and other != task:
            return Failure("OPERATION_NOT_ALLOWED", f"Current operation on VM:{vm.ref} is {running}")
    return None


def _guest_refusal(world: World, record: Record, vm: Record, name: str) -> Failure | None:
    """Plugging is done by the drivers of an HVM guest, if it has any; discs are changed without them."""
    if name not in PLUGGING or vm["power_state"] != "Running" or vm["domain_type"] != "hvm":
        return None
    failure = driver_refusal(world, vm)
    if failure:
        return failure
    if record["type"] == "CD":
        text = "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected"
        return Failure("OPERATION_NOT_ALLOWED", text)
    return None


def driver_refusal(world: World, vm: Record) -> Failure | None:
    """Why disks cannot be plugged into a running HVM guest: no agent has reported, or it says that it cannot."""
    metrics = world.database.find("VM_guest_metrics", vm["guest_metrics"])
    able = metrics["can_use_hotplug_vbd"] if metrics else "unspecified"
    if able == "yes" or (metrics and able == "unspecified" and metrics["PV_drivers_detected"]):
        return None
    if able == "no":
        return Failure("OPERATION_NOT_ALLOWED", "VM states it does not support VBD hotplug.")
    return Failure("VM_MISSING_PV_DRIVERS", vm.ref)


def require_drivers(call: Call, vm: Record) -> None:
    """Raises VM_MISSING_PV_DRIVERS for an HVM guest from which no agent has reported."""
    metrics = call.db.find("VM_guest_metrics", vm["guest_metrics"])
    if vm["domain_type"] == "hvm" and not (metrics and metrics["PV_drivers_detected"]):
        raise Failure("VM_MISSING_PV_DRIVERS", vm.ref)


def _suspended(record: Record, vm: Record, name: str) -> Failure | None:
    if name in ("insert", "eject") and record["type"] == "CD" and vm["power_state"] == "Suspended":
        return Failure("VM_BAD_POWER_STATE", vm.ref, "halted, running", "suspended")
    return None


def _disk_refusal(
    world: World, record: Record, vm: Record, name: str, task: str, sharing: bool
) -> Failure | None:  # fmt: skip
    if record["empty"]:
        return None
    vdi = world.database.get("VDI", record["VDI"])
    if not vdi["managed"]:
        return Failure("VDI_NOT_MANAGED", record.ref)
    if name not in ATTACHING:
        return None
    for other, running in vdi["current_operations"].items():
        if other != task and running not in HARMLESS:
            return Failure(operations.IN_PROGRESS, "VDI", vdi.ref, running, other)
    if vdi["uuid"] in world.merging:
        return Failure(operations.IN_PROGRESS, "VDI", vdi.ref, "update", NULL)
    if record["currently_attached"] or not sharing:
        return None
    return _sharing_refusal(world, record, vm)


def _sharing_refusal(world: World, record: Record, vm: Record) -> Failure | None:
    """Others write the disk, or read it while this one would write."""
    vdi = world.database.get("VDI", record["VDI"])
    if not vdi["sharable"] and not vm["is_control_domain"]:
        others = (world.database.get("VBD", vbd) for vbd in vdi["VBDs"] if vbd != record.ref)
        # Readers are only in the way of who writes: of a disk that a thousand read, they need not be looked at.
        if any(_holds(world, vbd) for vbd in others if "RW" in (record["mode"], vbd["mode"])):
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
    """Why the VBD cannot be attached now, at the start of its VM."""
    return refusal(world, vbd, "attach", task)


def allowed_operations(world: World, vbd: str) -> list[str]:
    """What the VM's state and the VBD's kind allow; sharing is not looked at, as in XAPI."""
    record = world.database.get("VBD", vbd)
    if not world.database.exists("VM", record["VM"]):
        return []
    if not record["empty"] and not world.database.exists("VDI", record["VDI"]):
        return []
    return [name for name in OPERATIONS if refusal(world, vbd, name, sharing=False) is None]


def hold(call: Call, vbd: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the VBD."""
    return operations.operation(call, "VBD", vbd, name, lambda: refusal(call.world, vbd, name, call.task))


def refresh(world: World, vm: str) -> None:
    """Have the allowed operations of all VBDs of a VM, and of their disks, computed anew."""
    vbds = world.database.get("VM", vm)["VBDs"]
    vdis = [world.database.get("VBD", vbd)["VDI"] for vbd in vbds]
    world.refresh("VBD", *vbds)
    world.refresh("VDI", *vdis)
    for vdi in vdis:
        space.update_if_inflated_or_deflated(world, vdi)


def make(call: Call, fields: dict[str, Any]) -> str:
    """A VBD and its metrics."""
    vbd = call.db.create("VBD", {**fields, "metrics": call.db.create("VBD_metrics", {})})
    call.world.refresh("VBD", vbd)
    call.world.refresh("VDI", fields["VDI"])
    return vbd


def remove(call: Call, vbd: str) -> None:
    """Remove the VBD and its metrics."""
    record = call.db.get("VBD", vbd)
    if call.db.exists("VBD_metrics", record["metrics"]):
        call.db.delete("VBD_metrics", record["metrics"])
    call.db.delete("VBD", vbd)
    call.world.refresh("VDI", record["VDI"])
