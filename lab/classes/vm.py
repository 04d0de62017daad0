# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: create, destroy, templates, blocked operations and the plain setters."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from lab import generated
from lab.classes import vbd as disks
from lab.classes import vif as interfaces
from lab.classes import vm_lifecycle as lifecycle
from lab.classes import vm_memory, vtpm
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL, Members
from lab.world import Call, now

#: Fields that VM.create accepts and leaves at their defaults.
NOT_TAKEN: dict[str, Any] = {
    "blocked_operations": {}, "protection_policy": NULL, "is_snapshot_from_vmpp": False, "snapshot_schedule": NULL,
    "is_vmss_snapshot": False,
}  # fmt: skip
#: Virtual hardware that has the vendor's device.
VENDOR_DEVICE_VERSION = 2


def domain_type(record: dict[str, Any]) -> str:
    """hvm or pv, going by the boot policy when the record leaves it open."""
    if record.get("domain_type", "unspecified") != "unspecified":
        return str(record["domain_type"])
    return "hvm" if record["HVM_boot_policy"] else "pv"


@implements("VM.create")
def create(call: Call, record: Members) -> str:
    """A halted VM, or a suspended one that has its memory already; other states are taken for Halted."""
    suspended = record["power_state"] == "Suspended"
    if suspended and record["suspend_VDI"] == NULL:
        raise Failure("VM_BAD_POWER_STATE", f"OpaqueRef:{uuids.uuid4()}", "halted", "suspended")
    vendor_device = record["has_vendor_device"] if "has_vendor_device" in record.given else _vendor_device(call)
    version = max(record["hardware_platform_version"], VENDOR_DEVICE_VERSION if vendor_device else 0)
    fields = {
        **record,
        "power_state": "Suspended" if suspended else "Halted",
        **NOT_TAKEN,
        "domid": -1,
        "domain_type": domain_type(record),
        "has_vendor_device": vendor_device,
        "hardware_platform_version": version,
        "memory_overhead": vm_memory.overhead(record),
        "metrics": new_metrics(call),
        "other_config": {"mac_seed": str(uuids.uuid4()), **record["other_config"]},
    }
    if not suspended:
        fields |= {"suspend_VDI": NULL, "last_booted_record": "", "last_boot_CPU_flags": {}}
    vm = call.db.create("VM", fields)
    call.world.refresh("VM", vm)
    return vm


def _vendor_device(call: Call) -> bool:
    """Whether VMs get the vendor's device when nobody says: by the pool's licence and policy."""
    pool = call.db.get("pool", call.world.pool)
    restricted = pool["restrictions"].get("restrict_pci_device_for_auto_update", "false") != "false"
    return not restricted and not pool["policy_no_vendor_device"]


def new_metrics(call: Call) -> str:
    """The metrics object of a VM that has never run."""
    return call.db.create("VM_metrics", {"VCPUs_utilisation": {"0": 0.0}})


@implements("VM.destroy")
async def destroy(call: Call, vm: str) -> None:
    """Removes the VM, its VBDs, VIFs and blobs; disks stay, also the one with a suspended VM's memory."""
    async with lifecycle.hold(call, vm, "destroy"):
        if call.db.get("VM", vm)["other_config"].get(lifecycle.DEFAULT_TEMPLATE) == "true":
            raise Failure("VM_CANNOT_DELETE_DEFAULT_TEMPLATE")
        remove(call, vm)


def remove(call: Call, vm: str) -> None:
    """Remove the VM's record and what belongs to it alone."""
    record = call.db.get("VM", vm)
    for vbd in record["VBDs"]:
        disks.remove(call, vbd)
    for vif in record["VIFs"]:
        interfaces.remove(call, vif)
    for module in record["VTPMs"]:
        vtpm.remove(call, module)
    owned = [("VM_metrics", record["metrics"]), ("VM_guest_metrics", record["guest_metrics"])]
    owned += [("console", console) for console in record["consoles"]]
    owned += [("blob", blob) for blob in record["blobs"].values()]
    for cls, ref in owned:
        if call.db.exists(cls, ref):
            call.db.delete(cls, ref)
    for child in record["children"]:
        call.db.set("VM", child, parent=record["parent"])
    call.db.delete("VM", vm)
    call.world.refresh("VM_appliance", record["appliance"])


@implements("VM.set_is_a_template")
async def set_is_a_template(call: Call, vm: str, value: bool) -> None:
    if not value:
        make_instance(call, vm)
        return
    async with lifecycle.hold(call, vm, "make_into_template"):
        _make_template(call, vm)


def make_instance(call: Call, vm: str) -> None:
    """Have the template be an ordinary VM, installed now.

    As in XAPI, allowed operations stay as they are until somebody computes them, and default templates keep their
    marks.
    """
    record = call.db.get("VM", vm)
    if call.db.exists("VM_metrics", record["metrics"]):
        call.db.set("VM_metrics", record["metrics"], install_time=now())
    call.db.set("VM", vm, is_a_template=False)


def _make_template(call: Call, vm: str) -> None:
    record = call.db.get("VM", vm)
    if record["metrics"] == NULL:
        raise Failure("HANDLE_INVALID", "VM_metrics", NULL)
    for cls, ref in (("VM_metrics", record["metrics"]), ("VM_guest_metrics", record["guest_metrics"])):
        if call.db.exists(cls, ref):
            call.db.delete(cls, ref)
    call.db.set(
        "VM", vm, metrics=NULL, guest_metrics=NULL, groups=[], ha_always_run=False, is_a_template=True,
    )  # fmt: skip
    lifecycle.refresh(call.world, vm)


@implements("VM.set_is_default_template")
async def set_is_default_template(call: Call, vm: str, value: bool) -> None:
    """A VM that is no template yet becomes one. Old clients find the same in other_config, also when it is not so."""
    if value and not call.db.get("VM", vm)["is_a_template"]:
        await set_is_a_template(call, vm, True)
    call.db.put("VM", vm, "other_config", lifecycle.DEFAULT_TEMPLATE, "true" if value else "false")
    call.db.set("VM", vm, is_default_template=value)
    call.world.refresh("VM", vm)


@implements("VM.update_allowed_operations")
def update_allowed_operations(call: Call, vm: str) -> None:
    lifecycle.refresh(call.world, vm)


@implements("VM.assert_operation_valid")
def assert_operation_valid(call: Call, vm: str, name: str) -> None:
    lifecycle.require(call.world, vm, name)


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


@implements("VM.set_snapshot_schedule")
def set_snapshot_schedule(call: Call, vm: str, value: str) -> None:
    record = call.db.get("VM", vm)
    if value != NULL and (not call.db.exists("VMSS", value) or record["is_control_domain"]):
        raise Failure("INVALID_VALUE", value)
    if value != NULL and record["is_a_template"]:
        raise Failure("VM_IS_TEMPLATE", vm)
    call.db.set("VM", vm, snapshot_schedule=value)
    call.world.refresh("VM", vm)


for plain in ("other_config", "platform", "actions_after_crash"):
    _plain_setter(plain)
for plain in ("other_config", "platform"):
    _plain_map(plain)
