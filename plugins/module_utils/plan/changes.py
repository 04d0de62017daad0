# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be changed of an instance: typed items, each of which says what is, what is to be, and how. Pure data.

An item is ``live`` when it can be done to the instance as it is now without halting it: while it runs, XAPI allows
it and the guest can follow, or it concerns only what XAPI remembers. All others need a halted VM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ..model.records import Attachment, Disk, Network, NetworkInterface, StorageRepository
from .overlay_changes import DeleteOverlay, ResetOverlay, RevertOverlay
from .sizes import show_size
from .storage import THICK_TYPES, Space, empty_cost, full_cost


@dataclass(frozen=True)
class SetVcpus:
    """The number of vCPUs, and the number to which a running VM may grow."""

    have: int
    want: int
    have_max: int
    want_max: int
    live: bool

    def text(self) -> str:
        parts = []
        if self.have != self.want:
            parts.append(f"vcpus {self.have} -> {self.want}")
        if self.have_max != self.want_max and (self.want_max != self.want or not parts):
            parts.append(f"vcpus_max {self.have_max} -> {self.want_max}")
        return ", ".join(parts)


@dataclass(frozen=True)
class SetMemory:
    """Memory in bytes, and that to which a running VM may grow."""

    have_min: int  # to which it may be squeezed
    have: int
    want: int
    have_max: int
    want_max: int
    static_min: int
    live: bool

    def text(self) -> str:
        parts = []
        if self.have != self.want:
            parts.append(f"memory {show_size(self.have)} -> {show_size(self.want)}")
        elif self.have_min != self.want:
            parts.append(f"memory {show_size(self.have_min)} to {show_size(self.have)} -> {show_size(self.want)}")
        if self.have_max != self.want_max and (self.want_max != self.want or not parts):
            parts.append(f"memory_max {show_size(self.have_max)} -> {show_size(self.want_max)}")
        return ", ".join(parts)


@dataclass(frozen=True)
class SetKey:
    """One key of a map of the VM's, such as ``cores-per-socket`` of ``platform``; ``what`` is what users call it."""

    field: str
    key: str
    what: str
    have: str
    want: str  # empty = the key is to go
    live: bool

    def text(self) -> str:
        return f"{self.what} {self.have or 'unset'} -> {self.want or 'unset'}"


@dataclass(frozen=True)
class SetName:
    """The VM's name, which somebody changed by hand: the label is what the guest and the inventory go by."""

    have: str
    want: str
    live: bool = True

    def text(self) -> str:
        return f"name {self.have!r} -> {self.want!r}"


@dataclass(frozen=True)
class BlockOperations:
    """Have XAPI refuse again what would copy or destroy the master image."""

    missing: tuple[str, ...]
    live: bool = True

    def text(self) -> str:
        return "blocked operations given back: " + ", ".join(self.missing)


@dataclass(frozen=True)
class DropOwner:
    """Take away the mark by which other tools delete a master image's disk together with this VM."""

    attachment: Attachment
    what: str
    live: bool = True

    def text(self) -> str:
        return f"{self.what} marked as this VM's own: mark removed"


@dataclass(frozen=True)
class SetAttachment:
    """How a disk is attached: mode and type of its VBD."""

    attachment: Attachment
    what: str
    mode: str
    type: str
    live: bool

    def text(self) -> str:
        return f"{self.what} attached as {self.attachment.type} {self.attachment.mode} -> {self.type} {self.mode}"


@dataclass(frozen=True)
class AddNic:
    """A NIC that is missing; with the MAC address that it had, or (empty) one of XAPI's making."""

    device: int
    network: Network
    mac: str
    live: bool

    def text(self) -> str:
        if self.mac:
            return f"NIC {self.device} on {self.network.name} given back"
        return f"NIC {self.device} on {self.network.name} added (in the guest, it is yours to configure)"


@dataclass(frozen=True)
class PlugNic:
    """A NIC that the VM has and the running guest does not."""

    nic: NetworkInterface
    live: bool

    def text(self) -> str:
        return f"NIC {self.nic.device} unplugged: plugged"


@dataclass(frozen=True)
class MoveNic:
    """A NIC to be on another network; it keeps its MAC address."""

    nic: NetworkInterface
    have: str
    network: Network
    live: bool = True

    def text(self) -> str:
        return f"NIC {self.nic.device} {self.have} -> {self.network.name}"


@dataclass(frozen=True)
class RemoveNic:
    """A NIC beyond those declared."""

    nic: NetworkInterface
    network: str
    live: bool

    def text(self) -> str:
        return f"NIC {self.nic.device} on {self.network} removed"


@dataclass(frozen=True)
class NoteNics:
    """Labels that no longer say which NICs the instance has: by them a lost NIC is given back."""

    live: bool = True

    def text(self) -> str:
        return "NICs noted in its labels"


@dataclass(frozen=True)
class AddDisk:
    """A data disk that is missing; ``size`` in bytes."""

    disk: str
    size: int
    sr: StorageRepository
    position: str
    live: bool

    def text(self) -> str:
        return f"disk {self.disk} {show_size(self.size)} on {self.sr.name} added"


@dataclass(frozen=True)
class AttachDisk:
    """A data disk of a running instance that is not attached (``attachment`` None), or not plugged into the guest."""

    disk: Disk
    what: str
    position: str
    attachment: Attachment | None
    live: bool

    def text(self) -> str:
        return f"{self.what} detached: attached"


@dataclass(frozen=True)
class GrowDisk:
    """A disk smaller than declared; ``size`` in bytes."""

    disk: Disk
    what: str
    size: int
    sr: StorageRepository
    live: bool

    def text(self) -> str:
        return f"{self.what} {show_size(self.disk.size)} -> {show_size(self.size)}"


@dataclass(frozen=True)
class SetOnBoot:
    """Whether each boot begins from the overlay as it is now (``reset``), or goes on with it (``persist``)."""

    disk: Disk
    want: str
    live: bool

    def text(self) -> str:
        return f"overlay.on_boot {self.disk.on_boot} -> {self.want}"


@dataclass(frozen=True)
class SetSwap:
    """The swap disk: made, made anew in another size, or (``size`` 0) removed. What is in it is worth nothing."""

    disk: Disk | None
    size: int
    sr: StorageRepository
    live: bool

    def text(self) -> str:
        if self.disk is None:
            return f"swap {show_size(self.size)} added"
        if not self.size:
            return f"swap {show_size(self.disk.size)} removed"
        return f"swap {show_size(self.disk.size)} -> {show_size(self.size)}"


@dataclass(frozen=True)
class ClaimDisk:
    """A disk that a killed run took from those without a VM, and whose labels still say that it has none."""

    disk: Disk
    what: str
    live: bool = True

    def text(self) -> str:
        return f"{self.what} noted as its own"


@dataclass(frozen=True)
class EndRestart:
    """The end of a restart that a killed run began, so that nobody takes it for one that is still to be done."""

    live: bool = True

    def text(self) -> str:
        return "its restart was interrupted: finished"


Item = Union[
    SetVcpus,
    SetMemory,
    SetKey,
    SetName,
    BlockOperations,
    DropOwner,
    SetAttachment,
    AddNic,
    PlugNic,
    MoveNic,
    RemoveNic,
    NoteNics,
    AddDisk,
    AttachDisk,
    GrowDisk,
    SetOnBoot,
    SetSwap,
    ResetOverlay,
    RevertOverlay,
    DeleteOverlay,
    ClaimDisk,
    EndRestart,
]

#: Those which write to a disk that is there: their ``disk``, which may be None.
ON_DISKS = (ClaimDisk, AttachDisk, GrowDisk, SetOnBoot, SetSwap, ResetOverlay, RevertOverlay, DeleteOverlay)

#: What can be changed of a disk that no VM has.
DiskItem = Union[GrowDisk, SetOnBoot]


def item_space(item: Item) -> Space | None:
    """What an item takes of an SR; None = nothing."""
    if isinstance(item, AddDisk):
        return Space(item.sr, empty_cost(item.sr.type, item.size), full_cost(item.sr.type, item.size))
    if isinstance(item, GrowDisk):
        more = full_cost(item.sr.type, item.size) - full_cost(item.sr.type, item.disk.size)
        return Space(item.sr, more if item.sr.type in THICK_TYPES else 0, more)
    if isinstance(item, (ResetOverlay, RevertOverlay)):
        return item.space()
    if isinstance(item, SetSwap) and item.size:
        return Space(item.sr, empty_cost(item.sr.type, item.size), full_cost(item.sr.type, item.size))
    return None
