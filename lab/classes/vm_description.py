# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: what a hypervisor has to know of it and of its devices."""

from __future__ import annotations

from typing import Literal

from lab.classes import vbd as disks
from lab.classes import vif as interfaces
from lab.hypervisor import Domain, DomainDisk, DomainNic
from lab.world import World


def describe(world: World, vm: str) -> Domain:
    """The VM as the hypervisor needs it."""
    record = world.database.get("VM", vm)
    params = record["HVM_boot_params"]
    firmware: Literal["bios", "uefi"] = "uefi" if params.get("firmware") == "uefi" else "bios"
    return Domain(
        vm_uuid=record["uuid"],
        name=record["name_label"],
        memory=record["memory_dynamic_max"] or record["memory_static_max"],
        vcpus=record["VCPUs_at_startup"],
        firmware=firmware,
        boot_order=params.get("order", "cd"),
        disks=[describe_disk(world, vbd) for vbd in record["VBDs"]],
        nics=[describe_nic(world, vif) for vif in record["VIFs"]],
        xenstore_data=dict(record["xenstore_data"]),
        boots=vm not in world.unbootable,
    )


def describe_disk(world: World, vbd: str) -> DomainDisk:
    """The VBD as the hypervisor needs it."""
    record = world.database.get("VBD", vbd)
    disk = None if record["empty"] else world.database.get("VDI", record["VDI"])["uuid"]
    kind: Literal["CD", "Disk"] = "CD" if record["type"] == "CD" else "Disk"
    return DomainDisk(disks.position(record), disk, record["mode"], kind, record["uuid"])


def describe_nic(world: World, vif: str) -> DomainNic:
    """The VIF as the hypervisor needs it."""
    record = world.database.get("VIF", vif)
    network = world.database.get("network", record["network"])
    to_host = bool(network["PIFs"]) or "ip_begin" in network["other_config"]
    number = interfaces.device_number(record["device"]) or 0
    return DomainNic(
        number, record["MAC"], network["uuid"], dict(network["other_config"]), to_host, network["MTU"]
    )  # fmt: skip
