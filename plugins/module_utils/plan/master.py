# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the life of master images: what is published from, under which number, what may go. Pure."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ..model.labels import Kind, Labels, Standing
from ..model.masters import MasterVersion, master_versions, promoted
from ..model.records import Disk, HostPool, VirtualMachine
from ..model.upgrades import needed_by
from .lookup import find_master
from .refusal import Refused
from .spec import MasterName

#: Seconds after its announcement in which a snapshot bearing our announcement is taken to be ours.
ANNOUNCED = 600


@dataclass(frozen=True)
class Remains:
    """What an interrupted publication or retirement left: disks and blueprints that nothing uses."""

    blueprints: tuple[VirtualMachine, ...]
    disks: tuple[Disk, ...]

    def __bool__(self) -> bool:
        return bool(self.blueprints or self.disks)


def find_golden_vm(pool: HostPool, wanted: str) -> VirtualMachine:
    """The halted VM of that name or uuid from which a master can be published. Raises Refused."""
    found = [
        vm
        for vm in pool.vms.values()
        if wanted in (vm.uuid, vm.name) and not (vm.is_template or vm.is_snapshot or vm.is_control_domain)
    ]
    if not found:
        raise Refused(f"There is no VM {wanted!r} in host pool {pool.name!r} ({pool.uuid}) to publish from.")
    if len(found) > 1:
        uuids = ", ".join(sorted(vm.uuid for vm in found))
        raise Refused(f"{len(found)} VMs are called {wanted!r}; give the uuid of the golden VM: {uuids}.")
    vm = found[0]
    if vm.labels.kind == Kind.INSTANCE.value and vm.standing is Standing.OWNED:
        raise Refused(f"VM {vm.name!r} ({vm.uuid}) is an instance of VM pool {vm.labels['pool']!r}, no golden VM.")
    if vm.power_state != "Halted":
        raise Refused(
            f"Golden VM {vm.name!r} ({vm.uuid}) is {vm.power_state}; seal it and shut it down, then publish."
        )
    if vm.platform.get("secureboot") == "true":
        raise Refused(
            f"Golden VM {vm.name!r} ({vm.uuid}) boots with Secure Boot, which refuses the boot CD's unsigned GRUB. Set "
            "platform:secureboot=false on it."
        )
    return vm


def golden_disks(pool: HostPool, golden: VirtualMachine) -> list[Disk]:
    """The read-write disks of a golden VM, by position. Raises Refused when there are fewer than two."""
    disks = [
        pool.disks[a.vdi]
        for a in golden.attachments
        if a.type == "Disk" and a.mode == "RW" and a.vdi in pool.disks
    ]
    if len(disks) < 2:
        raise Refused(
            f"Golden VM {golden.name!r} ({golden.uuid}) has {len(disks)} disk(s); it needs its root disk and a small "
            "extra disk (64 MiB) for the boot CD. Add one and run role skinnybox.xenserver.seal in the VM."
        )
    return disks


def next_number(pool: HostPool, name: str) -> int:
    """One more than the highest number that anything of this master bears, finished or not."""
    numbers = [
        labels.number("version")
        for labels in [vm.labels for vm in pool.vms.values()] + [disk.labels for disk in pool.disks.values()]
        if labels["master"] == name
    ]
    return max(numbers, default=0) + 1


def published_from(pool: HostPool, name: str, master_id: str) -> MasterVersion | None:
    """The version that was published from this very seal, if it was. Raises Refused when under another name."""
    version = next((v for v in master_versions(pool) if v.master_id == master_id), None)
    if version and version.name != name:
        raise Refused(
            f"This sealed state of the golden VM is published already, as {version.title} (blueprint "
            f"{version.blueprint.uuid}). Seal the golden VM again to publish it as {name!r}."
        )
    return version


def announcement(name: str, now: float) -> str:
    """The label that a golden VM's disk bears while it is snapshotted, and that the snapshot inherits."""
    return f"{name} {int(now)}"


def remains(pool: HostPool, name: str) -> Remains:
    """What interrupted work on this master left behind.

    Not what instances and overlays need, though: its blueprint was lost in another way.
    """
    versions = master_versions(pool)
    whole = {version.master_id for version in versions if not version.missing}
    needed = _needed(pool) - whole
    blueprints = [
        vm
        for vm in pool.vms.values()
        if vm.labels.kind == Kind.BLUEPRINT.value
        and vm.labels["master"] == name
        and (vm.standing is Standing.UNFINISHED or (vm.is_ours(Kind.BLUEPRINT) and "retiring" in vm.labels))
        and vm.labels["master_id"] not in needed
    ]
    owned = {copy.blueprint.labels[what] for v in versions for copy in v.copies for what in ("root", "boot")}
    going = {attachment.ref for vm in blueprints for attachment in vm.attachments}
    disks = [
        disk
        for disk in pool.disks.values()
        if (_is_masters(disk.labels, name) and disk.standing is not Standing.FOREIGN and disk.uuid not in owned)
        or _is_announced_snapshot(disk, name)
        if disk.standing is not Standing.OWNED or disk.labels["master_id"] not in needed
        # Of a version that is there otherwise, also what VMs have attached has its use.
        if disk.labels["master_id"] not in whole or going.issuperset(disk.vbds)
    ]
    return Remains(tuple(blueprints), tuple(disks))


def _needed(pool: HostPool) -> set[str]:
    """The master ids of all that was made of a version, or can go back to it: VMs, finished or not, and overlays."""
    kinds = (Kind.INSTANCE.value, Kind.OVERLAY.value)
    things: list[VirtualMachine | Disk] = [*pool.vms.values(), *pool.disks.values()]
    bearers = [thing for thing in things if thing.labels.kind in kinds and thing.standing is not Standing.FOREIGN]
    bound = {one for thing in bearers if isinstance(thing, VirtualMachine) for one in needed_by(thing)}
    return bound | {thing.labels["master_id"] for thing in bearers}


def _is_masters(labels: Labels, name: str) -> bool:
    return labels.kind in (Kind.ROOT.value, Kind.BOOT.value) and labels["master"] == name


def _is_announced_snapshot(disk: Disk, name: str) -> bool:
    """A snapshot that was taken right after we announced it, and that nobody has attached."""
    label_name, _space, announced = disk.labels["publishing"].rpartition(" ")
    if label_name != name or not announced.isdecimal() or not disk.snapshot_time or disk.labels.kind:
        return False
    return 0 <= disk.snapshot_time - int(announced) < ANNOUNCED and not disk.vbds


def is_promoted(pool: HostPool, version: MasterVersion) -> bool:
    """Whether a pool that declares only the name gets this version."""
    current = promoted(master_versions(pool), version.name)
    return current is not None and current.master_id == version.master_id


def find_retirable(pool: HostPool, wanted: MasterName) -> MasterVersion | None:
    """The version to be retired, None when it is gone. Raises Refused while anything uses it."""
    if wanted.number is None:
        raise Refused(f"Say which version of master image {wanted.name!r} is to be retired, such as version=3.")
    version = next(
        (v for v in master_versions(pool) if (v.name, v.number) == (wanted.name, wanted.number)), None
    )
    if version is not None and (reason := in_use(pool, version)):
        raise Refused(f"Master image {version.title} cannot be retired: {reason}")
    return version


def in_use(pool: HostPool, version: MasterVersion) -> str:
    """Why a version must stay, as a sentence; empty when nothing needs it."""
    if version.instances:
        return f"{_counted(version.instances)} use it{_named(version.instances)}. Upgrade or demolish them first."
    if version.bound:
        return (
            f"{_counted(version.bound)} can go back to it, or are to be upgraded to it{_named(version.bound)}. Commit "
            "them first (module instance, state committed)."
        )
    for copy in version.copies:
        for disk in filter(None, (copy.root, copy.boot)):
            others = [vm for vm in pool.users_of(disk) if vm.ref != copy.blueprint.ref]
            if not others:
                continue
            if others[0].is_ours(Kind.INSTANCE):
                return (
                    f"{others[0].name} ({others[0].uuid}) has its old root {disk.uuid} attached still. It is detached "
                    "by apply when the instance is halted or restarted."
                )
            return (
                f"disk {disk.name!r} ({disk.uuid}) is attached to VM {others[0].name!r} ({others[0].uuid}), which is "
                "not Skinnybox's. Detach it there first."
            )
    overlays = [
        d for d in pool.disks.values()
        if d.labels.kind == Kind.OVERLAY.value
        and d.standing is Standing.OWNED
        and d.labels["master_id"] == version.master_id
    ]
    if overlays:
        return f"overlay {overlays[0].name!r} ({overlays[0].uuid}), whose VM was deleted, is based on it."
    return ""


def _counted(vms: Sequence[VirtualMachine]) -> str:
    return f"{len(vms)} instance(s)"


def _named(vms: Sequence[VirtualMachine]) -> str:
    names = sorted(vm.labels["name"] or vm.name for vm in vms)
    return f": {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"


def is_to_be_promoted(pool: HostPool, name: str, version: MasterVersion | None, wish: bool | None) -> bool:
    """Whether publishing promotes: as wished, else only when no version of this master is promoted yet."""
    if version is not None and is_promoted(pool, version):
        return False
    return promoted(master_versions(pool), name) is None if wish is None else wish


def superfluous(
    pool: HostPool, name: str, keep: int | None, adds: bool, promotes: bool, number: int
) -> list[MasterVersion]:
    """Versions beyond the newest `keep` that nothing uses and that will not be promoted.

    `adds` says that version `number` is about to be published, `promotes` that it will be promoted.
    """
    surplus = _beyond(pool, name, keep, adds, promotes, number)
    return [v for v in surplus if not in_use(pool, v)]


def _beyond(
    pool: HostPool, name: str, keep: int | None, adds: bool, promotes: bool, number: int
) -> list[MasterVersion]:
    if keep is None:
        return []
    versions = [v for v in master_versions(pool) if v.name == name]
    surplus = versions[: max(0, len(versions) + adds - keep)]
    return [v for v in surplus if v.number != number and (promotes or not is_promoted(pool, v))]


def bound_versions(
    pool: HostPool, name: str, keep: int | None, adds: bool, promotes: bool, number: int
) -> list[str]:
    """Why versions beyond the newest `keep` stay that no instance runs on any more, a sentence each."""
    surplus = [v for v in _beyond(pool, name, keep, adds, promotes, number) if v.bound and not v.instances]
    return [f"{v.title} is not retired: {in_use(pool, v)}" for v in surplus]


def clearing_lines(pool: HostPool, name: str) -> list[str]:
    """What is to be removed first, for people."""
    left = remains(pool, name)
    return [
        *(f"unfinished blueprint {vm.name} ({vm.uuid}) removed" for vm in left.blueprints),
        *(f"unfinished disk {disk.name} ({disk.uuid}) removed" for disk in left.disks),
    ]


def find_version(pool: HostPool, name: str, number: int | None) -> MasterVersion:
    """The version to be promoted: the newest when no number is given. Raises Refused."""
    if number is None:
        numbers = [v.number for v in master_versions(pool) if v.name == name]
        number = max(numbers, default=None)
    return find_master(pool, MasterName(name, number))
