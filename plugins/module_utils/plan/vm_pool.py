# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a VM pool: what is declared against what is there. Pure: no I/O, clock or randomness."""

from __future__ import annotations

import itertools
from typing import Iterator, Sequence

from ..model.instances import Instance, disks_by_instance, instances, is_kept, is_precious, leftovers, orphans
from ..model.masters import MasterVersion
from ..model.records import Disk, HostPool
from .actions import Action, Attention, Create, Remove, RemoveOverlay, Tidy, VmPoolPlan
from .assignment import assign_hosts
from .capacity import Capacity, capacity_of
from .checks import check_addresses, check_names, check_resets
from .creation import create_instance, networks_of, revive
from .data_disks import data_disks_of
from .drift import Drift, wish_of
from .keep import keep
from .lookup import find_master, version_of
from .naming import free_numbers, instance_name
from .scale_in import reason, surplus
from .spec import VmPoolSpec


def plan_vm_pool(spec: VmPoolSpec, pool: HostPool, host_pool: str, capacity: Capacity | None = None) -> VmPoolPlan:
    """Make the plan that brings a VM pool to its declared state.

    `host_pool` is what people call the host pool, `capacity` what the plans of other VM pools leave of it. Raises
    Refused when the declaration cannot be met.
    """
    master = find_master(pool, spec.master)
    networks = networks_of(spec, pool, master)
    disks = data_disks_of(spec, pool)
    keep_overlays = spec.scale_in.overlays == "keep"
    drift = Drift(wish_of(spec, pool, master), pool)
    everything = instances(pool, spec.name)
    present = [instance for instance in everything if not instance.is_being_removed]
    going = {instance.vm.ref for instance in surplus(spec, present)}
    kept = [instance for instance in present if instance.vm.ref not in going]
    missing = spec.size - len(kept)
    unfinished = leftovers(pool, spec.name)
    orphaned = orphans(pool, spec.name)
    revivable = _revivable(pool, orphaned)[:missing]

    actions: list[Action] = [Tidy(leftover) for leftover in unfinished]
    actions += [Remove(i, "its removal was interrupted", i.keeps_overlay) for i in everything if i.is_being_removed]
    actions += [Remove(i, reason(spec), keep_overlays) for i in present if i.vm.ref in going]
    actions += itertools.chain.from_iterable(keep(spec, pool, drift, instance) for instance in kept)
    fresh = itertools.islice(_free_numbers(spec, everything, orphaned), missing - len(revivable))
    creations = [create_instance(spec, pool, master, networks, disks, number) for number in fresh]
    belongings = _belongings(pool, orphaned)
    creations += [revive(spec, pool, version, networks, disk, belongings[disk.ref]) for disk, version in revivable]
    creations.sort(key=lambda create: create.number)
    check_names(pool, spec, creations, {leftover.vm.ref for leftover in unfinished if leftover.vm})
    check_addresses(pool, creations)
    actions = assign_hosts(spec, pool, capacity or capacity_of(pool), [*actions, *creations], kept)
    check_resets([action for action in actions if isinstance(action, Create)])
    revived = [disk for disk, _version in revivable]
    actions += [
        _unused_overlay(disk)
        for disk in orphaned
        if disk not in revived and (missing > len(revived) or not is_kept(disk))
    ]
    return VmPoolPlan(host_pool, spec.name, len(present), spec, master, tuple(actions))


def _revivable(pool: HostPool, overlays: Sequence[Disk]) -> list[tuple[Disk, MasterVersion]]:
    """The overlays around which a VM can be made anew, each with the version that it is of; one of each name."""
    found: dict[str, tuple[Disk, MasterVersion]] = {}
    for disk in overlays:
        name, version = disk.labels["name"], version_of(pool, disk)
        if name and version:  # somebody may have spoilt its labels
            found.setdefault(name, (disk, version))
    return list(found.values())


def _free_numbers(spec: VmPoolSpec, there: Sequence[Instance], orphaned: Sequence[Disk]) -> Iterator[int]:
    """Numbers that no instance and no overlay has, lowest first; nor their names, whatever their numbers say."""
    used = {i.number for i in there} | {disk.labels.number("number") for disk in orphaned}
    names = {i.name for i in there} | {disk.labels["name"] for disk in orphaned}
    return (n for n in free_numbers(used) if instance_name(spec.instance_name, spec.name, n) not in names)


def plan_absence(name: str, pool: HostPool, host_pool: str) -> VmPoolPlan:
    """Make the plan that removes a VM pool with all its overlays."""
    everything = instances(pool, name)
    actions: list[Action] = [Tidy(leftover) for leftover in leftovers(pool, name)]
    actions += [Remove(instance, "VM pool declared absent") for instance in everything]
    orphaned = orphans(pool, name)
    belongings = _belongings(pool, orphaned)
    actions += [RemoveOverlay(disk, belongings[disk.ref]) for disk in orphaned]
    return VmPoolPlan(host_pool, name, len(everything), None, None, tuple(actions))


def plan_removal(name: str, names: Sequence[str], pool: HostPool, host_pool: str) -> VmPoolPlan:
    """Make the plan that removes single instances. Those that are not there need nothing."""
    everything = instances(pool, name)
    actions = tuple(Remove(instance, "asked for by name") for instance in everything if instance.name in names)
    return VmPoolPlan(host_pool, name, len(everything), None, None, actions)


def _belongings(pool: HostPool, overlays: Sequence[Disk]) -> dict[str, tuple[Disk, ...]]:
    """Data disks and snapshots of the instances of overlays without a VM, by reference of the overlay."""
    disks = disks_by_instance(pool) if overlays else {}
    return {o.ref: tuple(filter(is_precious, disks[o.labels["instance"]])) for o in overlays}


def _unused_overlay(disk: Disk) -> Attention:
    version = f"{disk.labels['master']}:{disk.labels['version']}"
    if is_kept(disk):
        return Attention(
            disk.labels["name"], f"its kept overlay {disk.uuid} cannot be used: master image {version} is gone"
        )
    return Attention(
        disk.labels["name"],
        f"its VM was deleted by hand; overlay {disk.uuid} is kept and not used: raise size to get it back (its "
        f"master version {version} must be there), or delete the disk",
    )
