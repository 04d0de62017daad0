# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests that are nothing but a note that they run; optionally with an agent that reports an address."""

from __future__ import annotations

import asyncio

from lab.hypervisor import Callbacks, Domain, GuestReport

#: What an agent tells about what the guest can do.
FEATURES = {"feature-shutdown": "1", "feature-reboot": "1", "feature-vcpu-hotplug": "1"}


class SimulatedHypervisor:
    """The interface lab.hypervisor.Hypervisor without any guest. With agent, every guest obeys and reports."""

    def __init__(self, agent: bool = False) -> None:
        self.agent = agent
        self.accelerator, self.ssh_port = "", 0
        self._domains: dict[str, Domain] = {}
        self._callbacks: Callbacks | None = None
        self._reports: set[asyncio.Future[None]] = set()

    async def attach(self, callbacks: Callbacks) -> set[str]:
        self._callbacks = callbacks
        return set()

    async def start(self, domain: Domain) -> None:
        self._domains[domain.vm_uuid] = domain
        if self.agent and domain.boots and self._callbacks:
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
        self._domains.pop(vm_uuid, None)
        return True

    async def destroy(self, vm_uuid: str) -> None:
        self._domains.pop(vm_uuid, None)

    async def pause(self, vm_uuid: str) -> None:
        """A guest that does nothing can do no less."""

    async def unpause(self, vm_uuid: str) -> None:
        """A guest that does nothing can do no more."""

    async def insert(self, vm_uuid: str, position: int, disk: str | None) -> None:
        """There is no drive."""

    async def set_xenstore(self, vm_uuid: str, data: dict[str, str]) -> None:
        """There is nobody to read it."""

    async def running(self) -> set[str]:
        return set(self._domains)

    def console(self, vm_uuid: str) -> str:
        return ""

    async def close(self, destroy: bool) -> None:
        self._domains.clear()
