# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fresh lab holds: one host with its control domain, repositories, networks and templates."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from lab.classes import sr as repositories
from lab.classes import vdi as images
from lab.classes import vm_memory
from lab.values import NULL
from lab.world import Call, World, now

GIB = 1024**3
MIB = 1024**2
#: QEMU's own user-mode network, in the words that XenServer has for its host-internal network.
MANAGEMENT_RANGE = {"ip_begin": "10.0.2.15", "ip_end": "10.0.2.254", "netmask": "255.255.255.0"}
GATEWAY = {"gateway": "10.0.2.2", "nameserver": "10.0.2.3"}
DRIVERS = {
    "ext": "Local EXT3 VHD",
    "nfs": "NFS VHD",
    "file": "File VHD",
    "smb": "SMB VHD",
    "iso": "ISO",
    "udev": "udev",
}
FEATURES = {
    "SR_PROBE": 1, "SR_UPDATE": 1, "SR_SUPPORTS_LOCAL_CACHING": 1, "VDI_CREATE": 1, "VDI_DELETE": 1, "VDI_ATTACH": 1,
    "VDI_DETACH": 1, "VDI_UPDATE": 1, "VDI_CLONE": 1, "VDI_SNAPSHOT": 1, "VDI_RESIZE": 1, "VDI_MIRROR": 1,
    "VDI_GENERATE_CONFIG": 1, "VDI_RESET_ON_BOOT": 2, "VDI_CONFIG_CBT": 1, "ATOMIC_PAUSE": 1, "THIN_PROVISIONING": 1,
    "VDI_READ_CACHING": 1,
}  # fmt: skip
ISO_FEATURES = {"VDI_CREATE": 0, "VDI_ATTACH": 1, "VDI_DETACH": 1, "VDI_CLONE": 1}
CONTROL_DOMAIN_MEMORY = 2 * GIB


async def furnish(world: World) -> None:
    """Fill an empty database."""
    call = Call(world, "lab.furnish", internal=True)
    host = _host(world)
    pool = world.database.create("pool", {"name_label": "Lab", "master": host, "cpu_info": _cpu_info(world)})
    _drivers(world)
    local = _repository(world, host, "Local storage", "ext", 100 * GIB, shared=False)
    _repository(world, host, "Shared storage", "nfs", 200 * GIB, shared=True)
    isos = _repository(world, host, "ISO images", "iso", 10 * GIB, shared=True)
    tools = _repository(world, host, "XenServer Tools", "iso", 0, shared=True)
    world.database.set(
        "SR", tools, is_tools_sr=True, other_config={"xensource_internal": "true", "xenserver_tools_sr": "true"}
    )
    for name in ("blank-1.iso", "blank-2.iso"):
        await _iso(call, isos, name)
    await _iso(call, tools, "guest-tools.iso", is_tools_iso=True)
    world.database.set("pool", pool, default_SR=local, suspend_image_SR=local, crash_dump_SR=local)
    _networks(world, host)
    _control_domain(world, host)
    for name in (
        "Other install media",
        "Debian Bookworm 12",
        "Ubuntu Jammy Jellyfish 22.04",
        "Ubuntu Noble Numbat 24.04",
    ):
        _template(world, name)
    vm_memory.update_host(world, host)
    world.refresh("host", host)
    world.settle()


def _cpu_info(world: World) -> dict[str, str]:
    return {
        "cpu_count": str(world.settings.cpus), "socket_count": "1", "threads_per_core": "1",
        "vendor": "GenuineIntel", "modelname": "Lab CPU", "speed": "2400.000", "features": "", "features_hvm": "",
        "features_pv": "",
    }  # fmt: skip


def _host(world: World) -> str:
    database = world.database
    metrics = database.create(
        "host_metrics", {"memory_total": world.settings.memory, "live": True, "last_updated": now()}
    )
    version = {
        "product_brand": "XCP-ng", "product_version": "8.3.0", "product_version_text": "8.3", "platform_name": "XCP",
        "platform_version": "3.4.0", "xapi": "26.1", "xapi_build": "26.1.0", "xen": "4.17.5", "hostname": "lab",
        "build_number": "lab", "network_backend": "openvswitch", "dbv": "0.0.1",
    }  # fmt: skip
    host = database.create(
        "host",
        {
            "name_label": "lab-host-1", "name_description": "Host of the lab", "hostname": "lab-host-1",
            "address": "127.0.0.1", "enabled": True, "metrics": metrics, "memory_overhead": 512 * MIB,
            "API_version_major": 2, "API_version_minor": 21, "API_version_vendor": "XenSource",
            "software_version": version, "cpu_info": _cpu_info(world), "edition": "xcp-ng", "sched_policy": "credit",
            "capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64"], "chipset_info": {"iommu": "false"},
            "supported_bootloaders": ["pygrub", "eliloader"], "display": "enabled",
            "virtual_hardware_platform_versions": [0, 1, 2], "other_config": {"agent_start_time": f"{now():.0f}."},
            "logging": {}, "license_params": {},
        },
    )  # fmt: skip
    for number in range(world.settings.cpus):
        fields = {"host": host, "number": number, "vendor": "GenuineIntel", "speed": 2400, "modelname": "Lab CPU"}
        database.create("host_cpu", fields)
    return host


def _drivers(world: World) -> None:
    for kind, label in DRIVERS.items():
        features = ISO_FEATURES if kind in ("iso", "udev") else FEATURES
        features = {name: version for name, version in features.items() if version}
        fields = {
            "name_label": label, "type": kind, "vendor": "Lab", "version": "1.0", "required_api_version": "1.0",
            "features": features, "capabilities": sorted(features),
        }  # fmt: skip
        world.database.create("SM", fields)


def _repository(world: World, host: str, name: str, kind: str, size: int, shared: bool) -> str:
    fields = {
        "name_label": name, "type": kind, "content_type": "iso" if kind == "iso" else "user", "shared": shared,
        "physical_size": size,
    }  # fmt: skip
    sr = world.database.create("SR", fields)
    world.database.create("PBD", {"host": host, "SR": sr, "currently_attached": True})
    world.refresh("SR", sr)
    return sr


async def _iso(call: Call, sr: str, name: str, is_tools_iso: bool = False) -> None:
    uuid = str(uuids.uuid4())
    await call.world.disks.create(uuid, 2 * MIB)
    fields: dict[str, Any] = {
        "uuid": uuid, "SR": sr, "name_label": name, "virtual_size": 2 * MIB, "type": "user", "read_only": True,
        "is_tools_iso": is_tools_iso, "location": name, "managed": True, "physical_utilisation": 2 * MIB,
    }  # fmt: skip
    images.register(call, fields)
    await repositories.update_space(call.world, sr)


def _networks(world: World, host: str) -> None:
    database = world.database
    management = database.create(
        "network",
        {"name_label": "Management", "bridge": "xenbr0", "other_config": {**MANAGEMENT_RANGE, **GATEWAY}},
    )
    metrics = database.create("PIF_metrics", {"carrier": True, "last_updated": now()})
    database.create(
        "PIF",
        {
            "device": "eth0", "network": management, "host": host, "MAC": "02:00:00:00:00:01", "MTU": 1500, "VLAN": -1,
            "metrics": metrics, "physical": True, "currently_attached": True, "ip_configuration_mode": "Static",
            "IP": "127.0.0.1", "netmask": "255.0.0.0", "management": True, "managed": True,
        },
    )  # fmt: skip
    database.create("network", {"name_label": "Internal", "bridge": "xapi1", "other_config": {}})


def _control_domain(world: World, host: str) -> None:
    vm = world.database.create(
        "VM",
        {
            **_machine("Control domain on host: lab-host-1", CONTROL_DOMAIN_MEMORY), "is_control_domain": True,
            "power_state": "Running", "resident_on": host, "domid": 0, "HVM_boot_policy": "", "domain_type": "pv",
            "metrics": world.database.create("VM_metrics", {"current_domain_type": "pv", "last_updated": now()}),
            "HVM_boot_params": {}, "domarch": "x86_64",
        },
    )  # fmt: skip
    world.database.set("host", host, control_domain=vm)
    world.refresh("VM", vm)


def _machine(name: str, memory: int) -> dict[str, Any]:
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
    fields = _machine(name, 1 * GIB if name == "Other install media" else 2 * GIB)
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
