# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Master images: the versions that a host pool holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .labels import Kind, Standing
from .records import Disk, HostPool, VirtualMachine, once
from .upgrades import needed_by


@dataclass(frozen=True)
class Copy:
    """A master version on one SR, with a blueprint of its own: the one that was published, or a replica of it."""

    blueprint: VirtualMachine
    root: Disk | None
    boot: Disk | None

    @property
    def missing(self) -> list[str]:
        """What is needed to boot from it and is not there."""
        return [what for what, disk in (("root disk", self.root), ("boot CD", self.boot)) if disk is None]


@dataclass(frozen=True)
class MasterVersion(Copy):
    """One published version: immutable but for its promotion and its replicas. It is itself the first of its copies."""

    name: str
    number: int
    master_id: str
    promoted_at: int  # epoch seconds; 0 = never
    network: str  # how its guests configure networks: netplan or networkd
    instances: tuple[VirtualMachine, ...]
    bound: tuple[VirtualMachine, ...] = ()  # instances of other versions that can go back to it, or are to get it
    replicas: tuple[Copy, ...] = ()

    @property
    def title(self) -> str:
        """``noble:7``, as people write it."""
        return f"{self.name}:{self.number}"

    @property
    def copies(self) -> tuple[Copy, ...]:
        """All copies, damaged ones among them; the first one is damaged only when all are."""
        return (self, *self.replicas)

    def through(self, copy: Copy) -> MasterVersion:
        """The version as one has it who takes it from this copy."""
        return replace(self, blueprint=copy.blueprint, root=copy.root, boot=copy.boot, replicas=())

    def used_by(self, vm: VirtualMachine, overlay: Disk | None) -> MasterVersion:
        """The version as a VM has it: from the copy that it has attached, else from one on its overlay's SR."""
        attached = {attachment.vdi for attachment in vm.attachments}

        def distance(copy: Copy) -> int:
            disks = [disk for disk in (copy.root, copy.boot) if disk]
            if any(disk.ref in attached for disk in disks):
                return 0
            return 1 if overlay and any(disk.sr == overlay.sr for disk in disks) else 2

        return self.through(min(self.copies, key=distance)) if self.replicas else self


def master_versions(pool: HostPool) -> list[MasterVersion]:
    """All published versions, by name and number. Unfinished and retiring ones are left out."""
    return list(_versions(pool))


@once
def _versions(pool: HostPool) -> tuple[MasterVersion, ...]:
    blueprints = [vm for vm in pool.vms.values() if vm.is_ours(Kind.BLUEPRINT) and "retiring" not in vm.labels]
    copies: dict[tuple[str, str], list[Copy]] = {}
    for vm in sorted(blueprints, key=lambda vm: ("replica" in vm.labels, vm.uuid)):
        copy = Copy(vm, _disk(pool, Kind.ROOT, vm.labels["root"]), _disk(pool, Kind.BOOT, vm.labels["boot"]))
        # A replica whose version was lost becomes the version; what is no replica is always a version of its own.
        master_id = vm.labels["master_id"]
        known = next((key for key in copies if key[0] == master_id), None) if "replica" in vm.labels else None
        copies.setdefault(known or (master_id, vm.uuid), []).append(copy)
    versions = [_version(pool, found) for found in copies.values()]
    return tuple(sorted(versions, key=lambda v: (v.name, v.number)))


def _version(pool: HostPool, copies: list[Copy]) -> MasterVersion:
    first, *replicas = sorted(copies, key=lambda copy: bool(copy.missing))
    labels = first.blueprint.labels
    return MasterVersion(
        blueprint=first.blueprint,
        root=first.root,
        boot=first.boot,
        name=labels["master"],
        number=labels.number("version"),
        master_id=labels["master_id"],
        promoted_at=max(copy.blueprint.labels.number("promoted") for copy in copies),
        network=labels["network"],
        instances=_instances(pool, labels["master_id"]),
        bound=tuple(_bound_by_master(pool).get(labels["master_id"], ())),
        replicas=tuple(replicas),
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


@once
def _bound_by_master(pool: HostPool) -> dict[str, list[VirtualMachine]]:
    found: dict[str, list[VirtualMachine]] = {}
    for vm in pool.vms.values():
        if vm.labels.kind == Kind.INSTANCE.value and vm.standing is not Standing.FOREIGN:
            for master_id in sorted(needed_by(vm) - {vm.labels["master_id"]}):
                found.setdefault(master_id, []).append(vm)
    return found


def promoted(versions: list[MasterVersion], name: str) -> MasterVersion | None:
    """The promoted version of a master: the one promoted last."""
    candidates = [v for v in versions if v.name == name and v.promoted_at]
    return max(candidates, key=lambda v: (v.promoted_at, v.number), default=None)
