# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The VMs of a fresh host pool: a control domain on each host, and the built-in templates."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from lab.classes import vm_memory
from lab.values import NULL
from lab.world import World, now

GIB = 1024**3
MIB = 1024**2
CONTROL_DOMAIN_MEMORY = 2 * GIB
CONTROL_DOMAIN_CONSOLES = ("rfb", "vt100")
TEMPLATES = (
    "Other install media",
    "Debian Bookworm 12",
    "Ubuntu Jammy Jellyfish 22.04",
    "Ubuntu Noble Numbat 24.04",
)


def control_domain(world: World, host: str) -> None:
    """The VM that manages the host's devices, and its two consoles."""
    name = world.database.get("host", host)["name_label"]
    vm = world.database.create(
        "VM",
        {
            **machine(f"Control domain on host: {name}", CONTROL_DOMAIN_MEMORY), "is_control_domain": True,
            "power_state": "Running", "resident_on": host, "domid": 0, "HVM_boot_policy": "", "domain_type": "pv",
            "metrics": world.database.create("VM_metrics", {"current_domain_type": "pv", "last_updated": now()}),
            "HVM_boot_params": {}, "domarch": "x64", "affinity": host, "platform": {}, "other_config": {},
            "name_description": "The domain which manages physical devices and manages other domains",
            "actions_after_shutdown": "destroy", "actions_after_reboot": "destroy", "actions_after_crash": "destroy",
        },
    )  # fmt: skip
    address = world.database.get("host", host)["address"]
    for protocol in CONTROL_DOMAIN_CONSOLES:
        fields = {"protocol": protocol, "location": f"https://{address}/console?ref={vm}", "VM": vm}
        world.database.create("console", fields)
    world.database.set("host", host, control_domain=vm)
    world.refresh("VM", vm)


def templates(world: World) -> None:
    for name in TEMPLATES:
        _template(world, name)


def machine(name: str, memory: int) -> dict[str, Any]:
    """The fields of a VM that has never run, with so many bytes of memory."""
    fields: dict[str, Any] = {
        "name_label": name, "affinity": NULL, "memory_static_max": memory, "memory_dynamic_max": memory,
        "memory_dynamic_min": memory, "memory_static_min": min(memory, 128 * MIB), "VCPUs_max": 1,
        "VCPUs_at_startup": 1, "actions_after_shutdown": "destroy", "actions_after_reboot": "restart",
        "actions_after_crash": "restart", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "cdn"},
        "HVM_shadow_multiplier": 1.0, "domain_type": "hvm", "domid": -1, "power_state": "Halted", "user_version": 1,
        "platform": {"acpi": "1", "apic": "true", "pae": "true", "nx": "true", "viridian": "false"},
        "other_config": {"mac_seed": str(uuids.uuid4())},
    }  # fmt: skip
    return {**fields, "memory_overhead": vm_memory.overhead(fields)}


def _template(world: World, name: str) -> None:
    fields = machine(name, 1 * GIB if name == "Other install media" else 2 * GIB)
    config = {"default_template": "true", "linux_template": "true", "install-methods": "cdrom,http,ftp"}
    if name == "Other install media":
        config = {"default_template": "true", "install-methods": "cdrom"}
    else:
        config["disks"] = (
            f'<provision><disk device="0" size="{10 * GIB}" sr="" bootable="true" type="system"/></provision>'
        )
    fields["other_config"] = {**fields["other_config"], **config}
    fields.update(is_a_template=True, is_default_template=True, reference_label=name.lower().replace(" ", "-"))
    vm = world.database.create("VM", fields)
    world.database.set("VM", vm, metrics=world.database.create("VM_metrics", {"last_updated": now()}))
    world.refresh("VM", vm)
