# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be changed of an instance's NICs, which keep their MAC addresses. Typed items, see plan.changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.records import Network, NetworkInterface


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
