# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making and attaching disks of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from ..model.labels import PREFIX, TAG, Kind, Labels, other_config
from ..model.records import Disk
from .worksite import Worksite


@dataclass(frozen=True)
class NewDisk:
    """A VDI that was just made; the SR may have rounded its size (bytes) up."""

    ref: str
    uuid: str
    size: int


def new_disk(site: Worksite, vdi: str) -> NewDisk:
    """What is to be known of a VDI, given by its reference. Raises XapiError."""
    record = site.read("VDI.get_record", vdi)
    return NewDisk(vdi, record["uuid"], int(record["virtual_size"]))


def make_empty_disk(site: Worksite, name: str, sr: str, size: int, labels: Mapping[str, str]) -> NewDisk:
    """Make a data disk for the instance of this name: empty, finished, attached to nothing. Raises XapiError.

    ``sr`` is a reference, ``size`` bytes; among the labels is ``disk``, what the disk is called.
    """
    description = f"Skinnybox data disk {labels['disk']} of {name}"
    disk = new_disk(site, create_disk(site, f"{name} {labels['disk']}", description, sr, size, Kind.DATA, labels))
    finish_disk(site, disk.ref, disk.uuid)
    return disk


def create_disk(
    site: Worksite, name: str, description: str, sr: str, size: int, kind: Kind, labels: Mapping[str, str]
) -> str:
    """Make an empty VDI that bears its labels from the start, and return its reference.

    ``sr`` is a reference, ``size`` bytes, which the SR may round up. The disk counts as unfinished until its uuid
    label is added. Waits for its turn on the SR. Raises XapiError.
    """
    wanted = other_config(kind, **labels)
    record = {
        "name_label": name,
        "name_description": description,
        "SR": sr,
        "virtual_size": str(size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": wanted,
        "xenstore_data": {},
        "sm_config": {},
        "tags": [TAG],
    }

    def look() -> str | None:
        for vdi in site.read("VDI.get_by_name_label", name):
            if vdi not in site.pool.disks and _bears(site, vdi, wanted):
                return vdi
        return None

    with site.windows.disk_operation(sr):
        vdi = site.settle(lambda: site.run("VDI.create", record), look)
    site.record.disks[vdi] = sr
    return vdi


def _bears(site: Worksite, vdi: str, wanted: Mapping[str, str]) -> bool:
    found = site.read("VDI.get_other_config", vdi)
    return "uuid" not in Labels.of(found) and wanted.items() <= found.items()


def finish_disk(site: Worksite, vdi: str, uuid: str) -> None:
    """Add the uuid label to a disk: from now on it counts. Raises XapiError."""
    site.add_key("VDI", vdi, PREFIX + "uuid", uuid)


def claim_disk(site: Worksite, disk: Disk, vm: str) -> None:
    """Have a disk that lost its VM, or was kept without one, belong to the VM with this uuid. Raises XapiError."""
    for label in ("vm", "kept"):
        if label in disk.labels:
            site.repeat("VDI.remove_from_other_config", disk.ref, PREFIX + label)
    site.add_key("VDI", disk.ref, PREFIX + "vm", vm)


def attach_disk(site: Worksite, vm: str, vdi: str, position: str, mode: str = "RW", kind: str = "Disk") -> str:
    """Make a VBD of a halted VM and return its reference. ``kind`` is Disk or CD. Raises XapiError."""
    record = {
        "VM": vm,
        "VDI": vdi,
        "userdevice": position,
        "bootable": kind == "CD",
        "mode": mode,
        "type": kind,
        "unpluggable": True,
        "empty": False,
        "other_config": {},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
    }

    def look() -> str | None:
        for vbd in site.read("VM.get_VBDs", vm):
            found = site.read("VBD.get_record", vbd)
            if (found["userdevice"], found["VDI"], found["mode"]) == (position, vdi, mode):
                return vbd
        return None

    return site.settle(lambda: site.write("VBD.create", record), look)
