# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be changed of an instance's disks and of how they are attached. Typed items, see plan.changes. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.records import Attachment, Disk, StorageRepository
from .sizes import show_size


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
