# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a VM pool: what is declared against what is there. Pure: no I/O, clock or randomness."""

from __future__ import annotations

import itertools
from typing import Sequence

from ..model.instances import instances, leftovers, orphans
from ..model.records import Disk, HostPool
from .actions import Action, Attention, Remove, RemoveOverlay, Tidy, VmPoolPlan
from .checks import check_addresses, check_names, check_space
from .creation import create_instance, networks_of, overlay_sr, revive
from .keep import keep
from .lookup import find_master, version_of
from .naming import free_numbers
from .spec import VmPoolSpec


def plan_vm_pool(spec: VmPoolSpec, pool: HostPool, host_pool: str) -> VmPoolPlan:
    """Make the plan that brings a VM pool to its declared state.

    `host_pool` is what people call the host pool. Raises Refused when the declaration cannot be met.
    """
    master = find_master(pool, spec.master)
    sr = overlay_sr(spec, pool, master)
    networks = networks_of(spec, pool, master)
    everything = instances(pool, spec.name)
    present = [instance for instance in everything if not instance.is_being_removed]
    kept = present[: spec.size]  # by number: the newest go first
    missing = spec.size - len(kept)
    unfinished = leftovers(pool, spec.name)
    orphaned = orphans(pool, spec.name)
    revivable = [(disk, version) for disk in orphaned if (version := version_of(pool, disk))][:missing]

    actions: list[Action] = [Tidy(leftover) for leftover in unfinished]
    actions += [Remove(i, "its removal was interrupted") for i in everything if i.is_being_removed]
    actions += [Remove(i, f"{spec.size} declared, newest first") for i in present[spec.size :]]
    actions += itertools.chain.from_iterable(keep(spec, pool, instance) for instance in kept)
    used = {i.number for i in everything} | {int(disk.labels["number"]) for disk in orphaned}
    fresh = itertools.islice(free_numbers(used), missing - len(revivable))
    creations = [create_instance(spec, master, sr, networks, number) for number in fresh]
    creations += [revive(spec, version, pool.srs[disk.sr], networks, disk) for disk, version in revivable]
    creations.sort(key=lambda create: create.number)
    check_names(pool, spec, creations, {leftover.vm.ref for leftover in unfinished if leftover.vm})
    check_addresses(pool, creations)
    check_space(sr, creations)
    actions += creations
    revived = [disk for disk, _version in revivable]
    actions += [_unused_overlay(disk) for disk in orphaned if disk not in revived]
    return VmPoolPlan(host_pool, spec.name, len(present), spec, master, tuple(actions))


def plan_absence(name: str, pool: HostPool, host_pool: str) -> VmPoolPlan:
    """Make the plan that removes a VM pool with all its overlays."""
    everything = instances(pool, name)
    actions: list[Action] = [Tidy(leftover) for leftover in leftovers(pool, name)]
    actions += [Remove(instance, "VM pool declared absent") for instance in everything]
    actions += [RemoveOverlay(disk) for disk in orphans(pool, name)]
    return VmPoolPlan(host_pool, name, len(everything), None, None, tuple(actions))


def plan_removal(name: str, names: Sequence[str], pool: HostPool, host_pool: str) -> VmPoolPlan:
    """Make the plan that removes single instances. Those that are not there need nothing."""
    everything = instances(pool, name)
    actions = tuple(Remove(instance, "asked for by name") for instance in everything if instance.name in names)
    return VmPoolPlan(host_pool, name, len(everything), None, None, actions)


def _unused_overlay(disk: Disk) -> Attention:
    return Attention(
        disk.labels["name"],
        f"its VM was deleted by hand; overlay {disk.uuid} is kept and not used: raise size to get it back (its "
        f"master version {disk.labels['master']}:{disk.labels['version']} must be there), or delete the disk",
    )
