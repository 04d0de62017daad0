# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a fresh host pool."""

from __future__ import annotations

from lab.world import World, now

MIB = 1024**2


def cpu_info(world: World) -> dict[str, str]:
    return {
        "cpu_count": str(world.settings.cpus), "socket_count": "1", "threads_per_core": "1",
        "vendor": "GenuineIntel", "modelname": "Lab CPU", "speed": "2400.000", "features": "", "features_hvm": "",
        "features_pv": "",
    }  # fmt: skip


def add(world: World, name: str, address: str) -> str:
    """One more host, enabled and alive; without network, storage and control domain."""
    database = world.database
    metrics = database.create(
        "host_metrics", {"memory_total": world.settings.memory, "live": True, "last_updated": now()}
    )
    started = f"{now():.0f}."
    version = {
        "product_brand": "XCP-ng", "product_version": "8.3.0", "product_version_text": "8.3", "platform_name": "XCP",
        "platform_version": "3.4.0", "xapi": "26.1", "xapi_build": "26.1.0", "xen": "4.17.5", "hostname": name,
        "build_number": "lab", "network_backend": "openvswitch", "dbv": "0.0.1",
    }  # fmt: skip
    host = database.create(
        "host",
        {
            "name_label": name, "name_description": "Host of the lab", "hostname": name,
            "address": address, "enabled": True, "metrics": metrics, "memory_overhead": 512 * MIB,
            "API_version_major": 2, "API_version_minor": 21, "API_version_vendor": "XenSource",
            "software_version": version, "cpu_info": cpu_info(world), "edition": "xcp-ng", "sched_policy": "credit",
            "capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64"], "chipset_info": {"iommu": "false"},
            "supported_bootloaders": ["pygrub", "eliloader"], "display": "enabled",
            "virtual_hardware_platform_versions": [0, 1, 2], "logging": {}, "license_params": {},
            "other_config": {"agent_start_time": started, "boot_time": started}, "ssl_legacy": False,
        },
    )  # fmt: skip
    for number in range(world.settings.cpus):
        fields = {"host": host, "number": number, "vendor": "GenuineIntel", "speed": 2400, "modelname": "Lab CPU"}
        database.create("host_cpu", fields)
    return host
