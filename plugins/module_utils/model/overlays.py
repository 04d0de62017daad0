# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlay disks, with or without a VM. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .instances import Instance, age_of_snapshot, disks_by_instance, instances, is_kept, is_precious, orphans
from .labels import Kind
from .records import Disk, HostPool


@dataclass(frozen=True)
class Overlay:
    """An instance's overlay disk with what belongs to it; without an instance it lost its VM, or was kept."""

    name: str  # the instance's
    pool: str
    disk: Disk
    instance: Instance | None
    data_disks: tuple[Disk, ...]
    snapshots: tuple[Disk, ...]  # oldest first

    @property
    def is_kept(self) -> bool:
        """Whether it has no VM on purpose."""
        return self.instance is None and is_kept(self.disk)

    @property
    def is_orphan(self) -> bool:
        """Whether somebody deleted its VM by hand."""
        return self.instance is None and not is_kept(self.disk)

    @property
    def is_attached(self) -> bool:
        vm = self.instance and self.instance.vm
        return bool(vm and any(attachment.vdi == self.disk.ref for attachment in vm.attachments))


def overlays(pool: HostPool, vm_pool: str | None = None) -> list[Overlay]:
    """The overlays of one VM pool or of all, by pool and instance number."""
    found = [
        Overlay(i.name, i.pool, i.overlay, i, i.data_disks, i.snapshots)
        for i in instances(pool, vm_pool)
        if i.overlay is not None
    ]
    lone = orphans(pool, vm_pool)
    disks = disks_by_instance(pool) if lone else {}
    found += [_without_vm(overlay, disks[overlay.labels["instance"]]) for overlay in lone]
    return sorted(found, key=lambda one: (one.pool, one.disk.labels.number("number"), one.name))


def _without_vm(overlay: Disk, disks: tuple[Disk, ...]) -> Overlay:
    precious = [disk for disk in disks if is_precious(disk)]
    return Overlay(
        name=overlay.labels["name"],
        pool=overlay.labels["pool"],
        disk=overlay,
        instance=None,
        data_disks=tuple(disk for disk in precious if disk.labels.kind == Kind.DATA.value),
        snapshots=tuple(
            sorted(
                (disk for disk in precious if disk.labels.kind == Kind.SNAPSHOT.value),
                key=age_of_snapshot,
            )
        ),
    )
