# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish, replicate, promote and retire versions of master images.

A version counts from the moment at which its blueprint gets its uuid label, which is the last write. Everything
that an interrupted run leaves is found by its labels (plan.master.remains) and removed by the next run.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..golden.boot_cd import Seal
from ..model.labels import PREFIX, TAG, Kind, other_config
from ..model.masters import Copy, MasterVersion
from ..model.reading import epoch
from ..model.records import NULL, Disk, StorageRepository, VirtualMachine
from ..plan import blocked
from ..plan.attachments import BOOT, ROOT
from ..plan.master import Remains, announcement
from ..xapi.errors import ApiFailure
from .disks import attach_disk, create_disk, finish_disk
from .ownership import NotOurs, already_gone, check_disk, destroy_disk
from .stopping import Stopped
from .worksite import Worksite

#: XAPI's answers where an SR cannot snapshot, or the chain is at its end: then the disk is copied in full.
_NO_SNAPSHOT = ("SR_BACKEND_FAILURE_109", "SR_OPERATION_NOT_SUPPORTED", "SR_BACKEND_FAILURE_82")

#: Fields of a VM that a blueprint takes over from the golden VM, or from the blueprint that it is a replica of: all
#: that VM.create wants, and the hardware.
_INHERITED = (
    "user_version",
    "memory_static_max",
    "memory_dynamic_max",
    "memory_dynamic_min",
    "memory_static_min",
    "VCPUs_params",
    "VCPUs_max",
    "VCPUs_at_startup",
    "actions_after_shutdown",
    "actions_after_reboot",
    "actions_after_crash",
    "PV_bootloader",
    "PV_kernel",
    "PV_ramdisk",
    "PV_args",
    "PV_bootloader_args",
    "PV_legacy_args",
    "HVM_boot_policy",
    "HVM_boot_params",
    "HVM_shadow_multiplier",
    "platform",
    "PCI_bus",
    "recommendations",
    "hardware_platform_version",
    "has_vendor_device",
    "domain_type",
    "version",
)


def clear(site: Worksite, remains: Remains) -> None:
    """Delete what an interrupted publication or retirement left. Raises XapiError."""
    for vm in remains.blueprints:
        for attachment in vm.attachments:
            disk = site.pool.disks.get(attachment.vdi)
            if disk and disk in remains.disks:
                destroy_disk(site, disk, vm.ref)
    for disk in remains.disks:
        with already_gone(disk.ref):
            _destroy_remains(site, disk)
    for vm in remains.blueprints:
        _destroy_blueprint(site, vm)


def _destroy_remains(site: Worksite, disk: Disk) -> None:
    if disk.labels.kind:
        destroy_disk(site, disk, None)
        return
    # An announced snapshot has no labels of its own yet; that it is unattached was just looked at once more.
    if not site.read("VDI.get_VBDs", disk.ref):
        site.destroy("VDI", disk.ref)


def publish(site: Worksite, name: str, number: int, golden: VirtualMachine, root: Disk, boot: Disk, seal: Seal) -> str:
    """Publish `name:number` from a golden VM's root and boot disks; returns the blueprint's reference."""
    title = f"{name}:{number}"
    labels = {"master": name, "version": str(number), "master_id": seal.master_id}
    root_ref = _publish_root(site, title, root, name, labels)
    boot_ref = _copy(site, f"{title} boot CD", boot, boot.sr, Kind.BOOT, labels)
    networks = " ".join(site.pool.networks[i.network].uuid for i in golden.interfaces)
    labels = {**labels, "network": seal.network, "networks": networks, "golden_vm": golden.uuid}
    return _complete(site, title, golden, root_ref, boot_ref, labels)


def replicate(site: Worksite, version: MasterVersion, sr: StorageRepository) -> None:
    """Make a copy of a version on another SR, with a blueprint of its own. Raises XapiError."""
    title = f"{version.title} on {sr.name}"
    blueprint = version.blueprint
    if version.root is None or version.boot is None:
        raise ValueError(f"{version.title} has lost its disks")  # plan.lookup.find_master has looked
    labels = {"master": version.name, "version": str(version.number), "master_id": version.master_id}
    root_ref = _copy(site, f"{title} root", version.root, sr.ref, Kind.ROOT, labels)
    boot_ref = _copy(site, f"{title} boot CD", version.boot, sr.ref, Kind.BOOT, labels)
    labels.update({key: blueprint.labels[key] for key in ("network", "networks", "golden_vm")})
    _complete(site, title, blueprint, root_ref, boot_ref, {**labels, "replica": blueprint.uuid})


def _complete(
    site: Worksite, title: str, model: VirtualMachine, root_ref: str, boot_ref: str, labels: Mapping[str, str]
) -> str:
    """Finish the disks of a copy and give it a blueprint with the hardware of `model`; the blueprint's reference."""
    uuids = {"root": _finish_disk(site, root_ref), "boot": _finish_disk(site, boot_ref)}
    blueprint = _create_blueprint(site, title, model, {**labels, **uuids})
    attach_disk(site, blueprint, root_ref, ROOT, "RO", "CD")
    attach_disk(site, blueprint, boot_ref, BOOT, "RO", "CD")
    site.repeat("VM.set_blocked_operations", blueprint, blocked.BLUEPRINT)
    site.add_key("VM", blueprint, PREFIX + "uuid", site.read("VM.get_uuid", blueprint))
    return blueprint


def _publish_root(site: Worksite, title: str, root: Disk, name: str, labels: dict[str, str]) -> str:
    try:
        return _snapshot(site, f"{title} root", root, name, labels)
    except ApiFailure as failure:
        if failure.code not in _NO_SNAPSHOT:
            raise
        return _copy(site, f"{title} root", root, root.sr, Kind.ROOT, labels)


def _snapshot(site: Worksite, label: str, disk: Disk, name: str, labels: dict[str, str]) -> str:
    """Snapshot a disk of the golden VM. VDI.snapshot can set no labels but copies the source's, so it is announced."""
    key = PREFIX + "publishing"
    now = epoch(site.read("host.get_servertime", next(iter(site.pool.hosts))))
    site.repeat("VDI.remove_from_other_config", disk.ref, key)
    site.add_key("VDI", disk.ref, key, announcement(name, now))

    def look() -> str | None:
        snapshots: list[str] = site.read("VDI.get_snapshots", disk.ref)
        return next((vdi for vdi in snapshots if vdi not in site.pool.disks), None)

    try:
        with site.windows.disk_operation(disk.sr):
            snapshot = site.settle(lambda: site.run("VDI.snapshot", disk.ref, {}), look)
        inherited = site.read("VDI.get_other_config", snapshot)
        foreign = {k: v for k, v in inherited.items() if not k.startswith(PREFIX)}
        site.repeat("VDI.set_other_config", snapshot, {**foreign, **other_config(Kind.ROOT, **labels)})
    finally:
        # Not through the site: also a run that is to stop takes its announcement back.
        site.client.call("VDI.remove_from_other_config", disk.ref, key)
    site.repeat("VDI.set_name_label", snapshot, label)
    description = f"Skinnybox master image {label}: shared by instances, read-only"
    site.repeat("VDI.set_name_description", snapshot, description)
    site.repeat("VDI.add_tags", snapshot, TAG)
    return snapshot


def _copy(site: Worksite, label: str, disk: Disk, sr: str, kind: Kind, labels: dict[str, str]) -> str:
    """Copy a disk in full, into one on an SR (by reference) that bears its labels from the start."""
    description = f"Skinnybox master image {label}: shared by instances, read-only"
    target = create_disk(site, label, description, sr, disk.size, kind, labels)
    with site.windows.disk_operation(sr):
        # The same bytes at the same places: copied twice they are what they were.
        site.settle(lambda: site.run("VDI.copy", disk.ref, NULL, NULL, target), lambda: None)
    return target


def _finish_disk(site: Worksite, vdi: str) -> str:
    uuid: str = site.read("VDI.get_uuid", vdi)
    finish_disk(site, vdi, uuid)
    return uuid


def _create_blueprint(site: Worksite, title: str, model: VirtualMachine, labels: Mapping[str, str]) -> str:
    of_model = site.read("VM.get_record", model.ref)
    record: dict[str, Any] = {field: of_model[field] for field in _INHERITED if field in of_model}
    # No disk can be booted from: firmware does not see a read-only Disk, so the CD is all there is.
    record["HVM_boot_params"] = {**of_model["HVM_boot_params"], "order": "d"}
    record.update(
        name_label=title,
        name_description=f"Skinnybox blueprint of master image {title}",
        is_a_template=True,
        affinity=NULL,
        other_config=other_config(Kind.BLUEPRINT, **labels),
        xenstore_data={},
        tags=[TAG],
    )

    def look() -> str | None:
        for vm in site.read("VM.get_by_name_label", title):
            config = site.read("VM.get_other_config", vm) if vm not in site.pool.vms else {}
            if record["other_config"].items() <= config.items():
                return vm
        return None

    return site.settle(lambda: site.write("VM.create", record), look)


def promote(site: Worksite, blueprint: str, versions: list[MasterVersion]) -> None:
    """Make a version the one that a pool gets which declares only the name."""
    now = epoch(site.read("host.get_servertime", next(iter(site.pool.hosts))))
    latest = max((v.promoted_at for v in versions), default=0)
    key = PREFIX + "promoted"
    # The highest wins; until the key is back, the version promoted before is the promoted one.
    site.repeat("VM.remove_from_other_config", blueprint, key)
    site.add_key("VM", blueprint, key, str(max(int(now), latest + 1)))


def retire(site: Worksite, version: MasterVersion) -> None:
    """Delete all copies of a version. The caller has checked that nothing uses it.

    Raises NotOurs when somebody has begun to use it since: then it stays as it was. Raises XapiError.
    """
    for copy in version.copies:
        site.add_key("VM", copy.blueprint.ref, PREFIX + "retiring", "true")
    try:
        for copy in version.copies:
            _close(site, copy.blueprint)
            for disk in _disks_of(copy):
                with already_gone(disk.ref):
                    check_disk(site, disk, copy.blueprint.ref)
    except NotOurs:
        for copy in version.copies:
            site.repeat("VM.set_blocked_operations", copy.blueprint.ref, blocked.BLUEPRINT)
            site.repeat("VM.remove_from_other_config", copy.blueprint.ref, PREFIX + "retiring")
        raise
    for copy in version.copies:
        for disk in _disks_of(copy):
            destroy_disk(site, disk, copy.blueprint.ref)
        _destroy_blueprint(site, copy.blueprint)


def _disks_of(copy: Copy) -> list[Disk]:
    return [disk for disk in (copy.root, copy.boot) if disk is not None]


def _close(site: Worksite, blueprint: VirtualMachine) -> None:
    """Have nobody clone a blueprint any more, and wait for who is just doing it: the clone will have its disks."""
    site.repeat("VM.set_blocked_operations", blueprint.ref, blocked.RETIRING)
    while site.read("VM.get_current_operations", blueprint.ref):
        if site.client.stopping.wait(0.2):
            raise Stopped


def _destroy_blueprint(site: Worksite, blueprint: VirtualMachine) -> None:
    with already_gone(blueprint.ref):
        site.repeat("VM.remove_from_blocked_operations", blueprint.ref, "destroy")
        site.destroy("VM", blueprint.ref)
