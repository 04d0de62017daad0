# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: how an instance that is there differs from what is declared of it. Pure.

Only what is declared is compared, in no particular order. What protects the master image is always declared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator

from ..model.instances import Instance
from ..model.masters import MasterVersion, master_versions
from ..model.records import Disk, HostPool, StorageRepository
from ..model.upgrades import UPGRADE_TO, move_of, previous_of
from . import blocked
from .addresses import nth_address
from .changes import Item
from .creation import networks_of
from .drift_disks import attachment_items, claim_items, data_disk_items, overlay_items, swap_items
from .drift_hardware import hardware_items
from .drift_nics import Networks, nic_items
from .lookup import find_sr, find_srs
from .spec import DataDisk, Hardware, VmPoolSpec
from .vm_changes import BlockOperations, EndRestart, SetKey, SetName


@dataclass(frozen=True)
class Wish:
    """What is declared of an instance; empty or None = not declared. Sizes are bytes."""

    hardware: Hardware = field(default_factory=Hardware)
    networks: Networks = ()
    disks: tuple[tuple[DataDisk, StorageRepository | None], ...] = ()  # without an SR, the overlay's
    overlay_size: int | None = None
    overlay_srs: tuple[StorageRepository, ...] = ()
    on_boot: str | None = None
    swap: int | None = None  # 0 = no swap disk
    master: MasterVersion | None = None


def wish_of(spec: VmPoolSpec, pool: HostPool, master: MasterVersion) -> Wish:
    """All that the declaration of a VM pool says of each of its instances. Raises Refused."""
    return Wish(
        hardware=spec.hardware,
        networks=networks_of(spec, pool, master) if spec.networks else (),
        disks=tuple((disk, find_sr(pool, disk.sr) if disk.sr else None) for disk in spec.disks),
        overlay_size=spec.overlay.size,
        overlay_srs=tuple(find_srs(pool, spec.overlay.srs)),
        on_boot=spec.overlay.on_boot,
        swap=spec.swap or 0,
        master=master,
    )


@dataclass(frozen=True)
class Differences:
    """What is to be changed of an instance, and what only a person can decide."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


class Drift:
    """Compares instances of one host pool with a wish; what holds for all of them is looked up once."""

    def __init__(self, wish: Wish, pool: HostPool) -> None:
        self.wish = wish
        self._pool = pool
        self._versions = {version.master_id: version for version in master_versions(pool)}

    def version_of(self, disk: Disk | None) -> MasterVersion | None:
        """The complete master version on which an overlay was used last."""
        version = self._versions.get(disk.labels["master_id"]) if disk else None
        return version if version and not version.missing else None

    def of(self, instance: Instance) -> Differences:
        """How this instance differs. Raises Refused for what could never start."""
        return Differences(tuple(self._items(instance)), tuple(self._notes(instance)))

    def _items(self, instance: Instance) -> Iterator[Item]:
        wish, pool, vm = self.wish, self._pool, instance.vm
        version = self._versions.get(vm.labels["master_id"])
        yield from hardware_items(wish.hardware, pool, vm)
        if wish.networks:
            yield from nic_items(wish.networks, pool, instance)
        if instance.overlay is not None:
            sr = pool.srs[instance.overlay.sr]
            yield from overlay_items(wish.overlay_size, wish.on_boot, pool, instance, instance.overlay)
            yield from swap_items(wish.swap, pool, instance, instance.overlay)
            if wish.disks:
                yield from data_disk_items([(disk, where or sr) for disk, where in wish.disks], instance)
        yield from claim_items(instance)
        yield from attachment_items(version, instance)
        yield from _boot_items(version, instance)
        if not blocked.INSTANCE.keys() <= vm.blocked_operations.keys():
            yield BlockOperations(tuple(sorted(blocked.INSTANCE.keys() - vm.blocked_operations.keys())))
        if vm.name != instance.name:
            yield SetName(vm.name, instance.name)
        if instance.is_being_restarted and not move_of(vm):
            yield EndRestart()

    def _notes(self, instance: Instance) -> Iterator[str]:
        wish, labels = self.wish, instance.vm.labels
        goal = None if move_of(instance.vm) else wish.master
        if goal is not None and labels["master_id"] != goal.master_id:
            if labels[UPGRADE_TO] == goal.master_id:
                way = "upgraded at its next restart"
            elif goal.master_id in previous_of(labels):
                way = "take it back with playbook rollback"
            else:
                way = "upgrade it with playbook upgrade"
            yield f"runs on {labels['master']}:{labels['version']}, declared is {goal.title}: {way}"
        yield from self._misplaced_disks(instance)
        if wish.networks and (declared := _declared_addresses(wish.networks, instance.number)) is not None:
            have = instance.addresses
            if set(have) != set(declared):
                yield f"was made with {_listed(have)}, declared is {_listed(declared)}: kept until it is rebuilt"

    def _misplaced_disks(self, instance: Instance) -> Iterator[str]:
        wish, srs = self.wish, self._pool.srs
        overlay = instance.overlay
        if overlay and wish.overlay_srs and overlay.sr not in [sr.ref for sr in wish.overlay_srs]:
            names = " or ".join(dict.fromkeys(sr.name for sr in wish.overlay_srs))
            yield f"its overlay is on {srs[overlay.sr].name}, declared is {names}: kept until it is rebuilt"
        declared = {disk.name: sr for disk, sr in wish.disks}
        for disk in instance.data_disks:
            name = disk.labels["disk"]
            if wish.disks and name not in declared:
                yield f"its disk {name} ({disk.uuid}) is not declared any more: kept with its data"
            elif (sr := declared.get(name)) and sr.ref != disk.sr:
                yield f"its disk {name} ({disk.uuid}) is on {srs[disk.sr].name}, declared is {sr.name}: kept there"


def _boot_items(version: MasterVersion | None, instance: Instance) -> Iterator[SetKey]:
    """Boot order and firmware are the blueprint's: no instance can boot from anything but its CD."""
    if version is None:
        return
    have, want = instance.vm.boot_params, version.blueprint.boot_params
    for key, what in (("order", "boot order"), ("firmware", "firmware")):
        if have.get(key, "") != want.get(key, ""):
            yield SetKey("HVM_boot_params", key, what, have.get(key, ""), want.get(key, ""), live=True)


def _declared_addresses(networks: Networks, number: int) -> tuple[str, ...] | None:
    """The static addresses of instance `number`; None where the ranges do not reach so far."""
    found = [
        nth_address(family.ranges, number)
        for _network, wish in networks
        for family in (wish.ipv4, wish.ipv6)
        if family.ranges
    ]
    return None if None in found else tuple(address for address in found if address)


def _listed(addresses: tuple[str, ...]) -> str:
    return ", ".join(addresses) or "no static address"
