# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances and VM pools as they are in a host pool. Pure."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Iterable

from .labels import COPYING, Kind, Standing
from .records import Disk, HostPool, VirtualMachine, once

#: The name of a VM that is being cloned: ``VM.clone`` can set nothing but a name, so a run that is killed
#: right after it leaves this, by which the next run knows whose it is.
_UNFINISHED = re.compile(r"^(?P<instance>.+) \[skinnybox: unfinished, pool (?P<pool>.+)\]$")

#: Value of a VM's label ``removing`` when its overlay is to stay.
KEEP = "keep"

#: Label of a VM that is being restarted by a run of ours, and of one that is being rebuilt: the master version's id.
RESTARTING = "restarting"
REBUILDING = "rebuilding"

#: What belongs to an instance and to nobody else.
_DISKS = frozenset(kind.value for kind in (Kind.OVERLAY, Kind.SWAP, Kind.DATA, Kind.SNAPSHOT))


def unfinished_name(instance: str, pool: str) -> str:
    """The name that a VM bears until it is complete."""
    return f"{instance} [skinnybox: unfinished, pool {pool}]"


@dataclass(frozen=True)
class Instance:
    """A VM of a VM pool with its disks."""

    name: str
    number: int
    uuid: str  # the instance's: it outlives the VM that embodies it
    pool: str
    vm: VirtualMachine
    overlay: Disk | None
    swap: Disk | None
    data_disks: tuple[Disk, ...]
    snapshots: tuple[Disk, ...]  # of its overlay, oldest first
    disks: tuple[Disk, ...]  # all that bear its label, also those that are detached or not finished
    superseded: tuple[Disk, ...] = ()  # of them, those in whose place another one has come

    @property
    def is_being_removed(self) -> bool:
        return "removing" in self.vm.labels

    @property
    def keeps_overlay(self) -> bool:
        """Whether its removal, which has begun, leaves its overlay and data disks."""
        return self.vm.labels["removing"] == KEEP

    @property
    def is_being_restarted(self) -> bool:
        """Whether a run of ours has begun to shut it down in order to start it again."""
        return RESTARTING in self.vm.labels

    @property
    def is_being_rebuilt(self) -> bool:
        """Whether a run of ours has begun to give it a fresh overlay."""
        return REBUILDING in self.vm.labels

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its static addresses with prefix length; empty with DHCP."""
        return tuple(self.vm.labels["addresses"].split())


@dataclass(frozen=True)
class Leftover:
    """What nobody misses of an instance: the work of a run that was killed while making it, which never booted,
    the swap disk of a VM that is gone, or disks of an instance that stays which a killed run was making for it, or
    had put another one in the place of.
    """

    name: str
    pool: str
    vm: VirtualMachine | None
    disks: tuple[Disk, ...]
    of: VirtualMachine | None = None  # the finished instance's, which stays; the disks may be attached to it
    copied: tuple[Disk, ...] = ()  # disks that stay, and of which a copy was being made


def instances(pool: HostPool, vm_pool: str | None = None) -> list[Instance]:
    """The finished instances of one VM pool or of all, by pool and number."""
    return [instance for instance in _instances(pool) if vm_pool in (None, instance.pool)]


@once
def _instances(pool: HostPool) -> tuple[Instance, ...]:
    disks = disks_by_instance(pool)
    found = [
        _instance(vm, disks.get(vm.labels["instance"], ()))
        for vm in pool.vms.values()
        if vm.is_ours(Kind.INSTANCE) and not vm.is_snapshot
    ]
    return tuple(sorted(found, key=lambda i: (i.pool, i.number, i.name)))


def leftovers(pool: HostPool, vm_pool: str | None = None) -> list[Leftover]:
    """What killed runs left in one VM pool or in all: unfinished VMs with the disks made for them; also lone swaps."""
    disks = _disks_by("vm", pool)
    found = []
    known = {vm.uuid for vm in pool.vms.values()}
    for vm in pool.vms.values():
        its_pool = pool_of_unfinished(vm)
        if vm.power_state == "Halted" and its_pool is not None and vm_pool in (None, its_pool):
            match = _UNFINISHED.match(vm.name)
            found.append(Leftover(match["instance"] if match else vm.name, its_pool, vm, disks.get(vm.uuid, ())))
    replaced = _replaced(itertools.chain.from_iterable(disks.values()))
    for uuid, its_disks in disks.items():
        lone = tuple(
            disk
            for disk in its_disks
            if disk.standing is Standing.UNFINISHED or disk.labels.kind == Kind.SWAP.value or disk.uuid in replaced
        )
        if uuid not in known and lone and vm_pool in (None, lone[0].labels["pool"]):
            found.append(Leftover(lone[0].labels["name"], lone[0].labels["pool"], None, lone))
    for instance in instances(pool, vm_pool):
        # A copy of a snapshot names no VM: snapshots belong to the instance.
        copies = tuple(disk for disk in instance.disks if COPYING in disk.labels)
        made_for_it = {disk.ref: disk for disk in (*disks.get(instance.vm.uuid, ()), *copies)}
        spare = instance.superseded + tuple(d for d in made_for_it.values() if d.standing is Standing.UNFINISHED)
        copied = tuple(d for d in instance.disks if COPYING in d.labels and d.standing is Standing.OWNED)
        if (spare or copied) and not instance.is_being_removed:
            found.append(Leftover(instance.name, instance.pool, None, spare, instance.vm, copied))
    return sorted(found, key=lambda left: (left.name, [one.uuid for one in (left.vm, *left.disks) if one]))


def orphans(pool: HostPool, vm_pool: str | None = None) -> list[Disk]:
    """Overlay disks whose VM is gone, of one VM pool or of all, by number: deleted by hand, unless they were kept
    on purpose (:func:`is_kept`). They hold data.
    """
    vms = {vm.uuid for vm in pool.vms.values()}
    embodied = {instance.uuid for instance in instances(pool, vm_pool)}
    replaced = _replaced(pool.disks.values())
    return sorted(
        (
            disk
            for disk in pool.disks.values()
            if disk.labels.kind == Kind.OVERLAY.value
            and disk.standing is Standing.OWNED
            and vm_pool in (None, disk.labels["pool"])
            and disk.labels["vm"] not in vms
            and disk.labels["instance"] not in embodied
            and disk.uuid not in replaced
        ),
        key=lambda disk: disk.labels.number("number"),
    )


def is_kept(overlay: Disk) -> bool:
    """Whether an overlay without a VM was left so on purpose."""
    return "kept" in overlay.labels


def is_precious(disk: Disk) -> bool:
    """Whether a disk holds, besides an overlay, what a user would miss. Without a VM it stays with the overlay."""
    return disk.labels.kind in (Kind.DATA.value, Kind.SNAPSHOT.value) and disk.standing is Standing.OWNED


def age_of_snapshot(snapshot: Disk) -> tuple[float, int, str]:
    """What the snapshots of an overlay are sorted by, the oldest first. XAPI tells their times in whole seconds."""
    return snapshot.snapshot_time, snapshot.labels.number("order"), snapshot.uuid


@once
def disks_by_instance(pool: HostPool) -> dict[str, tuple[Disk, ...]]:
    """All disks that are ours, by the uuid of the instance (not of its VM) that they belong to."""
    return _disks_by("instance", pool)


def pool_of_unfinished(vm: VirtualMachine) -> str | None:
    """The VM pool for which this VM is or was being made; None when it is finished or not ours."""
    if vm.labels.kind == Kind.INSTANCE.value:
        return vm.labels["pool"] if vm.standing is Standing.UNFINISHED else None
    match = _UNFINISHED.match(vm.name)
    # A fresh clone still bears the labels of the blueprint, the blueprint's uuid among them.
    is_clone = vm.labels.kind == Kind.BLUEPRINT.value and vm.labels["uuid"] != vm.uuid
    return match["pool"] if match and is_clone else None


def _disks_by(label: str, pool: HostPool) -> dict[str, tuple[Disk, ...]]:
    """Disks of instances that are ours, by a label: their instance, or the VM that they were made for."""
    found: dict[str, list[Disk]] = {}
    for disk in pool.disks.values():
        if disk.labels.kind in _DISKS and disk.standing is not Standing.FOREIGN:
            found.setdefault(disk.labels[label], []).append(disk)
    return {value: tuple(sorted(disks, key=lambda d: d.uuid)) for value, disks in found.items()}


def _replaced(disks: Iterable[Disk]) -> set[str]:
    """Uuids of the disks in whose place another one has come: that is so from its last label on."""
    return {disk.labels["replaces"] for disk in disks if "replaces" in disk.labels and disk.standing is Standing.OWNED}


def _instance(vm: VirtualMachine, disks: tuple[Disk, ...]) -> Instance:
    # An unfinished one is about to replace another, or is a copy that is being made of it.
    owned = [disk for disk in disks if disk.standing is Standing.OWNED]
    replaced = _replaced(owned)
    current = [(disk.labels.kind, disk) for disk in owned if disk.uuid not in replaced]

    def of(kind: Kind) -> tuple[Disk, ...]:
        return tuple(disk for its_kind, disk in current if its_kind == kind.value)

    return Instance(
        name=vm.labels["name"],
        number=vm.labels.number("number"),
        uuid=vm.labels["instance"],
        pool=vm.labels["pool"],
        vm=vm,
        overlay=next(iter(of(Kind.OVERLAY)), None),
        swap=next(iter(of(Kind.SWAP)), None),
        data_disks=tuple(sorted(of(Kind.DATA), key=lambda d: d.labels["disk"])),
        snapshots=tuple(sorted(of(Kind.SNAPSHOT), key=age_of_snapshot)),
        disks=disks,
        superseded=tuple(disk for disk in owned if disk.uuid in replaced),
    )
