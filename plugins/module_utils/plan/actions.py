# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan consists of: actions on instances, each with its reason. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model.instances import Leftover, is_kept
from ..model.labels import Kind
from ..model.masters import MasterVersion
from ..model.records import Disk, Host, Network, StorageRepository
from .action import Action, BaseAction, OnInstance
from .changes import ON_DISKS, DiskItem, Item, item_space
from .sizes import show_size
from .spec import VmPoolSpec
from .storage import Space, empty_cost, first_cost, full_cost, total
from .upgrade_changes import MoveMaster

#: Of instances that all wait for a person, so many are named in a warning; the plan has them all.
_NAMES_SHOWN = 3


@dataclass(frozen=True)
class NicPlan:
    """A NIC that an instance is to have; addresses with prefix length, None = not static."""

    device: int
    network: Network
    ipv4_method: str
    ipv4: str | None
    ipv4_gateway: str | None
    ipv6_method: str
    ipv6: str | None
    ipv6_gateway: str | None
    dns: tuple[str, ...]
    search: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address for address in (self.ipv4, self.ipv6) if address)


@dataclass(frozen=True)
class DiskPlan:
    """A data disk that a new instance is to have; ``size`` in bytes, ``sr`` None = where its overlay is."""

    name: str
    size: int
    sr: StorageRepository | None
    position: str


@dataclass(frozen=True)
class Tidy(BaseAction):
    """Remove what is left of an instance that a killed run was making, or of a VM that was deleted by hand."""

    leftover: Leftover
    sign = "-"

    @property
    def name(self) -> str:
        return self.leftover.name

    def objects(self) -> tuple[str, ...]:
        vm = (self.leftover.vm.uuid,) if self.leftover.vm else ()
        return (*vm, *(disk.uuid for disk in (*self.leftover.disks, *self.leftover.copied)))

    def text(self) -> str:
        if self.leftover.of is not None:
            return "unfinished or replaced disks, left by a run that was interrupted: removed"
        if self.leftover.vm is None and all(disk.labels.kind == Kind.SWAP.value for disk in self.leftover.disks):
            return "swap disk of a VM that is gone: removed"
        return "unfinished, left by a run that was interrupted: removed"


@dataclass(frozen=True)
class Create(BaseAction):
    """Make an instance; with ``kept_overlay`` a VM anew around the overlay of one that was deleted by hand."""

    name: str
    number: int
    master: MasterVersion
    nics: tuple[NicPlan, ...]
    overlay_sr: StorageRepository
    overlay_size: int
    swap_size: int | None
    start: bool
    kept_overlay: Disk | None = None
    kept_disks: tuple[Disk, ...] = ()  # data disks that belong to the kept overlay
    kept_items: tuple[DiskItem, ...] = ()  # what is to be changed of kept disks before they are attached
    disks: tuple[DiskPlan, ...] = ()  # data disks to be made
    on_boot: str = "persist"  # of the overlay
    host: Host | None = None  # where it is to be; None = XAPI chooses
    pinned: bool = False  # whether it must be there, because placement is declared
    sign = "+"

    def sr_of(self, disk: DiskPlan) -> StorageRepository:
        """Where a data disk goes."""
        return disk.sr or self.overlay_sr

    def space(self) -> tuple[Space, ...]:
        sr = self.overlay_sr
        found = []
        if not self.kept_overlay:
            size = self.overlay_size
            found.append(Space(sr, first_cost(sr.type, size), full_cost(sr.type, size)))
        if self.swap_size:
            found.append(_empty_disk(sr, self.swap_size))
        found += [_empty_disk(self.sr_of(disk), disk.size) for disk in self.disks]
        found += [space for item in self.kept_items if (space := item_space(item))]
        return total(found)

    def objects(self) -> tuple[str, ...]:
        kept = (self.kept_overlay, *self.kept_disks)
        return tuple(disk.uuid for disk in kept if disk)

    def text(self) -> str:
        parts = [f"overlay {show_size(self.overlay_size)} on {self.overlay_sr.name}"]
        if self.kept_overlay is not None:
            if is_kept(self.kept_overlay):
                parts = [f"made anew with its kept overlay {self.kept_overlay.uuid}"]
            else:
                parts = [f"VM was deleted by hand; made anew with its overlay {self.kept_overlay.uuid}"]
        parts += [item.text() for item in self.kept_items]
        parts += [f"disk {disk.name} {show_size(disk.size)}" for disk in self.disks]
        if self.host:
            parts = [f"on {self.host.name}", *parts]
        return ", ".join([*parts, *(a.partition("/")[0] for nic in self.nics for a in nic.addresses)])


def _on(host: Host | None) -> str:
    return f" on {host.name}" if host else ""


def _empty_disk(sr: StorageRepository, size: int) -> Space:
    return Space(sr, empty_cost(sr.type, size), full_cost(sr.type, size))


@dataclass(frozen=True)
class LostNic:
    """A NIC that an instance was made with and no longer has."""

    device: int
    mac: str
    network: Network


@dataclass(frozen=True)
class Reattach(OnInstance):
    """Give a halted instance back the attachments that it lost."""

    root: Disk | None
    boot: Disk | None
    overlay: Disk | None
    swap: Disk | None
    nics: tuple[LostNic, ...]
    start: bool
    disks: tuple[Disk, ...] = ()  # data disks
    host: Host | None = None  # where it is started; None = XAPI chooses
    pinned: bool = False  # whether it must be there, because placement is declared

    def text(self) -> str:
        return self.reason() + (f" and started{_on(self.host)}" if self.start else "")

    def reason(self) -> str:
        """What of it is lost, and what becomes of that."""
        parts = [what for what in ("root", "boot", "overlay", "swap") if getattr(self, what)]
        missing = [f"{part} attachment" for part in parts]
        missing += [f"attachment of disk {disk.labels['disk']}" for disk in self.disks]
        missing += [f"NIC {nic.device}" for nic in self.nics]
        return "lost its " + ", ".join(missing) + ": given back"


@dataclass(frozen=True)
class Change(OnInstance):
    """Bring an instance to what is declared of it; ``lost`` attachments are given back first.

    With ``stop`` it is shut down before (with ``force`` also when the guest does not follow), with ``start`` started
    after: with both, restarted.
    """

    items: tuple[Item, ...]
    lost: Reattach | None = None
    stop: bool = False
    start: bool = False
    force: bool = False
    host: Host | None = None  # where a halted one is started; None = XAPI chooses
    pinned: bool = False  # whether it must be there, because placement is declared

    @property
    def downtime(self) -> str:
        return "restart" if self.stop and self.start else "none"

    def space(self) -> tuple[Space, ...]:
        return total(space for item in self.items if (space := item_space(item)))

    def objects(self) -> tuple[str, ...]:
        disks = [item.disk for item in self.items if isinstance(item, ON_DISKS)]
        # What an overlay was used with last stands in its labels.
        disks += [self.instance.overlay for item in self.items if isinstance(item, MoveMaster)]
        return (self.instance.vm.uuid, *(disk.uuid for disk in disks if disk))

    def text(self) -> str:
        parts = [self.lost.reason()] if self.lost else []
        parts += [item.text() for item in self.items]
        return ", ".join([*parts, *self._how()])

    def _how(self) -> list[str]:
        if self.downtime == "restart":
            return ["restart"]
        if self.stop:
            return ["shut down"]
        if self.start:
            return [f"started{_on(self.host)}"]
        return ["live"] if self.instance.vm.power_state == "Running" else []


@dataclass(frozen=True)
class Start(OnInstance):
    """Start an instance that is halted and should run."""

    host: Host | None = None  # None = XAPI chooses
    pinned: bool = False  # whether it must be there, because placement is declared

    def text(self) -> str:
        return f"{self.instance.vm.power_state.lower()}: started{_on(self.host)}"


@dataclass(frozen=True)
class Stop(OnInstance):
    """Shut an instance down that should be halted; with ``force`` also when its guest does not follow."""

    force: bool = False

    def text(self) -> str:
        return "running: shut down"


@dataclass(frozen=True)
class Remove(OnInstance):
    """Shut an instance down and delete its VM and its disks; or all but its overlay and data disks."""

    reason: str
    keep_overlay: bool = False
    sign = "-"

    def objects(self) -> tuple[str, ...]:
        return (self.instance.vm.uuid, *(disk.uuid for disk in self.instance.disks))

    def text(self) -> str:
        return f"{self.reason}; its overlay is {'kept' if self.keep_overlay else 'deleted'}"


@dataclass(frozen=True)
class RemoveOverlay(BaseAction):
    """Delete an overlay that has no VM, with what belongs to it."""

    disk: Disk
    others: tuple[Disk, ...] = ()  # data disks and snapshots of the same instance
    sign = "-"

    @property
    def name(self) -> str:
        return self.disk.labels["name"]

    def objects(self) -> tuple[str, ...]:
        return tuple(disk.uuid for disk in (*self.others, self.disk))

    def text(self) -> str:
        if is_kept(self.disk):
            return f"kept overlay {self.disk.uuid} is deleted"
        return f"its VM was deleted by hand; overlay {self.disk.uuid} is deleted"


@dataclass(frozen=True)
class Attention(BaseAction):
    """Something that only a person can decide. Nothing is done."""

    name: str
    note: str
    sign = "!"

    def text(self) -> str:
        return self.note


def _some(names: list[str]) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


@dataclass(frozen=True)
class VmPoolPlan:
    """All that is to be done for one VM pool, in the order in which it may be done."""

    host_pool: str
    vm_pool: str
    present: int  # instances that are there
    spec: VmPoolSpec | None  # None: nothing is declared of the VM pool as a whole
    master: MasterVersion | None
    actions: tuple[Action, ...] = field(default=())

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that write; all but those which wait for a person."""
        return tuple(action for action in self.actions if not isinstance(action, Attention))

    def started(self) -> list[str]:
        """Names of the instances that the plan starts."""
        return [
            action.name
            for action in self.actions
            if (isinstance(action, Start) or action.downtime == "restart" or getattr(action, "start", False))
            # A move to another version has its own sign that the guest is up.
            and not (isinstance(action, Change) and any(isinstance(item, MoveMaster) for item in action.items))
        ]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What only a person can decide, a sentence for each thing, however many instances it is about."""
        names: dict[str, list[str]] = {}
        for action in self.actions:
            if isinstance(action, Attention):
                names.setdefault(action.note, []).append(action.name)
        return tuple(f"{_some(found)}: {note}" for note, found in names.items())

    def as_data(self) -> list[dict[str, Any]]:
        """The plan as plain data, one entry an action; sizes are bytes."""
        return [
            {
                "pool": self.vm_pool,
                "action": action.verb,
                "instance": action.name,
                "detail": action.text(),
                "objects": list(action.objects()),
                "downtime": action.downtime,
                "disk": [{"sr": one.sr.name, "now": one.now, "at_most": one.at_most} for one in action.space()],
            }
            for action in self.actions
        ]
