# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Master images: the versions that a host pool holds. Pure."""
from __future__ import annotations

from dataclasses import dataclass

from .labels import Kind, Standing
from .records import Disk, HostPool, VirtualMachine, once


@dataclass(frozen=True)
class MasterVersion:
    """One published version: immutable but for its promotion."""

    name: str
    number: int
    master_id: str
    promoted_at: int  # epoch seconds; 0 = never
    network: str  # how its guests configure networks: netplan or networkd
    blueprint: VirtualMachine
    root: Disk | None
    boot: Disk | None
    instances: tuple[VirtualMachine, ...]

    @property
    def title(self) -> str:
        """``noble:7``, as people write it."""
        return f"{self.name}:{self.number}"

    @property
    def missing(self) -> list[str]:
        """What is needed to boot from it and is not there."""
        return [what for what, disk in (("root disk", self.root), ("boot CD", self.boot)) if disk is None]


def master_versions(pool: HostPool) -> list[MasterVersion]:
    """All published versions, by name and number. Unfinished and retiring ones are left out."""
    return list(_versions(pool))


@once
def _versions(pool: HostPool) -> tuple[MasterVersion, ...]:
    versions = [
        _version(pool, vm)
        for vm in pool.vms.values()
        if vm.is_ours(Kind.BLUEPRINT) and "retiring" not in vm.labels
    ]
    return tuple(sorted(versions, key=lambda v: (v.name, v.number)))


def _version(pool: HostPool, blueprint: VirtualMachine) -> MasterVersion:
    labels = blueprint.labels
    root = _disk(pool, Kind.ROOT, labels["root"])
    return MasterVersion(
        name=labels["master"],
        number=labels.number("version"),
        master_id=labels["master_id"],
        promoted_at=labels.number("promoted"),
        network=labels["network"],
        blueprint=blueprint,
        root=root,
        boot=_disk(pool, Kind.BOOT, labels["boot"]),
        instances=_instances(pool, labels["master_id"]),
    )


def _disk(pool: HostPool, kind: Kind, uuid: str) -> Disk | None:
    disk = _masters_disks(pool).get(uuid)
    return disk if disk and disk.labels.kind == kind.value else None


@once
def _masters_disks(pool: HostPool) -> dict[str, Disk]:
    """Disks of master images that are ours, by uuid."""
    kinds = (Kind.ROOT.value, Kind.BOOT.value)
    return {d.uuid: d for d in pool.disks.values() if d.labels.kind in kinds and d.standing is Standing.OWNED}


def _instances(pool: HostPool, master_id: str) -> tuple[VirtualMachine, ...]:
    """VMs labelled as instances of it, finished or not: all of them forbid its retirement."""
    return tuple(_instances_by_master(pool).get(master_id, ()))


@once
def _instances_by_master(pool: HostPool) -> dict[str, list[VirtualMachine]]:
    found: dict[str, list[VirtualMachine]] = {}
    for vm in pool.vms.values():
        if vm.labels.kind == Kind.INSTANCE.value and vm.standing is not Standing.FOREIGN:
            found.setdefault(vm.labels["master_id"], []).append(vm)
    return found


def promoted(versions: list[MasterVersion], name: str) -> MasterVersion | None:
    """The promoted version of a master: the one promoted last."""
    candidates = [v for v in versions if v.name == name and v.promoted_at]
    return max(candidates, key=lambda v: (v.promoted_at, v.number), default=None)
