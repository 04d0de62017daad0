# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests that are nothing but a note of what they are now; optionally with an agent that reports an address."""

from __future__ import annotations

import asyncio
import dataclasses

from lab.hypervisor import (
    DETACH_PATIENCE,
    Callbacks,
    DetachTimeout,
    Domain,
    DomainDisk,
    DomainNic,
    GuestReport,
    HypervisorError,
)

#: What an agent tells about what the guest can do.
FEATURES = {
    "feature-balloon": "1",
    "feature-poweroff": "1",
    "feature-reboot": "1",
    "feature-shutdown": "1",
    "feature-suspend": "1",
    "feature-vcpu-hotplug": "1",
}


class SimulatedHypervisor:
    """The interface lab.hypervisor.Hypervisor without any guest. With agent, every guest obeys and reports.

    What a domain has now is in `domains`, by VM uuid; which of them are paused in `paused`; the VM whose state an
    image holds in `images`. A guest in `clinging` never lets go of a device.
    """

    def __init__(self, agent: bool = False) -> None:
        self.agent = agent
        self.accelerator, self.ssh_port = "", 0
        self.domains: dict[str, Domain] = {}
        self.paused: set[str] = set()
        self.images: dict[str, str] = {}
        self.clinging: set[str] = set()
        self._callbacks: Callbacks | None = None
        self._reports: set[asyncio.Future[None]] = set()

    async def attach(self, callbacks: Callbacks) -> set[str]:
        self._callbacks = callbacks
        return set()

    async def start(self, domain: Domain) -> None:
        self.domains[domain.vm_uuid] = domain
        if self.agent and self._callbacks and domain.boots:
            telling = self._callbacks.guest_reported(domain.vm_uuid, self._report(domain))
            report = asyncio.ensure_future(telling)
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)

    def _report(self, domain: Domain) -> GuestReport:
        networks: dict[str, str] = {}
        for number, nic in enumerate(sorted(domain.nics, key=lambda nic: nic.device)):
            last = bytes.fromhex(nic.mac.replace(":", ""))
            address = f"127.17.{last[-2]}.{max(1, last[-1])}"
            networks |= {f"{nic.device}/ip": address, f"{nic.device}/ipv4/0": address} if number == 0 else {}
        return GuestReport(
            networks=networks,
            os_version={"name": "Simulated guest", "distro": "simulated", "major": "1", "minor": "0", "uname": "1.0"},
            other=FEATURES,
            pv_drivers_version={"major": "1", "minor": "0", "micro": "0", "build": "0"},
        )

    async def shutdown(self, vm_uuid: str, timeout: float) -> bool:
        self._forget(vm_uuid)
        return True

    async def destroy(self, vm_uuid: str) -> None:
        self._forget(vm_uuid)

    async def pause(self, vm_uuid: str) -> None:
        self.paused.add(vm_uuid)

    async def unpause(self, vm_uuid: str) -> None:
        self.paused.discard(vm_uuid)

    async def suspend(self, vm_uuid: str, image: str) -> None:
        self.images[image] = vm_uuid
        self._forget(vm_uuid)

    async def resume(self, domain: Domain, image: str, paused: bool = False) -> None:
        """Nothing is asked of the image: it may have been copied, or written by an earlier server."""
        await self.start(domain)
        if paused:
            self.paused.add(domain.vm_uuid)

    async def plug_disk(self, vm_uuid: str, disk: DomainDisk) -> None:
        domain = self._domain(vm_uuid)
        self._change(domain, disks=[*domain.disks, disk])

    async def unplug_disk(self, vm_uuid: str, position: int, timeout: float = DETACH_PATIENCE) -> None:
        domain = self._domain(vm_uuid)
        self._require_grip(vm_uuid, f"the disk at position {position}")
        self._change(domain, disks=[disk for disk in domain.disks if disk.position != position])

    async def move_disk(self, vm_uuid: str, position: int, disk: str) -> None:
        self._put(self._domain(vm_uuid), position, disk)

    async def plug_nic(self, vm_uuid: str, nic: DomainNic) -> None:
        domain = self._domain(vm_uuid)
        self._change(domain, nics=[*domain.nics, nic])

    async def unplug_nic(self, vm_uuid: str, device: int, timeout: float = DETACH_PATIENCE) -> None:
        domain = self._domain(vm_uuid)
        self._require_grip(vm_uuid, f"network interface {device}")
        self._change(domain, nics=[nic for nic in domain.nics if nic.device != device])

    async def insert(self, vm_uuid: str, position: int, disk: str | None) -> None:
        if vm_uuid in self.domains:
            self._put(self.domains[vm_uuid], position, disk)

    async def set_xenstore(self, vm_uuid: str, data: dict[str, str]) -> None:
        """There is nobody to read it."""

    async def running(self) -> set[str]:
        return set(self.domains)

    def console(self, vm_uuid: str) -> str:
        return ""

    async def close(self, destroy: bool) -> None:
        self.domains.clear()
        self.paused.clear()

    def _domain(self, vm_uuid: str) -> Domain:
        if vm_uuid not in self.domains:
            raise HypervisorError(f"VM {vm_uuid} does not run")
        return self.domains[vm_uuid]

    def _put(self, domain: Domain, position: int, disk: str | None) -> None:
        """Have another disk at a position."""
        disks = [
            dataclasses.replace(known, disk=disk) if known.position == position else known for known in domain.disks
        ]
        self._change(domain, disks=disks)

    def _change(
        self, domain: Domain, *, disks: list[DomainDisk] | None = None, nics: list[DomainNic] | None = None
    ) -> None:
        self.domains[domain.vm_uuid] = dataclasses.replace(
            domain,
            disks=domain.disks if disks is None else disks,
            nics=domain.nics if nics is None else nics,
        )

    def _forget(self, vm_uuid: str) -> None:
        self.domains.pop(vm_uuid, None)
        self.paused.discard(vm_uuid)

    def _require_grip(self, vm_uuid: str, device: str) -> None:
        if vm_uuid in self.clinging:
            raise DetachTimeout(f"VM {vm_uuid} does not let go of {device}")
