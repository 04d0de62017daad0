# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a VM pool: what is declared against what is there. Pure: no I/O, clock or randomness."""
from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Iterator, Sequence

from ..model.instances import Instance, instances, leftovers, orphans
from ..model.masters import MasterVersion, master_versions
from ..model.records import Disk, HostPool, Network, StorageRepository
from .actions import (
    Action,
    Attention,
    Create,
    NicPlan,
    Remove,
    RemoveOverlay,
    Start,
    Stop,
    Tidy,
    VmPoolPlan,
)
from .addresses import nth_address
from .attachments import lost_attachments
from .lookup import find_master, find_network, find_sr
from .naming import free_numbers, instance_name
from .refusal import Refused
from .sizes import show_size
from .spec import Family, NetworkSpec, VmPoolSpec


def plan_vm_pool(spec: VmPoolSpec, pool: HostPool, host_pool: str) -> VmPoolPlan:
    """Make the plan that brings a VM pool to its declared state.

    `host_pool` is what people call the host pool. Raises Refused when the declaration cannot be met.
    """
    master = find_master(pool, spec.master)
    sr = _overlay_sr(spec, pool, master)
    networks = _networks(spec, pool, master)
    everything = instances(pool, spec.name)
    present = [instance for instance in everything if not instance.is_being_removed]
    kept = present[: spec.size]  # by number: the newest go first
    missing = spec.size - len(kept)
    unfinished = leftovers(pool, spec.name)
    orphaned = orphans(pool, spec.name)
    revivable = [(disk, version) for disk in orphaned if (version := _version_of(pool, disk))][:missing]

    actions: list[Action] = [Tidy(leftover) for leftover in unfinished]
    actions += [Remove(i, "its removal was interrupted") for i in everything if i.is_being_removed]
    actions += [Remove(i, f"{spec.size} declared, newest first") for i in present[spec.size :]]
    actions += itertools.chain.from_iterable(_keep(spec, pool, instance) for instance in kept)
    used = {i.number for i in everything} | {int(disk.labels["number"]) for disk in orphaned}
    fresh = itertools.islice(free_numbers(used), missing - len(revivable))
    creations = [_create(spec, master, sr, networks, number) for number in fresh]
    creations += [_revive(spec, version, pool.srs[disk.sr], networks, disk) for disk, version in revivable]
    creations.sort(key=lambda create: create.number)
    _check_names(pool, spec, creations, {leftover.vm.ref for leftover in unfinished if leftover.vm})
    _check_addresses(pool, creations)
    _check_space(sr, creations)
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


def _overlay_sr(spec: VmPoolSpec, pool: HostPool, master: MasterVersion) -> StorageRepository:
    if master.root is None:
        raise Refused(f"Master image {master.title} has lost its root disk.")
    root_sr = pool.srs[master.root.sr]
    sr = root_sr if spec.overlay_sr is None else find_sr(pool, spec.overlay_sr)
    if not sr.attached_hosts:
        raise Refused(f"SR {sr.name!r} ({sr.uuid}) is attached to no host; plug its PBD first.")
    if not set(sr.attached_hosts) & set(root_sr.attached_hosts):
        raise Refused(
            f"No host sees both SR {sr.name!r} ({sr.uuid}), where overlays are to be, and SR {root_sr.name!r} "
            f"({root_sr.uuid}), where master image {master.title} is. Choose another SR (overlay.sr)."
        )
    return sr


def _networks(
    spec: VmPoolSpec, pool: HostPool, master: MasterVersion
) -> list[tuple[Network, NetworkSpec]]:
    of_golden_vm = master.blueprint.labels["networks"].split()
    if not spec.networks:
        automatic = NetworkSpec(None, Family("dhcp"), Family("auto"))
        return [(find_network(pool, uuid), automatic) for uuid in of_golden_vm]
    found = []
    for index, network in enumerate(spec.networks):
        wanted = network.network or (of_golden_vm[index] if index < len(of_golden_vm) else None)
        if wanted is None:
            raise Refused(f"networks[{index}]: name a network; the golden VM had only {len(of_golden_vm)}.")
        found.append((find_network(pool, wanted), network))
    return found


def _keep(spec: VmPoolSpec, pool: HostPool, instance: Instance) -> Iterator[Action]:
    """What an instance that stays needs."""
    start = spec.power_state == "running"
    state = instance.vm.power_state
    labels = instance.vm.labels
    if instance.overlay is None:
        yield Attention(instance.name, "overlay disk is missing: `demolish` it and `apply`, or attach it again")
    elif state == "Halted" and _version_of(pool, instance.overlay) is None:
        yield Attention(
            instance.name, f"its master image {labels['master']}:{labels['version']} is gone: it cannot start"
        )
    elif state == "Halted":
        lost = lost_attachments(pool, instance, start)
        if lost:
            yield lost
        elif start:
            yield Start(instance)
    elif state == "Running" and spec.power_state == "halted":
        yield Stop(instance)
    elif state != "Running" and spec.power_state != "unmanaged":
        yield Attention(instance.name, f"is {state.lower()}: resume or shut it down yourself")


def _version_of(pool: HostPool, overlay: Disk) -> MasterVersion | None:
    """The complete master version on which an overlay was used last."""
    return next(
        (v for v in master_versions(pool) if v.master_id == overlay.labels["master_id"] and not v.missing), None
    )


def _create(
    spec: VmPoolSpec,
    master: MasterVersion,
    sr: StorageRepository,
    networks: list[tuple[Network, NetworkSpec]],
    number: int,
) -> Create:
    return Create(
        name=instance_name(spec.instance_name, spec.name, number),
        number=number,
        master=master,
        nics=tuple(_nic(device, network, wish, number) for device, (network, wish) in enumerate(networks)),
        overlay_sr=sr,
        overlay_size=spec.overlay_size,
        swap_size=spec.swap,
        start=spec.power_state == "running",
    )


def _revive(
    spec: VmPoolSpec,
    version: MasterVersion,
    sr: StorageRepository,
    networks: list[tuple[Network, NetworkSpec]],
    overlay: Disk,
) -> Create:
    """A VM around an overlay that lost its own: on the overlay's master version, where its layer is."""
    create = _create(spec, version, sr, networks, int(overlay.labels["number"]))
    return replace(create, name=overlay.labels["name"], overlay_size=overlay.size, kept_overlay=overlay)


def _nic(device: int, network: Network, wish: NetworkSpec, number: int) -> NicPlan:
    return NicPlan(
        device=device,
        network=network,
        ipv4_method=wish.ipv4.method,
        ipv4=_address(wish.ipv4, number, f"networks[{device}].ipv4"),
        ipv4_gateway=wish.ipv4.gateway,
        ipv6_method=wish.ipv6.method,
        ipv6=_address(wish.ipv6, number, f"networks[{device}].ipv6"),
        ipv6_gateway=wish.ipv6.gateway,
        dns=wish.dns,
        search=wish.search,
    )


def _address(family: Family, number: int, what: str) -> str | None:
    if family.method != "static":
        return None
    address = nth_address(family.ranges, number)
    if address is None:
        raise Refused(f"{what}.addresses has no address for instance number {number}; make the range longer.")
    return address


def _check_names(pool: HostPool, spec: VmPoolSpec, creations: list[Create], unfinished: set[str]) -> None:
    """A VM that is not ours may bear the name: creating a second one would confuse people and tools."""
    wanted = {create.name for create in creations}
    for vm in pool.vms.values():
        if vm.name in wanted and not vm.is_snapshot and vm.ref not in unfinished:
            raise Refused(
                f"VM pool {spec.name!r}: there is already a VM called {vm.name!r} ({vm.uuid}) that does not belong "
                "to the pool. Rename it, or choose another instance_name."
            )


def _check_addresses(pool: HostPool, creations: list[Create]) -> None:
    taken = {
        address.partition("/")[0]: instance for instance in instances(pool) for address in instance.addresses
    }
    for create in creations:
        for address in (a.partition("/")[0] for nic in create.nics for a in nic.addresses):
            if address in taken:
                other = taken[address]
                raise Refused(
                    f"{create.name}: address {address} is used by {other.name} ({other.vm.uuid}) of VM pool "
                    f"{other.pool!r}. Declare another range."
                )


def _check_space(sr: StorageRepository, creations: list[Create]) -> None:
    needed = sum(create.bytes_now for create in creations if create.overlay_sr.ref == sr.ref)
    if needed > sr.free:
        raise Refused(
            f"SR {sr.name!r} ({sr.uuid}) has {show_size(sr.free)} free, {show_size(needed)} are needed for "
            f"the disks of {len(creations)} new instances. Free space or choose another SR (overlay.sr)."
        )


def _unused_overlay(disk: Disk) -> Attention:
    return Attention(
        disk.labels["name"],
        f"its VM was deleted by hand; overlay {disk.uuid} is kept and not used: raise size to get it back (its "
        f"master version {disk.labels['master']}:{disk.labels['version']} must be there), or delete the disk",
    )
