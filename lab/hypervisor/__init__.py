# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs the lab's guests: the interface between the XAPI server and a hypervisor.

A hypervisor knows domains by the uuid of their VM. It never restarts a domain by itself: a guest that reboots
ends its domain with the reason "rebooted", and the server starts a new one (as XenServer does), with the disks
and the boot order that the VM has then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

#: How a domain ended.
ExitReason = Literal["halted", "rebooted", "crashed"]


#: Seconds that a guest has to let go of a device.
DETACH_PATIENCE = 60.0


class HypervisorError(Exception):
    """A domain could not be started or spoken to; the text says which and why."""


class DetachTimeout(HypervisorError):
    """A guest does not let go of a device that is to be unplugged; it keeps it."""


@dataclass(frozen=True)
class DomainDisk:
    """A disk of a domain. disk is the VDI's uuid, None for an empty CD drive."""

    position: int
    disk: str | None
    mode: Literal["RO", "RW"]
    type: Literal["CD", "Disk"]
    #: VBD uuid, stable over restarts
    uuid: str = ""


@dataclass(frozen=True)
class DomainNic:
    """A network interface. settings are the network's other_config (ip_begin, ip_end, netmask, gateway ...)."""

    device: int
    mac: str
    network: str
    settings: dict[str, str] = field(default_factory=dict)
    #: whether the host has a link there (a PIF or the host-internal network); else the guests have only each other
    to_host: bool = True
    mtu: int = 1500


@dataclass(frozen=True)
class Domain:
    """All that a hypervisor needs to start a guest. memory is bytes; boot_order holds c (disk), d (CD), n (net)."""

    vm_uuid: str
    name: str
    memory: int
    vcpus: int
    firmware: Literal["bios", "uefi"]
    boot_order: str
    disks: list[DomainDisk]
    nics: list[DomainNic]
    #: VM.xenstore_data: keys below vm-data/ are readable by the guest
    xenstore_data: dict[str, str] = field(default_factory=dict)
    #: False: its firmware finds nothing to boot
    boots: bool = True


@dataclass(frozen=True)
class GuestReport:
    """What the agent in a guest told: the words of VM_guest_metrics.

    networks: `0/ip`, `0/ipv4/0`, `0/ipv6/0` -> address at which the *caller of the API* reaches the guest;
    os_version: name, uname, distro, major, minor; other: `feature-...` and whatever the guest says.
    """

    networks: dict[str, str] = field(default_factory=dict)
    os_version: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)
    pv_drivers_version: dict[str, str] = field(default_factory=dict)


@dataclass
class Callbacks:
    """How a hypervisor tells the server what happened; set by the server before anything is started."""

    domain_exited: Callable[[str, ExitReason], Awaitable[None]]
    guest_reported: Callable[[str, GuestReport], Awaitable[None]]
    #: vm uuid, key (with its `vm-data/`), value
    xenstore_written: Callable[[str, str, str], Awaitable[None]]


class Hypervisor(Protocol):
    """Runs domains. All methods raise HypervisorError."""

    #: how guests are run (kvm, tcg; empty when there are none), and the port at which their SSH is reached
    accelerator: str
    ssh_port: int

    async def attach(self, callbacks: Callbacks) -> set[str]:
        """Begin: find the domains that an earlier server left running; answers their VM uuids."""
        raise NotImplementedError

    async def start(self, domain: Domain) -> None:
        """Start a domain; returns when it runs (not when the guest has booted)."""

    async def shutdown(self, vm_uuid: str, timeout: float) -> bool:
        """Ask the guest to power off and wait; False when it still runs after timeout seconds.

        domain_exited is not called for an end that was asked for by shutdown(), destroy() or reboot().
        """
        raise NotImplementedError

    async def destroy(self, vm_uuid: str) -> None:
        """End the domain at once. A domain that does not run: no error."""

    async def pause(self, vm_uuid: str) -> None:
        """Stop the domain's CPUs. What it wrote until then is in the disks' files afterwards."""

    async def unpause(self, vm_uuid: str) -> None:
        """Let the domain's CPUs go on."""

    async def suspend(self, vm_uuid: str, image: str) -> None:
        """Write the domain's memory and devices to an existing disk of that uuid, and end the domain.

        domain_exited is not called. When it fails (the disk is too small, say) the domain goes on.
        """

    async def resume(self, domain: Domain, image: str, paused: bool = False) -> None:
        """Start a domain where suspend() left it. The image stays.

        The domain has the devices that it had then, at the same positions; what is behind them may be another disk
        or network. With paused its CPUs wait for unpause().
        """

    async def plug_disk(self, vm_uuid: str, disk: DomainDisk) -> None:
        """Give the running domain a disk at a position that is free."""

    async def unplug_disk(self, vm_uuid: str, position: int, timeout: float = DETACH_PATIENCE) -> None:
        """Take a disk away. DetachTimeout when the guest still has it after timeout seconds."""

    async def move_disk(self, vm_uuid: str, position: int, disk: str) -> None:
        """Have another disk (a VDI's uuid) behind a position, unnoticed by the guest.

        The caller has paused the domain and copied the data before, and lets the domain go on afterwards.
        """

    async def plug_nic(self, vm_uuid: str, nic: DomainNic) -> None:
        """Give the running domain a network interface with a device number that is free."""

    async def unplug_nic(self, vm_uuid: str, device: int, timeout: float = DETACH_PATIENCE) -> None:
        """Take a network interface away. DetachTimeout when the guest still has it after timeout seconds."""

    async def insert(self, vm_uuid: str, position: int, disk: str | None) -> None:
        """Change the disc in the CD drive at a position; None ejects."""

    async def set_xenstore(self, vm_uuid: str, data: dict[str, str]) -> None:
        """Change what the running guest reads; a hypervisor without the means does nothing."""

    async def running(self) -> set[str]:
        """VM uuids of the domains that run."""
        raise NotImplementedError

    def console(self, vm_uuid: str) -> str:
        """What describes the guest's console to a person (the path of its log), empty when there is none."""
        raise NotImplementedError

    async def close(self, destroy: bool) -> None:
        """Let go of the domains: they stay when destroy is False (the next server's attach() finds them)."""
