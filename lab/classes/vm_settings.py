# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: settings that are checked, when they are set or at the start."""

from __future__ import annotations

from typing import Any

from lab.classes import vm as machines
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

RESTART_PRIORITIES = ("", "restart", "best-effort")
BIOS_STRINGS = {
    "bios-vendor": "Xen", "bios-version": "", "system-manufacturer": "Xen", "system-product-name": "HVM domU",
    "system-version": "", "system-serial-number": "", "baseboard-manufacturer": "", "baseboard-product-name": "",
    "baseboard-version": "", "baseboard-serial-number": "", "baseboard-asset-tag": "",
    "baseboard-location-in-chassis": "", "enclosure-asset-tag": "", "hp-rombios": "", "oem-1": "Xen",
    "oem-2": "MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d",
}  # fmt: skip
BOOLEANS = ("true", "false", "1", "0")


def start_refusal(record: Record) -> Failure | None:
    """What of the VM's settings keeps it from starting."""
    if record["domain_type"] != "hvm":
        if not record["PV_bootloader"] and record["PV_kernel"]:
            return Failure("INVALID_VALUE", "kernel", record["PV_kernel"], "File does not exist")
        return None
    platform, firmware = record["platform"], record["HVM_boot_params"].get("firmware", "bios")
    if firmware not in ("bios", "uefi"):
        return Failure("INVALID_VALUE", "HVM-boot-params['firmware']", firmware)
    if firmware == "bios" and platform.get("device-model") == "qemu-upstream-uefi":
        text = "BIOS boot is not supported with qemu-upstream-uefi"
        return Failure("INVALID_VALUE", "platform:device-model", text)
    if platform.get("nested-virt", "false") not in BOOLEANS:
        return Failure("INVALID_VALUE", "platform:nested-virt", platform["nested-virt"])
    return _cores_refusal(record, platform.get("cores-per-socket"))


def _cores_refusal(record: Record, cores: str | None) -> Failure | None:
    if cores is None:
        return None
    if not cores.isdigit():
        return Failure("INVALID_VALUE", "platform:cores-per-socket", cores)
    if int(cores) == 0 or record["VCPUs_max"] % int(cores):
        return Failure("VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", record["VCPUs_max"], cores)
    return None


def complete(call: Call, vm: str) -> None:
    """What a start adds to an HVM guest's settings: the device model and the firmware's strings."""
    record = call.db.get("VM", vm)
    if record["domain_type"] != "hvm":
        return
    uefi = record["HVM_boot_params"].get("firmware") == "uefi"
    model = "qemu-upstream-uefi" if uefi else "qemu-upstream-compat"
    call.db.set("VM", vm, platform={"device-model": model, **record["platform"]})
    call.db.set("VM", vm, bios_strings=record["bios_strings"] or BIOS_STRINGS)


@implements("VM.set_bios_strings")
def set_bios_strings(call: Call, vm: str, value: dict[str, str]) -> None:
    if call.db.get("VM", vm)["bios_strings"]:
        raise Failure("VM_BIOS_STRINGS_ALREADY_SET")
    call.db.set("VM", vm, bios_strings={**BIOS_STRINGS, **value})


@implements("VM.copy_bios_strings")
def copy_bios_strings(call: Call, vm: str, host: str) -> None:
    strings = call.db.get("host", host)["bios_strings"]
    if call.db.get("VM", vm)["bios_strings"]:
        raise Failure("VM_BIOS_STRINGS_ALREADY_SET")
    call.db.set("VM", vm, bios_strings={**BIOS_STRINGS, **strings})


@implements("VM.set_ha_restart_priority")
def set_ha_restart_priority(call: Call, vm: str, value: str) -> None:
    call.db.get("VM", vm)
    if value not in RESTART_PRIORITIES:
        raise Failure("INVALID_VALUE", "ha_restart_priority", value)
    call.db.set("VM", vm, ha_restart_priority=value)


def _not_negative(name: str) -> None:
    def set_value(call: Call, vm: str, value: int) -> None:
        call.db.get("VM", vm)
        if value < 0:
            raise Failure("INVALID_VALUE", f"{name} must be non-negative", value)
        call.db.set("VM", vm, **{name: value})

    implements(f"VM.set_{name}")(set_value)


for _name in ("start_delay", "shutdown_delay", "order"):
    _not_negative(_name)


@implements("VM.set_suspend_VDI")
def set_suspend_vdi(call: Call, vm: str, value: str) -> None:
    record = call.db.get("VM", vm)
    if record["power_state"] != "Suspended":
        raise machines.bad_power_state(record, ("Suspended",))
    call.db.set("VM", vm, suspend_VDI=value)


def _ordinary(record: Record) -> bool:
    return not (record["is_control_domain"] or record["is_a_template"] or record["is_a_snapshot"])


@implements("VM.set_appliance")
def set_appliance(call: Call, vm: str, value: str) -> None:
    record = call.db.get("VM", vm)
    if not _ordinary(record):
        text = "Control domains, templates and snapshots cannot be assigned to appliances."
        raise Failure("OPERATION_NOT_ALLOWED", text)
    before = record["appliance"]
    call.db.set("VM", vm, appliance=value)
    call.world.refresh("VM_appliance", before, value)


@implements("VM.set_groups")
def set_groups(call: Call, vm: str, value: list[str]) -> None:
    if not _ordinary(call.db.get("VM", vm)):
        text = "Control domains, templates, and snapshots cannot be added to VM groups."
        raise Failure("OPERATION_NOT_ALLOWED", text)
    if len(value) > 1:
        raise Failure("TOO_MANY_GROUPS")
    call.db.set("VM", vm, groups=value)


@implements("VM.get_cooperative")
def get_cooperative(call: Call, vm: str) -> bool:
    call.db.get("VM", vm)
    return True


@implements("VM.assert_agile")
def assert_agile(call: Call, vm: str) -> None:
    """Raises why the VM cannot run on every host: a repository of one host alone."""
    for vbd in call.db.get("VM", vm)["VBDs"]:
        disk = call.db.find("VDI", call.db.get("VBD", vbd)["VDI"])
        if disk and not call.db.get("SR", disk["SR"])["shared"]:
            raise Failure("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", disk["SR"])


def _only_in(name: str, *states: str, then: tuple[str, ...] = ()) -> None:
    """A call that the lab can only refuse: by the power state, or as what it cannot do."""

    def refuse(call: Call, vm: str, *rest: Any) -> None:
        record = call.db.get("VM", vm)
        if record["power_state"] not in states:
            raise machines.bad_power_state(record, states)
        raise Failure(*(then or ("NOT_IMPLEMENTED", name)))

    implements(f"VM.{name}")(refuse)


_only_in("send_sysrq", "Running")
_only_in("send_trigger", "Running")
_only_in("call_plugin", "Running")
_only_in("get_data_sources", "Running")
_only_in("forget_data_source_archives", "Running")
_only_in("get_boot_record", "Paused", "Suspended", "Running")


@implements("VM.query_services")
def query_services(call: Call, vm: str) -> None:
    call.db.get("VM", vm)
    raise Failure("NOT_SYSTEM_DOMAIN", vm)


@implements("VM.csvm")
def csvm(call: Call, vm: str) -> None:
    call.db.get("VDI", call.db.get("VM", vm)["suspend_VDI"])
    raise Failure("NOT_IMPLEMENTED", "csvm")


@implements("VM.restart_device_models")
def restart_device_models(call: Call, vm: str) -> None:
    record = call.db.get("VM", vm)
    if record["power_state"] != "Running":
        raise Failure("VM_BAD_POWER_STATE", vm, "Running", record["power_state"])
    if record["guest_metrics"] == NULL:
        raise Failure("VM_MISSING_PV_DRIVERS", vm)
