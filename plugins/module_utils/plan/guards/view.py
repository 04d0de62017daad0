# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guards look at: the host pool, with the look-ups that they share. Pure.

Everything is indexed once, so that looking at ten thousand instances takes one pass for each guard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

from ...model.chains import Chains
from ...model.instances import Instance, instances, leftovers, pool_of_unfinished
from ...model.labels import Kind, Labels, Standing
from ...model.masters import MasterVersion, master_versions
from ...model.records import Attachment, Disk, HostPool, VirtualMachine
from ..attachments import BOOT, ROOT

MASTER_KINDS = (Kind.ROOT.value, Kind.BOOT.value)


@dataclass(frozen=True)
class Copy:
    """A master version on one SR: the version as it was published, or a replica of it, with a blueprint of its own."""

    blueprint: VirtualMachine
    root: Disk | None
    boot: Disk | None

    @property
    def title(self) -> str:
        return title_of(self.blueprint.labels)

    @property
    def parts(self) -> tuple[tuple[str, Disk | None, str], ...]:
        """Its disks: what each is called, the disk, and the position at which the blueprint has it as a CD."""
        return ("root disk", self.root, ROOT), ("boot CD", self.boot, BOOT)

    @property
    def missing(self) -> list[str]:
        """What is needed to boot from it and is not there."""
        return [name for name, disk, _position in self.parts if disk is None]


class View:
    """A host pool as guards see it."""

    def __init__(self, pool: HostPool) -> None:
        self.pool = pool
        # By uuid, so that findings do not hang on the order in which XAPI tells its records.
        self.vms = sorted(pool.vms.values(), key=lambda vm: vm.uuid)
        self.all_disks = sorted(pool.disks.values(), key=lambda disk: disk.uuid)
        self.chains = Chains(pool)
        self.versions: list[MasterVersion] = sorted(master_versions(pool), key=lambda v: (v.title, v.blueprint.uuid))
        self.instances: list[Instance] = sorted(instances(pool), key=lambda i: (i.name, i.vm.uuid))
        self.leftovers = leftovers(pool)
        #: Disks of ours, by label and uuid; unfinished ones are left to the guard of leftovers.
        self.disks = [disk for disk in self.all_disks if disk.labels.kind and disk.standing is Standing.OWNED]
        self.master_disks = [disk for disk in self.disks if disk.labels.kind in MASTER_KINDS]
        self._master_disks = {disk.ref: disk for disk in self.master_disks}
        self.own_disks = [disk for disk in self.disks if disk.labels.kind not in MASTER_KINDS]
        self._uses: dict[str, list[Attachment]] = {}
        for vm in self.vms:
            for attachment in vm.attachments:
                self._uses.setdefault(attachment.vdi, []).append(attachment)
        by_uuid = {disk.uuid: disk for disk in self.master_disks}
        self.blueprints = [vm for vm in self.vms if vm.is_ours(Kind.BLUEPRINT) and "retiring" not in vm.labels]
        self.copies = [
            Copy(vm, by_uuid.get(vm.labels["root"]), by_uuid.get(vm.labels["boot"])) for vm in self.blueprints
        ]
        self._pools: dict[str, set[str]] = {}
        for labels in (*(i.vm.labels for i in self.instances), *(disk.labels for disk in self.own_disks)):
            self._pools.setdefault(labels["master_id"], set()).add(labels["pool"])

    def uses(self, disk: Disk) -> list[Attachment]:
        """The attachments of a disk, of VMs, templates and snapshots."""
        return self._uses.get(disk.ref, [])

    def master_disk(self, attachment: Attachment) -> Disk | None:
        """The disk of a master that is attached, or None when it is another one."""
        return self._master_disks.get(attachment.vdi)

    def vm(self, attachment: Attachment) -> VirtualMachine:
        """The VM that has an attachment."""
        return self.pool.vms[attachment.vm]

    def pools_on(self, master_id: str) -> tuple[str, ...]:
        """The VM pools that have instances or overlays of a master version."""
        return tuple(sorted(self._pools.get(master_id, ())))

    def concerned(self, labels: Labels) -> dict[str, tuple[str, ...]]:
        """Whom it concerns when something is wrong with an object that bears these labels: arguments of a finding."""
        pools = (labels["pool"],) if labels["pool"] else self.pools_on(labels["master_id"])
        return {"pools": pools, "masters": (title_of(labels),) if labels["master"] else ()}

    def concerned_all(self, several: Iterable[Labels]) -> dict[str, tuple[str, ...]]:
        """The same for several objects at once."""
        everyone = [self.concerned(labels) for labels in several]
        return {key: tuple(sorted({name for one in everyone for name in one[key]})) for key in ("pools", "masters")}


def title_of(labels: Labels) -> str:
    """The master version that labels name: ``noble:7``."""
    return f"{labels['master']}:{labels['version']}"


def whose(disk: Disk) -> str:
    """The instance or the master version that a disk is of."""
    return disk.labels["name"] or title_of(disk.labels)


def is_making(vm: VirtualMachine) -> bool:
    """Whether a run is making this VM, or was killed while it did."""
    return pool_of_unfinished(vm) is not None


def machines(view: View) -> Iterator[VirtualMachine]:
    """The VMs that can run: no templates, snapshots and control domains."""
    return (vm for vm in view.vms if not (vm.is_template or vm.is_snapshot or vm.is_control_domain))


def described(vm: VirtualMachine) -> str:
    """A VM in a sentence: what it is, its name and uuid."""
    what = "snapshot" if vm.is_snapshot else "template" if vm.is_template else "VM"
    return f"{what} {vm.name!r} ({vm.uuid})"


def shut_down_first(vm: VirtualMachine) -> str:
    """The beginning of a remedy for which the VM must be halted."""
    return "" if vm.power_state == "Halted" else f"xe vm-shutdown uuid={vm.uuid}; "


def listed(names: Iterable[str], at_most: int = 5) -> str:
    """Names in a sentence, the first few of them."""
    found = list(names)
    return ", ".join(found[:at_most]) + (f" and {len(found) - at_most} more" if len(found) > at_most else "")
