# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: what may be done in which state; create, destroy and the plain setters."""

from __future__ import annotations

import uuid as uuids
from contextlib import AbstractAsyncContextManager
from typing import Any

from lab import generated, operations
from lab.classes import vbd as disks
from lab.classes import vif as interfaces
from lab.classes import vm_memory
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, World

HALTED, RUNNING = ("Halted",), ("Running",)
ALL = ("Halted", "Paused", "Suspended", "Running")
#: The states in which an operation can begin, in the order in which the error text lists them.
STATES: dict[str, tuple[str, ...]] = {
    "start": HALTED, "start_on": HALTED, "provision": HALTED, "make_into_template": HALTED,
    "changing_static_range": HALTED, "changing_shadow_memory": HALTED, "changing_VCPUs": HALTED,
    "changing_NVRAM": HALTED, "create_vtpm": HALTED, "clone": HALTED, "copy": HALTED,
    "changing_dynamic_range": ("Halted", "Running"),
    "destroy": ("Halted", "Suspended"), "export": ("Halted", "Suspended"),
    "migrate_send": ("Halted", "Suspended", "Running"),
    "pause": RUNNING, "clean_shutdown": RUNNING, "clean_reboot": RUNNING, "suspend": RUNNING, "pool_migrate": RUNNING,
    "changing_VCPUs_live": RUNNING, "changing_memory_live": RUNNING, "awaiting_memory_live": RUNNING,
    "changing_shadow_memory_live": RUNNING, "send_sysrq": RUNNING, "send_trigger": RUNNING,
    "unpause": ("Paused",), "resume": ("Suspended",), "resume_on": ("Suspended",),
    "hard_reboot": ("Paused", "Running"), "hard_shutdown": ("Paused", "Suspended", "Running"),
    "shutdown": ("Paused", "Suspended", "Running"), "checkpoint": ("Paused", "Suspended", "Running"),
    "snapshot": ALL, "revert": ALL, "metadata_export": ALL, "power_state_reset": ALL,
}  # fmt: skip
#: What allowed_operations tells of, in its order.
LISTED = (
    "create_vtpm", "destroy", "metadata_export", "export", "make_into_template", "changing_NVRAM",
    "changing_shadow_memory", "changing_static_range", "changing_dynamic_range", "migrate_send", "pool_migrate",
    "resume_on", "resume", "suspend", "hard_reboot", "hard_shutdown", "clean_reboot", "clean_shutdown", "unpause",
    "pause", "start_on", "start", "provision", "checkpoint", "revert", "copy", "clone", "snapshot",
)  # fmt: skip
TEMPLATE_OPERATIONS = {
    "changing_NVRAM", "changing_dynamic_range", "changing_shadow_memory", "changing_static_range", "changing_VCPUs",
    "clone", "copy", "destroy", "export", "metadata_export", "migrate_send", "provision",
}  # fmt: skip
SNAPSHOT_OPERATIONS = {"clone", "copy", "destroy", "export", "metadata_export", "revert"}
#: What a guest's agent must have announced before an operation is possible.
FEATURES = {
    "clean_shutdown": "feature-shutdown", "clean_reboot": "feature-reboot", "suspend": "feature-suspend",
    "checkpoint": "feature-suspend", "pool_migrate": "feature-suspend", "migrate_send": "feature-suspend",
}  # fmt: skip

#: What does not wait for the operations that it makes pointless.
OVERRIDES = {
    "hard_shutdown": ("clean_shutdown", "clean_reboot", "shutdown"),
    "hard_reboot": ("clean_shutdown", "clean_reboot", "shutdown"),
}


def bad_power_state(record: Record, expected: tuple[str, ...]) -> Failure:
    wanted = ", ".join(state.lower() for state in expected)
    return Failure("VM_BAD_POWER_STATE", record.ref, wanted, record["power_state"].lower())


def refusal(world: World, vm: str, name: str, task: str = "") -> Failure | None:
    """Why an operation cannot begin now; the checks and their order are XAPI's."""
    record = world.database.get("VM", vm)
    if name in record["blocked_operations"]:
        return Failure("OPERATION_BLOCKED", vm, record["blocked_operations"][name])
    if record["power_state"] not in STATES.get(name, ALL):
        return bad_power_state(record, STATES[name])
    for other, running in record["current_operations"].items():
        if other != task and running not in OVERRIDES.get(name, ()):
            return Failure(operations.IN_PROGRESS, "VM", vm, running, other)
    if record["is_a_snapshot"]:
        return None if name in SNAPSHOT_OPERATIONS else Failure("VM_IS_SNAPSHOT", vm, name)
    if record["is_a_template"] and name not in TEMPLATE_OPERATIONS:
        return Failure("VM_IS_TEMPLATE", vm, name)
    return _special_refusal(world, record, name)


def _special_refusal(world: World, record: Record, name: str) -> Failure | None:
    if name == "provision" and not record["is_a_template"]:
        return Failure("PROVISION_ONLY_ALLOWED_ON_TEMPLATE")
    if name == "revert":
        return Failure("VM_REVERT_FAILED", record.ref, NULL)
    if name in ("destroy", "migrate_send") and record["is_default_template"]:
        return Failure("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", record.ref)
    if record["is_control_domain"] and name not in ("metadata_export",):
        return Failure("OPERATION_NOT_ALLOWED", "Operation not permitted on control domain.")
    if name in FEATURES and record["power_state"] == "Running":
        return _feature_refusal(world, record, FEATURES[name])
    return None


def _feature_refusal(world: World, record: Record, feature: str) -> Failure | None:
    if record["domain_type"] != "hvm":
        return None
    metrics = world.database.find("VM_guest_metrics", record["guest_metrics"])
    if metrics is None or metrics["other"].get(feature) != "1":
        return Failure("VM_LACKS_FEATURE", record.ref)
    return None


def allowed_operations(world: World, vm: str) -> list[str]:
    return [name for name in LISTED if refusal(world, vm, name) is None]


def hold(call: Call, vm: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the VM, from the moment that its state allows it."""
    return operations.operation(call, "VM", vm, name, lambda: refusal(call.world, vm, name, call.task))


def refresh(world: World, vm: str) -> None:
    """Have the allowed operations of the VM and all its devices computed anew."""
    world.refresh("VM", vm)
    world.refresh("VIF", *world.database.get("VM", vm)["VIFs"])
    disks.refresh(world, vm)


def domain_type(record: dict[str, Any]) -> str:
    """hvm or pv, going by the boot policy when the record leaves it open."""
    if record.get("domain_type", "unspecified") != "unspecified":
        return str(record["domain_type"])
    return "hvm" if record["HVM_boot_policy"] else "pv"


@implements("VM.create")
def create(call: Call, record: dict[str, Any]) -> str:
    if record["power_state"] == "Suspended" and record["suspend_VDI"] == NULL:
        raise Failure("VM_BAD_POWER_STATE", f"OpaqueRef:{uuids.uuid4()}", "halted", "suspended")
    hvm = domain_type(record) == "hvm"
    fields = {
        **record,
        "power_state": "Halted",
        "blocked_operations": {},
        "domid": -1,
        "domain_type": domain_type(record),
        "has_vendor_device": hvm,
        "hardware_platform_version": 2 if hvm else record["hardware_platform_version"],
        "memory_overhead": vm_memory.overhead(record),
        "metrics": new_metrics(call),
        "other_config": {"mac_seed": str(uuids.uuid4()), **record["other_config"]},
    }
    vm = call.db.create("VM", fields)
    call.world.refresh("VM", vm)
    return vm


def new_metrics(call: Call) -> str:
    """The metrics object of a VM that has never run."""
    return call.db.create("VM_metrics", {"VCPUs_utilisation": {"0": 0.0}})


@implements("VM.destroy")
async def destroy(call: Call, vm: str) -> None:
    """Removes the VM, its VBDs and VIFs; disks stay."""
    async with hold(call, vm, "destroy"):
        remove(call, vm)


def remove(call: Call, vm: str) -> None:
    """Remove the VM's record and what belongs to it alone."""
    record = call.db.get("VM", vm)
    for vbd in record["VBDs"]:
        disks.remove(call, vbd)
    for vif in record["VIFs"]:
        interfaces.remove(call, vif)
    for cls, ref in [("VM_metrics", record["metrics"]), ("VM_guest_metrics", record["guest_metrics"])]:
        if call.db.exists(cls, ref):
            call.db.delete(cls, ref)
    for console in record["consoles"]:
        call.db.delete("console", console)
    for child in record["children"]:
        call.db.set("VM", child, parent=record["parent"])
    call.db.delete("VM", vm)


@implements("VM.set_is_a_template")
def set_is_a_template(call: Call, vm: str, value: bool) -> None:
    record = call.db.get("VM", vm)
    if value:
        failure = refusal(call.world, vm, "make_into_template")
        if failure:
            raise failure
        if call.db.exists("VM_appliance", record["appliance"]):
            raise Failure("VM_IS_PART_OF_AN_APPLIANCE", vm, record["appliance"])
        _remove_metrics(call, record)
    call.db.set("VM", vm, is_a_template=value, is_default_template=record["is_default_template"] and value)
    refresh(call.world, vm)


def _remove_metrics(call: Call, record: Record) -> None:
    if record["metrics"] == NULL:
        raise Failure("HANDLE_INVALID", "VM_metrics", NULL)
    call.db.delete("VM_metrics", record["metrics"])
    if call.db.exists("VM_guest_metrics", record["guest_metrics"]):
        call.db.delete("VM_guest_metrics", record["guest_metrics"])
    call.db.set("VM", record.ref, metrics=NULL, guest_metrics=NULL, groups=[])


@implements("VM.set_is_default_template")
def set_is_default_template(call: Call, vm: str, value: bool) -> None:
    if value:
        set_is_a_template(call, vm, True)
        call.db.put("VM", vm, "other_config", "default_template", "true")
    else:
        call.db.drop("VM", vm, "other_config", "default_template")
    call.db.set("VM", vm, is_default_template=value, ha_always_run=False)
    call.world.refresh("VM", vm)


@implements("VM.update_allowed_operations")
def update_allowed_operations(call: Call, vm: str) -> None:
    call.db.get("VM", vm)
    call.world.refresh("VM", vm)


@implements("VM.assert_operation_valid")
def assert_operation_valid(call: Call, vm: str, name: str) -> None:
    failure = refusal(call.world, vm, name)
    if failure:
        raise failure


@implements("VM.set_blocked_operations")
def set_blocked_operations(call: Call, vm: str, value: dict[str, str]) -> None:
    call.db.set("VM", vm, blocked_operations=value)
    call.world.refresh("VM", vm)


@implements("VM.add_to_blocked_operations")
def add_to_blocked_operations(call: Call, vm: str, key: str, value: str) -> None:
    generated.add_key(call, "VM", vm, "blocked_operations", key, value)
    call.world.refresh("VM", vm)


@implements("VM.remove_from_blocked_operations")
def remove_from_blocked_operations(call: Call, vm: str, key: str) -> None:
    call.db.drop("VM", vm, "blocked_operations", key)
    call.world.refresh("VM", vm)


@implements("VM.get_allowed_VBD_devices")
def get_allowed_vbd_devices(call: Call, vm: str) -> list[str]:
    return [str(position) for position in disks.free_positions(call.world, vm)]


@implements("VM.get_allowed_VIF_devices")
def get_allowed_vif_devices(call: Call, vm: str) -> list[str]:
    return interfaces.free_devices(call.world, vm)


def _plain_setter(name: str) -> None:
    def set_value(call: Call, vm: str, value: Any) -> None:
        call.db.set("VM", vm, **{name: value})

    implements(f"VM.set_{name}")(set_value)


def _plain_map(name: str) -> None:
    def add_to(call: Call, vm: str, key: str, value: str) -> None:
        generated.add_key(call, "VM", vm, name, key, value)

    def remove_from(call: Call, vm: str, key: str) -> None:
        call.db.drop("VM", vm, name, key)

    implements(f"VM.add_to_{name}")(add_to)
    implements(f"VM.remove_from_{name}")(remove_from)


for plain in (
    "other_config", "platform", "actions_after_crash", "ha_always_run", "snapshot_schedule", "has_vendor_device",
    "NVRAM",
):  # fmt: skip
    _plain_setter(plain)
for plain in ("other_config", "platform", "NVRAM"):
    _plain_map(plain)


@implements("VM.set_HVM_boot_policy")
def set_hvm_boot_policy(call: Call, vm: str, value: str) -> None:
    call.db.set("VM", vm, HVM_boot_policy=value, domain_type="hvm" if value else "pv")


@implements("VM.set_domain_type")
def set_domain_type(call: Call, vm: str, value: str) -> None:
    call.db.set("VM", vm, domain_type=value, HVM_boot_policy="BIOS order" if value == "hvm" else "")
