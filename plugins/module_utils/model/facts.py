# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules and the inventory tell of masters and instances: one vocabulary for all of them. Pure."""

from __future__ import annotations

from typing import Any

from .boot_report import REPORT_KEY, boot_report, guest_report
from .chains import Chains
from .instances import Instance
from .masters import MasterVersion, promoted
from .overlays import Overlay
from .records import Disk, HostPool
from .upgrades import UPGRADE_TO, move_of, previous_of, title_of


def instance_facts(pool: HostPool, instance: Instance) -> dict[str, Any]:
    """One instance as plain data."""
    vm = instance.vm
    host = pool.hosts.get(vm.host)
    move = move_of(vm)
    return {
        "name": instance.name,
        "number": instance.number,
        "pool": instance.pool,
        "uuid": vm.uuid,
        "instance": instance.uuid,
        "master": vm.labels["master"],
        "version": vm.labels.number("version"),
        "master_id": vm.labels["master_id"],
        "previous": [title_of(pool, one) for one in previous_of(vm.labels)],
        "upgrade_to": title_of(pool, vm.labels[UPGRADE_TO]) or None,
        "moving_to": title_of(pool, move.target) if move else None,
        "restarting": instance.is_being_restarted,
        "power_state": vm.power_state,
        "host": host.name if host else None,
        "vcpus": vm.vcpus_at_startup,
        "vcpus_max": vm.vcpus,
        "memory": vm.memory_dynamic_max,
        "memory_max": vm.memory,
        "addresses": list(vm.addresses),
        "static_addresses": list(instance.addresses),
        "networks": [pool.networks[nic.network].name for nic in vm.interfaces if nic.network in pool.networks],
        "macs": [interface.mac for interface in vm.interfaces],
        "ssh_host_key": vm.labels["host_key"],
        "overlay": disk_facts(pool, instance.overlay),
        "swap": disk_facts(pool, instance.swap),
        "disks": [{"name": disk.labels["disk"], **(disk_facts(pool, disk) or {})} for disk in instance.data_disks],
        "report": guest_report(vm.xenstore_data.get(REPORT_KEY, "")),
        "boot": boot_report(vm.xenstore_data).as_data(),
    }


def disk_facts(pool: HostPool, disk: Disk | None) -> dict[str, Any] | None:
    """A disk as plain data; sizes are bytes, ``used`` is what it takes on its SR."""
    if disk is None:
        return None
    return {"uuid": disk.uuid, "size": disk.size, "used": disk.used, "sr": pool.srs[disk.sr].name}


def overlay_facts(pool: HostPool, overlay: Overlay, chains: Chains) -> dict[str, Any]:
    """One overlay as plain data."""
    disk = overlay.disk
    return {
        "instance": overlay.name,
        "number": disk.labels.number("number"),
        "pool": overlay.pool,
        **(disk_facts(pool, disk) or {}),
        "on_boot": disk.on_boot,
        "master": disk.labels["master"],
        "version": disk.labels.number("version"),
        "power_state": overlay.instance.vm.power_state if overlay.instance else None,
        "attached": overlay.is_attached,
        "kept": overlay.is_kept,
        "orphan": overlay.is_orphan,
        "chain_depth": chains.depth(disk),
        "snapshots": [
            {"name": one.labels["snapshot"], "taken": int(one.snapshot_time), **(disk_facts(pool, one) or {})}
            for one in overlay.snapshots
        ],
        "disks": [{"name": one.labels["disk"], **(disk_facts(pool, one) or {})} for one in overlay.data_disks],
    }


def master_facts(pool: HostPool, version: MasterVersion, versions: list[MasterVersion]) -> dict[str, Any]:
    """One version of a master image as plain data."""
    current = promoted(versions, version.name)
    return {
        "name": version.name,
        "version": version.number,
        "master_id": version.master_id,
        "promoted": current is not None and current.master_id == version.master_id,
        "blueprint": version.blueprint.uuid,
        "golden_vm": version.blueprint.labels["golden_vm"],
        "network": version.network,
        "root": disk_facts(pool, version.root),
        "boot": disk_facts(pool, version.boot),
        "replicas": [
            {
                "blueprint": copy.blueprint.uuid,
                "root": disk_facts(pool, copy.root),
                "boot": disk_facts(pool, copy.boot),
            }
            for copy in version.replicas
        ],
        "instances": sorted(vm.labels["name"] or vm.name for vm in version.instances),
    }
