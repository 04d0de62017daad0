# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be changed of an instance's VM: hardware, name, guards. Typed items, see plan.changes. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from .sizes import show_size


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
    default: str = ""  # what no key means: wanted, it needs none

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
class EndRestart:
    """The end of a restart that a killed run began, so that nobody takes it for one that is still to be done."""

    live: bool = True

    def text(self) -> str:
        return "its restart was interrupted: finished"
