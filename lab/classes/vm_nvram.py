# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: NVRAM, in which UEFI guests keep their variables, and secure boot."""

from __future__ import annotations

from lab import generated
from lab.classes import vm_lifecycle as lifecycle
from lab.registry import implements
from lab.world import Call

EFI_VARIABLES = "EFI-variables"


@implements("VM.set_NVRAM")
async def set_nvram(call: Call, vm: str, value: dict[str, str]) -> None:
    async with lifecycle.hold(call, vm, "changing_NVRAM"):
        call.db.set("VM", vm, NVRAM=value)


@implements("VM.add_to_NVRAM")
async def add_to_nvram(call: Call, vm: str, key: str, value: str) -> None:
    async with lifecycle.hold(call, vm, "changing_NVRAM"):
        generated.add_key(call, "VM", vm, "NVRAM", key, value)


@implements("VM.remove_from_NVRAM")
async def remove_from_nvram(call: Call, vm: str, key: str) -> None:
    async with lifecycle.hold(call, vm, "changing_NVRAM"):
        call.db.drop("VM", vm, "NVRAM", key)


@implements("VM.set_NVRAM_EFI_variables")
def set_nvram_efi_variables(call: Call, vm: str, value: str, update: str) -> None:
    """What the firmware of a running guest wrote, so the power state does not matter."""
    call.db.put("VM", vm, "NVRAM", EFI_VARIABLES, value)


@implements("VM.set_uefi_mode")
def set_uefi_mode(call: Call, vm: str, mode: str) -> str:
    """In setup mode the firmware has no variables, so that a guest can enrol keys of its own."""
    call.db.get("VM", vm)
    if mode == "setup":
        call.db.drop("VM", vm, "NVRAM", EFI_VARIABLES)
    return ""


@implements("VM.get_secureboot_readiness")
def get_secureboot_readiness(call: Call, vm: str) -> str:
    record = call.db.get("VM", vm)
    if record["HVM_boot_params"].get("firmware") != "uefi":
        return "not_supported"
    if not lifecycle.is_true(record["platform"].get("secureboot")) and record["platform"].get("secureboot") != "auto":
        return "disabled"
    return "ready" if EFI_VARIABLES in record["NVRAM"] else "first_boot"


@implements("VM.update_secureboot_certificates_on_boot")
def update_secureboot_certificates_on_boot(call: Call, vm: str, mark: bool) -> None:
    """Have the guest's certificates brought up to date at its next start, or no longer."""
    call.db.set("VM", vm, secureboot_certificates_state="update_on_boot" if mark else "ok")
