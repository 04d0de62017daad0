# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real guests under QEMU. They go on when the server ends, and the next server finds them again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path

from lab.hypervisor import Callbacks, Domain, ExitReason, HypervisorError
from lab.hypervisor import accelerator as accelerators
from lab.hypervisor.addresses import choose_address, choose_port
from lab.hypervisor.guest import Guest
from lab.hypervisor.machine import CONSOLE_LOG
from lab.storage.qcow2 import Qcow2Disks

QEMU = "qemu-system-x86_64"


class QemuHypervisor:
    """The interface lab.hypervisor.Hypervisor with QEMU. state is a directory; disks are where the images are."""

    def __init__(self, state: Path, disks: Qcow2Disks) -> None:
        self.directory = state.absolute() / "guests"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._settings = self.directory / "settings.json"
        self._disks = disks
        disks.pivot = self._pivot
        self._guests: dict[str, Guest] = {}
        self._callbacks: Callbacks | None = None
        self._choosing = asyncio.Lock()
        self._addresses: dict[str, str] = {}
        self.accelerator = ""
        self.ssh_port = 0

    async def attach(self, callbacks: Callbacks) -> set[str]:
        self._callbacks = Callbacks(
            domain_exited=self._domain_exited,
            guest_reported=callbacks.guest_reported,
            xenstore_written=callbacks.xenstore_written,
        )
        self._report_exit = callbacks.domain_exited
        await self._decide()
        for directory in sorted(self.directory.iterdir()):
            guest = Guest.load(directory) if directory.is_dir() else None
            if guest is None:
                continue
            self._addresses[guest.domain.vm_uuid] = guest.address
            with contextlib.suppress(HypervisorError):
                await guest.watch(self._callbacks)
                self._guests[guest.domain.vm_uuid] = guest
        return set(self._guests)

    async def _decide(self) -> None:
        """How guests run and are reached: decided once for a lab, and kept."""
        if self._settings.exists():
            settings = json.loads(self._settings.read_text(encoding="utf-8"))
        else:
            settings = {"accelerator": await accelerators.choose(self._qemu()), "ssh_port": choose_port()}
            self._settings.write_text(json.dumps(settings), encoding="utf-8")
        self.accelerator, self.ssh_port = settings["accelerator"], settings["ssh_port"]

    def _qemu(self) -> str:
        found = shutil.which(QEMU)
        if found is None:
            raise HypervisorError(f"{QEMU} is missing: install the package qemu-system-x86")
        return found

    async def start(self, domain: Domain) -> None:
        if self._callbacks is None:
            raise HypervisorError("attach() comes before start()")
        if domain.vm_uuid in self._guests:
            raise HypervisorError(f"VM {domain.name} ({domain.vm_uuid}) runs already")
        directory = self.directory / domain.vm_uuid
        directory.mkdir(exist_ok=True)
        async with self._choosing:
            guest = Guest(directory, domain, self._address(domain.vm_uuid), self.ssh_port)
        await guest.launch(self._qemu(), self.accelerator, self._disks.image)
        self._guests[domain.vm_uuid] = guest
        try:
            await guest.watch(self._callbacks)
        except HypervisorError:
            del self._guests[domain.vm_uuid]
            raise

    def _address(self, vm_uuid: str) -> str:
        """A VM keeps its address as long as its directory is there."""
        if vm_uuid not in self._addresses:
            self._addresses[vm_uuid] = choose_address(self.directory, self._addresses.values(), self.ssh_port)
        return self._addresses[vm_uuid]

    async def shutdown(self, vm_uuid: str, timeout: float) -> bool:
        guest = self._guests.get(vm_uuid)
        if guest is None:
            return True
        if not await guest.power_button(timeout):
            return False
        self._guests.pop(vm_uuid, None)
        return True

    async def destroy(self, vm_uuid: str) -> None:
        guest = self._guests.get(vm_uuid)
        if guest is not None:
            await guest.quit()
            self._guests.pop(vm_uuid, None)

    async def pause(self, vm_uuid: str) -> None:
        await self._guest(vm_uuid).execute("stop")

    async def unpause(self, vm_uuid: str) -> None:
        await self._guest(vm_uuid).execute("cont")

    async def insert(self, vm_uuid: str, position: int, disk: str | None) -> None:
        await self._guest(vm_uuid).insert(position, self._disks.image(disk) if disk else None)

    async def set_xenstore(self, vm_uuid: str, data: dict[str, str]) -> None:
        """QEMU's firmware configuration is read at boot only: the guest sees new data when it starts again."""

    async def running(self) -> set[str]:
        return set(self._guests)

    def console(self, vm_uuid: str) -> str:
        return str(self.directory / vm_uuid / CONSOLE_LOG)

    def address(self, vm_uuid: str) -> str:
        """The loopback address of a guest that was ever started, else empty."""
        return self._addresses.get(vm_uuid, "")

    async def close(self, destroy: bool) -> None:
        guests = list(self._guests.values())
        await asyncio.gather(*(guest.quit() if destroy else guest.release() for guest in guests))
        self._guests.clear()

    def _guest(self, vm_uuid: str) -> Guest:
        if vm_uuid not in self._guests:
            raise HypervisorError(f"VM {vm_uuid} does not run")
        return self._guests[vm_uuid]

    async def _pivot(self, old: Path, new: Path) -> None:
        for guest in list(self._guests.values()):
            await guest.pivot(old, new)

    async def _domain_exited(self, vm_uuid: str, reason: ExitReason) -> None:
        self._guests.pop(vm_uuid, None)
        await self._report_exit(vm_uuid, reason)
