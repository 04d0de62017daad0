# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: settings that are checked, when they are set or at the start."""

from __future__ import annotations

import re

from lab.classes import vm_lifecycle as lifecycle
from lab.classes.vm import VENDOR_DEVICE_VERSION
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
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
#: What XAPI reads as a number in a platform key.
INTEGER = re.compile(r"-?(\d[\d_]*|0[xX][0-9a-fA-F][0-9a-fA-F_]*)")


def start_refusal(record: Record) -> Failure | None:
    """What of the VM's settings keeps it from starting, on whatever host."""
    platform, firmware = record["platform"], _firmware(record)
    if platform.get("nested-virt", "false").lower() not in BOOLEANS:
        return Failure("INVALID_VALUE", "platform:nested-virt", platform["nested-virt"])
    if record["domain_type"] != "hvm":
        if not record["PV_bootloader"] and record["PV_kernel"]:
            return Failure("INVALID_VALUE", "kernel", record["PV_kernel"], "File does not exist")
        return None
    return _cores_refusal(record, platform.get("cores-per-socket")) or _model_refusal(platform, firmware)


def _firmware(record: Record) -> str:
    """The firmware that the VM asks for. Raises INVALID_VALUE when there is no such one."""
    firmware = str(record["HVM_boot_params"].get("firmware", "bios"))
    if firmware not in ("bios", "uefi"):
        raise Failure("INVALID_VALUE", "HVM-boot-params['firmware']", firmware)
    return firmware


def _cores_refusal(record: Record, cores: str | None) -> Failure | None:
    if cores is None:
        return None
    if not INTEGER.fullmatch(cores):
        return Failure("INVALID_VALUE", "platform:cores-per-socket", cores)
    number = int(cores.replace("_", ""), 16 if "x" in cores.lower() else 10)
    if number == 0 or record["VCPUs_max"] % number:
        return Failure("VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", record["VCPUs_max"], cores)
    return None


def _model_refusal(platform: dict[str, str], firmware: str) -> Failure | None:
    """Device models that know one of the firmwares only."""
    model = platform.get("device-model")
    if (model, firmware) in (("qemu-upstream-uefi", "bios"), ("qemu-trad", "uefi")):
        text = f"{firmware.upper()} boot is not supported with {model}"
        return Failure("INVALID_VALUE", "platform:device-model", text)
    return None


def complete(call: Call, vm: str) -> None:
    """What a start adds to an HVM guest's platform, also when it fails then: the device model.

    Raises INVALID_VALUE when there is no such firmware.
    """
    record = call.db.get("VM", vm)
    model = f"qemu-upstream-{'uefi' if _firmware(record) == 'uefi' else 'compat'}"
    if record["domain_type"] == "hvm":
        call.db.set("VM", vm, platform={"device-model": model, **record["platform"]})


def fill_bios_strings(call: Call, vm: str) -> None:
    """Have the VM show the strings of no vendor in particular, unless it has some."""
    call.db.set("VM", vm, bios_strings=call.db.get("VM", vm)["bios_strings"] or BIOS_STRINGS)


#: BIOS strings that a client may choose, and how long they may be.
SETTABLE = set(BIOS_STRINGS) - {"hp-rombios", "oem-1", "oem-2"}
LONGEST = 512


@implements("VM.set_bios_strings")
def set_bios_strings(call: Call, vm: str, value: dict[str, str]) -> None:
    if call.db.get("VM", vm)["bios_strings"]:
        raise Failure("VM_BIOS_STRINGS_ALREADY_SET")
    for key, text in value.items():
        _check_bios_string(key, text)
    call.db.set("VM", vm, bios_strings={**BIOS_STRINGS, **value})


def _check_bios_string(key: str, text: str) -> None:
    if key not in SETTABLE:
        raise Failure("INVALID_VALUE", key, "Unknown key")
    if not text:
        raise Failure("INVALID_VALUE", key, "Value provided is empty")
    if len(text.encode()) > LONGEST:
        raise Failure("INVALID_VALUE", key, f"{text} has length more than {LONGEST} characters")
    if not all(" " <= letter <= "~" for letter in text):
        raise Failure("INVALID_VALUE", key, f"{text} has non-printable ASCII characters")


@implements("VM.copy_bios_strings")
def copy_bios_strings(call: Call, vm: str, host: str) -> None:
    """Also has the VM prefer the host, whose strings it shows now."""
    if call.db.get("VM", vm)["bios_strings"]:
        raise Failure("VM_BIOS_STRINGS_ALREADY_SET")
    strings = call.db.get("host", host)["bios_strings"]
    call.db.set("VM", vm, bios_strings={**BIOS_STRINGS, **strings}, affinity=host)


@implements("VM.set_ha_restart_priority")
def set_ha_restart_priority(call: Call, vm: str, value: str) -> None:
    if value not in RESTART_PRIORITIES:
        raise Failure("INVALID_VALUE", "ha_restart_priority", value)
    record = call.db.get("VM", vm)
    if value != record["ha_restart_priority"] and record["power_state"] == "Running":
        call.db.set("VM", vm, ha_always_run=value == "restart")
    call.db.set("VM", vm, ha_restart_priority=value)


@implements("VM.set_ha_always_run")
def set_ha_always_run(call: Call, vm: str, value: bool) -> None:
    """Deprecated: the restart priority says it now."""
    set_ha_restart_priority(call, vm, "restart" if value else "")


@implements("VM.set_has_vendor_device")
def set_has_vendor_device(call: Call, vm: str, value: bool) -> None:
    record = call.db.get("VM", vm)
    if record["power_state"] != "Halted":
        raise lifecycle.bad_power_state(record, ("Halted",))
    version = max(record["hardware_platform_version"], VENDOR_DEVICE_VERSION if value else 0)
    call.db.set("VM", vm, has_vendor_device=value, hardware_platform_version=version)


@implements("VM.set_HVM_boot_policy")
def set_hvm_boot_policy(call: Call, vm: str, value: str) -> None:
    call.db.set("VM", vm, HVM_boot_policy=value, domain_type="hvm" if value else "pv")


@implements("VM.set_domain_type")
def set_domain_type(call: Call, vm: str, value: str) -> None:
    if value == "unspecified":
        raise Failure("INVALID_VALUE", "domain_type", value)
    call.db.set("VM", vm, domain_type=value, HVM_boot_policy="BIOS order" if value == "hvm" else "")


def _not_negative(name: str) -> None:
    def set_value(call: Call, vm: str, value: int) -> None:
        if value < 0:
            raise Failure("INVALID_VALUE", f"{name} must be non-negative", value)
        call.db.set("VM", vm, **{name: value})

    implements(f"VM.set_{name}")(set_value)


for _name in ("start_delay", "shutdown_delay", "order"):
    _not_negative(_name)


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
    call.world.refresh("VM", vm)


@implements("VM.set_groups")
def set_groups(call: Call, vm: str, value: list[str]) -> None:
    if not _ordinary(call.db.get("VM", vm)):
        text = "Control domains, templates, and snapshots cannot be added to VM groups."
        raise Failure("OPERATION_NOT_ALLOWED", text)
    if len(value) > 1:
        raise Failure("TOO_MANY_GROUPS")
    call.db.set("VM", vm, groups=value)
