# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change and remove instances."""

from __future__ import annotations

import time
from typing import Iterable

from ..model.instances import KEEP, Instance, Leftover
from ..model.labels import COPYING, PREFIX
from ..model.records import Disk, VirtualMachine
from ..plan.actions import Reattach
from ..plan.attachments import BOOT, OVERLAY, ROOT, SWAP
from .disks import attach_disk
from .nics import create_vif
from .ownership import NotOurs, already_gone, destroy_disk
from .power import shut_down_vm
from .worksite import Worksite


def reattach(site: Worksite, action: Reattach) -> None:
    """Give a halted instance its lost attachments back. Raises XapiError."""
    vm = action.instance.vm.ref
    for disk, position, mode, kind in (
        (action.root, ROOT, "RO", "Disk"),
        (action.overlay, OVERLAY, "RW", "Disk"),
        (action.swap, SWAP, "RW", "Disk"),
        (action.boot, BOOT, "RO", "CD"),
        *((disk, disk.labels["position"], "RW", "Disk") for disk in action.disks),
    ):
        if disk is not None:
            attach_disk(site, vm, disk.ref, position, mode, kind)
            site.done(f"disk {disk.name!r} attached")
    for nic in action.nics:
        # The guest knows its NICs by their MAC addresses.
        create_vif(site, vm, nic.device, nic.network.ref, nic.mac)
        site.done(f"NIC {nic.device} made")


def remove(site: Worksite, instance: Instance, keep_overlay: bool = False) -> None:
    """Shut an instance down and delete its VM and its disks, or all but its overlay and data disks.

    It is marked first: a run that is killed in between is finished by the next one, and a VM that lost its
    overlay to that is never taken for damaged. Raises XapiError.
    """
    with already_gone(instance.vm.ref):
        if not instance.is_being_removed:
            site.add_key("VM", instance.vm.ref, PREFIX + "removing", KEEP if keep_overlay else "true")
        shut_down_vm(site, instance.vm.ref, force=True)
    kept = _keep_disks(site, instance) if keep_overlay else ()
    # XAPI leaves a VM's disks alone when it destroys the VM.
    _destroy(site, instance.vm, [disk for disk in instance.disks if disk not in kept])


def _keep_disks(site: Worksite, instance: Instance) -> tuple[Disk, ...]:
    """Label an instance's overlay and data disks as kept; these and the overlay's snapshots."""
    disks = (*((instance.overlay,) if instance.overlay else ()), *instance.data_disks)
    for disk in disks:
        if "kept" not in disk.labels:
            site.add_key("VDI", disk.ref, PREFIX + "kept", str(int(time.time())))
    return (*disks, *instance.snapshots)


def tidy(site: Worksite, leftover: Leftover) -> None:
    """Delete what an interrupted run left of an instance. Raises XapiError."""
    _destroy(site, leftover.vm, leftover.disks, leftover.of)
    for disk in leftover.copied:
        # From now on, a copy of it is somebody else's again.
        site.repeat("VDI.remove_from_other_config", disk.ref, PREFIX + COPYING)


def _destroy(
    site: Worksite, vm: VirtualMachine | None, disks: Iterable[Disk], of: VirtualMachine | None = None
) -> None:
    """Delete disks and the VM that goes with them; ``of`` is a VM that may have them attached and stays."""
    # Disks first: as long as the VM is there, the next run knows what they belong to.
    attached_to = vm or of
    for disk in disks:
        destroy_disk(site, disk, attached_to.ref if attached_to else None)
    if vm is not None:
        with already_gone(vm.ref):
            check_vm(site, vm)
            site.destroy("VM", vm.ref)
        site.done("VM deleted")


def check_vm(site: Worksite, vm: VirtualMachine) -> None:
    """Nobody may have made the VM his own since it was read. Raises NotOurs and other XapiErrors."""
    config = site.read("VM.get_other_config", vm.ref)
    if config.get(PREFIX + "uuid", "") != vm.labels["uuid"] or PREFIX + "kind" not in config:
        raise NotOurs(f"VM {vm.name!r} ({vm.uuid}) has lost Skinnybox's labels: left alone.")
