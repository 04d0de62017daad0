# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance's disks differ from the declared ones, and how they are attached from how they should be. Pure.

Disks only grow; SRs round sizes up. One that is larger than declared is as it should be.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ..model.instances import Instance
from ..model.masters import MasterVersion
from ..model.records import Disk, HostPool, StorageRepository
from .changes import Item
from .data_disks import free_positions
from .disk_changes import AddDisk, AttachDisk, ClaimDisk, DropOwner, GrowDisk, SetAttachment, SetOnBoot, SetSwap
from .sizes import MIB
from .spec import DataDisk

#: To which file and LVM SRs round a disk's size up.
_ROUNDING = 2 * MIB


def overlay_items(
    size: int | None, on_boot: str | None, pool: HostPool, instance: Instance, overlay: Disk
) -> Iterator[Item]:
    """What of the overlay is to be changed; None is not compared."""
    halted = instance.vm.power_state != "Running"
    if size is not None and overlay.size < size:
        yield GrowDisk(overlay, "overlay", size, pool.srs[overlay.sr], live=halted)
    if on_boot is not None and overlay.on_boot != on_boot:
        yield SetOnBoot(overlay, on_boot, live=halted)


def swap_items(size: int | None, pool: HostPool, instance: Instance, overlay: Disk) -> Iterator[Item]:
    """What of the swap disk is to be changed; a size of 0 is none, None is not compared."""
    if size is None:
        return
    swap = instance.swap
    have = swap.size if swap else 0
    if not size <= have < size + (_ROUNDING if size else 1):
        yield SetSwap(swap, size, pool.srs[overlay.sr], live=instance.vm.power_state != "Running")


def data_disk_items(wanted: Sequence[tuple[DataDisk, StorageRepository]], instance: Instance) -> Iterator[Item]:
    """What of the data disks is to be changed, by their names."""
    vm = instance.vm
    running = vm.power_state == "Running"
    can_plug = not running or vm.abilities.plug_disks
    there = {disk.labels["disk"]: disk for disk in instance.data_disks}
    taken = {attachment.position for attachment in vm.attachments}
    taken |= {disk.labels["position"] for disk in instance.data_disks}
    missing = [wish.name for wish, _sr in wanted if wish.name not in there]
    positions = dict(zip(missing, free_positions(taken, len(missing)), strict=True))
    for wish, sr in wanted:
        disk = there.get(wish.name)
        if disk is None:
            yield AddDisk(wish.name, wish.size, sr, positions[wish.name], can_plug)
            continue
        attachment = next((a for a in vm.attachments if a.vdi == disk.ref), None)
        if running and not (attachment and attachment.attached):  # halted, it is among what the instance lost
            yield AttachDisk(disk, f"disk {wish.name}", disk.labels["position"], attachment, can_plug)
        if disk.size < wish.size:
            yield GrowDisk(disk, f"disk {wish.name}", wish.size, sr, live=not running)


def claim_items(instance: Instance) -> Iterator[Item]:
    """What has its VM again after it was without one, and is not labelled so."""
    disks = {"overlay": instance.overlay, **{f"disk {disk.labels['disk']}": disk for disk in instance.data_disks}}
    for what, disk in disks.items():
        if disk is not None and ("kept" in disk.labels or disk.labels["vm"] != instance.vm.uuid):
            yield ClaimDisk(disk, what)


def attachment_items(version: MasterVersion | None, instance: Instance) -> Iterator[Item]:
    """How VBDs differ from what protects the master image, and from what the guest needs."""
    live = instance.vm.power_state != "Running"
    version = version.used_by(instance.vm, instance.overlay) if version else None
    disks = {
        disk.ref: (what, mode, kind)
        for what, disk, mode, kind in (
            ("root", version and version.root, "RO", "Disk"),
            ("boot", version and version.boot, "RO", "CD"),
            ("overlay", instance.overlay, "RW", "Disk"),
            ("swap", instance.swap, "RW", "Disk"),
        )
        if disk
    }
    known = [(attachment, *disks[attachment.vdi]) for attachment in instance.vm.attachments if attachment.vdi in disks]
    for attachment, what, mode, _kind in known:
        if mode == "RO" and attachment.owner:
            yield DropOwner(attachment, what)
    for attachment, what, mode, kind in known:
        if (attachment.mode, attachment.type) != (mode, kind):
            yield SetAttachment(attachment, what, mode, kind, live)
