# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions need, take and give back of hosts and SRs. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Iterable, Mapping, Sequence

from ..model.labels import Kind
from ..model.records import NULL, Disk, HostPool, StorageRepository, VirtualMachine
from .actions import Action, Change, Create, Reattach, Remove, RemoveOverlay, Start, Stop, Tidy, VmPoolPlan
from .capacity import Capacity, Layout, Needs, hosts_of, memory_of, memory_overhead
from .spec import Hardware
from .upgrade_changes import MoveMaster
from .vm_changes import SetMemory, SetVcpus


def alternatives(pool: HostPool, create: Create, srs: Sequence[StorageRepository]) -> dict[Layout, Create]:
    """The ways to make an instance: from each copy of its master, with its overlay on each of these SRs.

    Without SRs the overlay is where the master is; one that is there already stays where it is. First come the ways
    in which both are on one SR, then those with the master on a local one.
    """
    ways = []
    for copy in create.master.copies:
        if copy.root is None or copy.boot is None:
            continue
        through = replace(create, master=create.master.through(copy))
        own = [create.overlay_sr] if create.kept_overlay else srs or [pool.srs[copy.root.sr]]
        ways += [replace(through, overlay_sr=sr) for sr in own]
    layouts: dict[Layout, Create] = {}
    for way in sorted(ways, key=lambda way: _distance(pool, way)):
        layouts.setdefault(layout_of(pool, way), way)
    return layouts


def _distance(pool: HostPool, way: Create) -> tuple[bool, bool]:
    root_sr = pool.srs[way.master.root.sr] if way.master.root else way.overlay_sr
    return root_sr.ref != way.overlay_sr.ref, root_sr.shared


def needs_of_create(ways: Mapping[Layout, Create], hardware: Hardware) -> Needs:
    """What an instance needs that is to be made in one of these ways."""
    create = next(iter(ways.values()))
    return Needs(
        memory=memory_needed(create.master.blueprint, hardware),
        vcpus=vcpus_needed(create.master.blueprint, hardware),
        networks=tuple(sorted({nic.network.ref for nic in create.nics})),
        layouts=tuple(ways),
        starts=create.start,
    )


def layout_of(pool: HostPool, create: Create) -> Layout:
    """Where the disks of an instance to be made are, and what they take."""
    of_master = [disk for disk in (create.master.root, create.master.boot) if disk]
    kept = [disk for disk in (create.kept_overlay, *create.kept_disks) if disk]
    taken = Counter({disk.sr: 0 for disk in (*of_master, *kept)})
    for space in create.space():
        taken[space.sr.ref] += space.now
    root_sr = of_master[0].sr if of_master else create.overlay_sr.ref
    return Layout(root_sr, create.overlay_sr.ref, _by_name(pool, taken))


#: Kinds of disks of which an instance gets others when it moves to another version.
_OF_MASTERS = (Kind.ROOT.value, Kind.BOOT.value)


def needs_of_instance(pool: HostPool, action: Start | Reattach | Change, hardware: Hardware) -> Needs:
    """What an instance needs that is to be started."""
    vm = action.instance.vm
    disks = [pool.disks[a.vdi] for a in vm.attachments if a.vdi in pool.disks]
    networks = {interface.network for interface in vm.interfaces}
    lost = action.lost if isinstance(action, Change) else action if isinstance(action, Reattach) else None
    if lost:
        disks += [disk for disk in (lost.root, lost.boot, lost.overlay, lost.swap, *lost.disks) if disk]
        networks |= {nic.network.ref for nic in lost.nics}
    move = next((item for item in getattr(action, "items", ()) if isinstance(item, MoveMaster)), None)
    if move:
        roots = (move.target.root, move.target.boot, move.source.root if move.source and move.position else None)
        disks = [disk for disk in disks if disk.labels.kind not in _OF_MASTERS] + [disk for disk in roots if disk]
    overlay = action.instance.overlay
    srs = Counter({disk.sr: 0 for disk in disks})
    return Needs(
        memory=memory_needed(vm, hardware),
        vcpus=vcpus_needed(vm, hardware),
        networks=tuple(sorted(network for network in networks if network in pool.networks)),
        layouts=(Layout("", overlay.sr if overlay else "", _by_name(pool, srs)),),
    )


def _by_name(pool: HostPool, taken: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(taken.items(), key=lambda item: (pool.srs[item[0]].name, pool.srs[item[0]].uuid)))


def memory_needed(vm: VirtualMachine, hardware: Hardware) -> int:
    """Bytes of a host's memory that a VM takes with the declared hardware: what is not declared is as it has it."""
    memory = hardware.memory or vm.memory_dynamic_min
    limit = hardware.memory_max or hardware.memory or vm.memory
    vcpus = hardware.vcpus_max or hardware.vcpus or vm.vcpus
    computed = memory_overhead(limit, vcpus)
    is_declared = (limit, vcpus) != (vm.memory, vm.vcpus)
    return memory + (computed if is_declared else max(computed, vm.memory_overhead))


def vcpus_needed(vm: VirtualMachine, hardware: Hardware) -> int:
    """CPUs that a host must have; 0 when the VM may have more than there are."""
    if vm.platform.get("vcpu-unrestricted") in ("true", "1"):
        return 0
    return hardware.vcpus_max or hardware.vcpus or vm.vcpus


def freed(capacity: Capacity, actions: Iterable[Action]) -> Capacity:
    """What is left when what removals free has been given back: they are carried out before all else."""
    memory: Counter[str] = Counter()
    space: Counter[str] = Counter()
    for action in actions:
        if isinstance(action, (Remove, Stop)) or (isinstance(action, Change) and action.stop and not action.start):
            memory.update(dict.fromkeys(hosts_of(action.instance.vm), memory_of(action.instance.vm)))
        for disk in _removed_disks(action):
            space[disk.sr] += disk.used
    return capacity.change(memory, space)


def _removed_disks(action: Action) -> Iterable[Disk]:
    if isinstance(action, Remove) and not action.keep_overlay:
        return action.instance.disks
    if isinstance(action, Tidy):
        return action.leftover.disks
    if isinstance(action, RemoveOverlay):
        return (*action.others, action.disk)
    return ()


def growth(action: Action, hardware: Hardware) -> dict[str, int]:
    """Bytes of memory that a running instance takes more of its host, by reference; empty when it stays as it is."""
    if not isinstance(action, Change) or (action.stop and not action.start):
        return {}
    vm = action.instance.vm
    if vm.host == NULL or not any(isinstance(item, (SetMemory, SetVcpus)) for item in action.items):
        return {}
    return {vm.host: max(0, memory_needed(vm, hardware) - memory_of(vm))}


def capacity_after(capacity: Capacity, plan: VmPoolPlan) -> Capacity:
    """What a VM pool's plan leaves for the next one."""
    capacity = freed(capacity, plan.actions)
    hardware = plan.spec.hardware if plan.spec else Hardware()
    for action in plan.actions:
        space = {one.sr.ref: -one.now for one in action.space()}
        memory = {host: -size for host, size in growth(action, hardware).items()}
        if isinstance(action, (Create, Start, Reattach, Change)) and action.host and is_started(action):
            vm = action.master.blueprint if isinstance(action, Create) else action.instance.vm
            memory[action.host.ref] = -memory_needed(vm, hardware)
        capacity = capacity.change(memory, space)
    return capacity


def is_started(action: Create | Start | Reattach | Change) -> bool:
    """Whether an instance that does not run is started; a restart leaves one where it is."""
    if isinstance(action, Change):
        return action.start and not action.stop
    return isinstance(action, Start) or action.start
