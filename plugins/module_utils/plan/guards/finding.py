# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guard finds: what is wrong with which object, whom it concerns, and what to do about it. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Union

from ...model.records import Attachment, Disk, HostPool, NetworkInterface, StorageRepository, VirtualMachine


class Severity(str, Enum):
    """How urgent a finding is; the most urgent first."""

    DANGER = "danger"  # data or a master is lost, copied or damaged, or will be by the next ordinary step
    WARNING = "warning"  # a protection is missing, or something leaks
    NOTE = "note"  # worth knowing


@dataclass(frozen=True)
class Subject:
    """The object that a finding is about: XAPI's class, name and uuid."""

    cls: str
    name: str
    uuid: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``remedy`` is what an administrator types or does."""

    guard: str
    severity: Severity
    subject: Subject
    problem: str
    remedy: str
    pools: tuple[str, ...] = ()  # names of the VM pools concerned
    masters: tuple[str, ...] = ()  # titles of the versions concerned, such as noble:7, or names

    def concerns(self, vm_pool: str | None, master: str | None) -> bool:
        """Whether it has to do with this VM pool and with this master image (``noble``) or version (``noble:7``)."""
        if vm_pool is not None and vm_pool not in self.pools:
            return False
        return master is None or any(master in (title, title.partition(":")[0]) for title in self.masters)

    def as_data(self) -> dict[str, Any]:
        """The finding as plain data."""
        return {
            "guard": self.guard,
            "severity": self.severity.value,
            "object": {"class": self.subject.cls, "name": self.subject.name, "uuid": self.subject.uuid},
            "pools": list(self.pools),
            "masters": list(self.masters),
            "problem": self.problem,
            "remedy": self.remedy,
        }


_CLASSES = {Disk: "VDI", VirtualMachine: "VM", StorageRepository: "SR"}


def subject(thing: Union[Disk, VirtualMachine, StorageRepository, HostPool]) -> Subject:
    """The subject for an object that has a name of its own."""
    return Subject(_CLASSES.get(type(thing), "pool"), thing.name, thing.uuid)


def subject_of_vbd(pool: HostPool, vbd: Attachment) -> Subject:
    """The subject for an attachment, which is named after its VM and position."""
    return Subject("VBD", f"position {vbd.position} of {pool.vms[vbd.vm].name}", vbd.uuid)


def subject_of_vif(pool: HostPool, vif: NetworkInterface) -> Subject:
    """The subject for a NIC, which is named after its VM and number."""
    return Subject("VIF", f"NIC {vif.device} of {pool.vms[vif.vm].name}", vif.uuid)
