# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances to be made: their names, NICs, addresses, disks."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterator

from ..model.labels import Kind
from ..model.masters import MasterVersion
from ..model.records import Disk, HostPool, Network
from .actions import Create, DiskPlan, NicPlan
from .addresses import nth_address
from .changes import DiskItem
from .data_disks import data_disks_of
from .disk_changes import GrowDisk, SetOnBoot
from .drift_hardware import check_hardware
from .lookup import find_network
from .naming import instance_name
from .refusal import Refused
from .spec import Family, NetworkSpec, VmPoolSpec

_AUTOMATIC = NetworkSpec(None, Family("dhcp"), Family("auto"))


def networks_of(spec: VmPoolSpec, pool: HostPool, master: MasterVersion) -> list[tuple[Network, NetworkSpec]]:
    of_golden_vm = master.blueprint.labels["networks"].split()
    if not spec.networks:
        return [(find_network(pool, uuid), _AUTOMATIC) for uuid in of_golden_vm]
    found = []
    for index, network in enumerate(spec.networks):
        wanted = network.network or (of_golden_vm[index] if index < len(of_golden_vm) else None)
        if wanted is None:
            raise Refused(f"networks[{index}]: name a network; the golden VM had only {len(of_golden_vm)}.")
        found.append((find_network(pool, wanted), network))
    return found


def create_instance(
    spec: VmPoolSpec,
    pool: HostPool,
    master: MasterVersion,
    networks: list[tuple[Network, NetworkSpec]],
    disks: tuple[DiskPlan, ...],
    number: int,
    name: str | None = None,
) -> Create:
    """An instance to be made with its overlay where its master is; see plan.assignment for where it goes.

    Its name is that of its number unless it is given.
    """
    if master.root is None:
        raise Refused(f"Master image {master.title} has lost its root disk.")
    check_hardware(spec.hardware, master.blueprint)
    return Create(
        name=name or instance_name(spec.instance_name, spec.name, number),
        number=number,
        master=master,
        nics=tuple(_nic(device, network, wish, number) for device, (network, wish) in enumerate(networks)),
        overlay_sr=pool.srs[master.root.sr],
        overlay_size=spec.overlay.size,
        swap_size=spec.swap,
        start=spec.power_state == "running",
        disks=disks,
        on_boot=spec.overlay.on_boot,
    )


def revive(
    spec: VmPoolSpec,
    pool: HostPool,
    version: MasterVersion,
    networks: list[tuple[Network, NetworkSpec]],
    overlay: Disk,
    others: tuple[Disk, ...],
) -> Create:
    """A VM around an overlay that lost its own: on the overlay's master version, where its layer is.

    `others` are data disks and snapshots of the same instance.
    """
    kept = tuple(disk for disk in others if disk.labels.kind == Kind.DATA.value)
    disks = data_disks_of(spec, pool, kept)
    create = create_instance(spec, pool, version, networks, disks, overlay.labels.number("number"))
    return replace(
        create,
        overlay_sr=pool.srs[overlay.sr],
        name=overlay.labels["name"],
        overlay_size=overlay.size,
        kept_overlay=overlay,
        kept_disks=kept,
        kept_items=tuple(_kept_items(spec, pool, overlay, kept)),
    )


def _kept_items(spec: VmPoolSpec, pool: HostPool, overlay: Disk, kept: tuple[Disk, ...]) -> Iterator[DiskItem]:
    """How disks that lost their VM differ from the declaration; once the instance runs, most of it needs a restart."""
    if overlay.size < spec.overlay.size:
        yield GrowDisk(overlay, "overlay", spec.overlay.size, pool.srs[overlay.sr], live=True)
    if overlay.on_boot != spec.overlay.on_boot:
        yield SetOnBoot(overlay, spec.overlay.on_boot, live=True)
    sizes = {disk.name: disk.size for disk in spec.disks}
    for disk in kept:
        name = disk.labels["disk"]
        if disk.size < sizes.get(name, 0):
            yield GrowDisk(disk, f"disk {name}", sizes[name], pool.srs[disk.sr], live=True)


def automatic_nic(device: int, network: Network) -> NicPlan:
    """A NIC of which nothing is declared: with DHCP and router advertisements."""
    return _nic(device, network, _AUTOMATIC, 0)


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
