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

from lab.hypervisor import (
    DETACH_PATIENCE,
    Callbacks,
    Domain,
    DomainDisk,
    DomainNic,
    ExitReason,
    HypervisorError,
    hotplug,
    suspension,
)
from lab.hypervisor import accelerator as accelerators
from lab.hypervisor.addresses import choose_address, choose_port
from lab.hypervisor.guest import Guest
from lab.hypervisor.machine import CONSOLE_LOG
from lab.storage import DiskError
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
                guest.listen(self._callbacks)
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
        guest = await self._make(domain)
        guest.listen(await self._launch(guest))

    async def _make(self, domain: Domain, slots: dict[int, int] | None = None) -> Guest:
        """A guest with its directory and address, not started."""
        directory = self.directory / domain.vm_uuid
        directory.mkdir(exist_ok=True)
        async with self._choosing:
            return Guest(directory, domain, self._address(domain.vm_uuid), self.ssh_port, slots)

    async def _launch(self, guest: Guest, *extra: str) -> Callbacks:
        """Have QEMU run a guest, with extra options; answers whom the guest is to talk to."""
        assert self._callbacks
        await guest.launch(self._qemu(), self.accelerator, self._disks.image, str(self.directory), extra)
        self._guests[guest.domain.vm_uuid] = guest
        try:
            await guest.watch(self._callbacks)
        except HypervisorError:
            del self._guests[guest.domain.vm_uuid]
            raise
        return self._callbacks

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

    async def suspend(self, vm_uuid: str, image: str) -> None:
        guest = self._guest(vm_uuid)
        await guest.execute("stop")
        try:
            await suspension.save(guest, self._disks, image)
        except (HypervisorError, DiskError, OSError) as error:
            await guest.execute("cont")
            raise HypervisorError(f"{guest} cannot be suspended: {error}") from error
        await guest.quit()
        self._guests.pop(vm_uuid, None)

    async def resume(self, domain: Domain, image: str, paused: bool = False) -> None:
        state = self.directory / f"{domain.vm_uuid}.state"
        try:
            header = await suspension.fetch(self._disks, image, state)
            guest = await self._make(header.apply(domain), header.slots)
            callbacks = await self._launch(guest, "-S", "-incoming", "defer")
            guest.end_expected = True
            try:
                await suspension.restore(guest, state)
                if not paused:
                    await guest.execute("cont")
            except HypervisorError:
                await self.destroy(domain.vm_uuid)
                raise
            guest.end_expected = False
            guest.listen(callbacks)
        except (DiskError, OSError) as error:
            raise HypervisorError(f"VM {domain.name} ({domain.vm_uuid}) cannot be resumed: {error}") from error
        finally:
            state.unlink(missing_ok=True)

    async def plug_disk(self, vm_uuid: str, disk: DomainDisk) -> None:
        if disk.disk is None:
            raise HypervisorError(f"VM {vm_uuid}: there is no disk to be plugged in at position {disk.position}")
        await hotplug.plug_disk(self._guest(vm_uuid), disk, self._disks.image(disk.disk))

    async def unplug_disk(self, vm_uuid: str, position: int, timeout: float = DETACH_PATIENCE) -> None:
        await hotplug.unplug_disk(self._guest(vm_uuid), position, timeout)

    async def move_disk(self, vm_uuid: str, position: int, disk: str) -> None:
        await hotplug.move_disk(self._guest(vm_uuid), position, disk, self._disks.image(disk))

    async def plug_nic(self, vm_uuid: str, nic: DomainNic) -> None:
        await hotplug.plug_nic(self._guest(vm_uuid), nic, str(self.directory))

    async def unplug_nic(self, vm_uuid: str, device: int, timeout: float = DETACH_PATIENCE) -> None:
        await hotplug.unplug_nic(self._guest(vm_uuid), device, timeout)

    async def insert(self, vm_uuid: str, position: int, disk: str | None) -> None:
        await hotplug.insert(self._guest(vm_uuid), position, self._disks.image(disk) if disk else None)

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
            await hotplug.pivot(guest, old, new)

    async def _domain_exited(self, vm_uuid: str, reason: ExitReason) -> None:
        self._guests.pop(vm_uuid, None)
        await self._report_exit(vm_uuid, reason)
