# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the disks of an instance and how they are attached."""

from __future__ import annotations

from typing import Mapping

from ..model.instances import Instance
from ..model.labels import Kind
from ..plan.attachments import SWAP
from ..plan.disk_changes import AddDisk, AttachDisk, DropOwner, GrowDisk, SetAttachment, SetOnBoot, SetSwap
from ..xapi.errors import ApiFailure
from .alter_vm import again
from .disks import attach_disk, create_disk, finish_disk
from .on_boot import set_on_boot
from .ownership import destroy_disk
from .replace import replace_disk
from .seeding import make_swap
from .worksite import Worksite


def disk_labels(instance: Instance) -> dict[str, str]:
    """The labels of a disk that is made for an instance that is there."""
    labels = instance.vm.labels
    kept = ("pool", "name", "number", "instance", "master", "version", "master_id")
    return {**{name: labels[name] for name in kept}, "vm": instance.vm.uuid}


def drop_owner(site: Worksite, item: DropOwner) -> None:
    """Take the mark away from a VBD by which other tools delete the disk with the VM. Raises XapiError."""
    site.repeat("VBD.remove_from_other_config", item.attachment.ref, "owner")


def set_attachment(site: Worksite, item: SetAttachment) -> None:
    """Set mode and type of a VBD of a halted VM. Raises XapiError."""
    if item.attachment.mode != item.mode:
        site.repeat("VBD.set_mode", item.attachment.ref, item.mode)
    if item.attachment.type != item.type:
        site.repeat("VBD.set_type", item.attachment.ref, item.type)


def add_disk(site: Worksite, instance: Instance, item: AddDisk, running: bool) -> None:
    """Make an empty data disk and attach it. Raises XapiError."""
    name, description = f"{instance.name} {item.disk}", f"Skinnybox data disk {item.disk} of {instance.name}"
    labels = {**disk_labels(instance), "disk": item.disk, "position": item.position}
    vdi = create_disk(site, name, description, item.sr.ref, item.size, Kind.DATA, labels)
    finish_disk(site, vdi, site.read("VDI.get_uuid", vdi))
    _attach(site, instance, vdi, item.position, running)


def reattach_disk(site: Worksite, instance: Instance, item: AttachDisk, running: bool) -> None:
    """Attach a data disk, or plug it into the running guest. Raises XapiError."""
    if item.attachment is None:
        _attach(site, instance, item.disk.ref, item.position, running)
    elif running:
        _plug(site, item.attachment.ref)


def grow_disk(site: Worksite, item: GrowDisk) -> None:
    """Make a disk of a halted VM larger. Raises XapiError."""
    with site.windows.disk_operation(item.disk.sr):
        again(site, "VDI.resize", item.disk.ref, str(item.size))


def change_on_boot(site: Worksite, item: SetOnBoot) -> None:
    """Have each boot begin from the overlay as it is now, or go on with it. Raises XapiError."""
    set_on_boot(site, item.disk.ref, item.disk.sr, item.want)


def set_swap(site: Worksite, instance: Instance, item: SetSwap) -> None:
    """Make, replace or remove the swap disk of a halted VM. Raises XapiError, ToolError."""
    replace_swap(site, instance, item.sr.ref, item.size, disk_labels(instance))


def replace_swap(site: Worksite, instance: Instance, sr: str, size: int, labels: Mapping[str, str]) -> None:
    """Give a halted instance a fresh swap disk of ``size`` bytes on an SR (a reference); 0 = none.

    Raises XapiError, ToolError.
    """
    old = instance.swap
    if size:
        labels = {**labels, **({"replaces": old.uuid} if old else {})}
        new = make_swap(site, instance.name, sr, size, labels, finished=False)
        replace_disk(site, instance, old, new, SWAP)
    elif old:
        destroy_disk(site, old, instance.vm.ref)


def _attach(site: Worksite, instance: Instance, vdi: str, position: str, running: bool) -> None:
    vbd = attach_disk(site, instance.vm.ref, vdi, position)
    if running:
        _plug(site, vbd)


def _plug(site: Worksite, vbd: str) -> None:
    """Plug a disk into a running guest once. One that is plugged already is fine."""

    def look() -> str | None:
        return "" if site.read("VBD.get_currently_attached", vbd) else None

    try:
        site.settle(lambda: site.run("VBD.plug", vbd), look)
    except ApiFailure as failure:
        if failure.code != "DEVICE_ALREADY_ATTACHED":
            raise
