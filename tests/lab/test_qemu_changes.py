# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changes in a machine that runs: devices, the image behind a disk, suspension. No system boots in it."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lab.hypervisor import Callbacks, DetachTimeout, Domain, DomainDisk, DomainNic, HypervisorError
from lab.hypervisor.hotplug import file_name
from lab.hypervisor.qemu import QEMU, QemuHypervisor
from lab.storage import Extent
from lab.storage.qcow2 import Qcow2Disks

pytestmark = pytest.mark.skipif(not (shutil.which(QEMU) and shutil.which("qemu-img")), reason="no QEMU")
VM = "8d7c8c4e-57f5-4a3e-8d63-0d8d5a4b2a12"
MIB = 1 << 20
DOMAIN = Domain(
    vm_uuid=VM,
    name="empty",
    memory=32 * MIB,
    vcpus=1,
    firmware="bios",
    boot_order="c",
    disks=[DomainDisk(0, "master", "RO", "Disk"), DomainDisk(1, "overlay", "RW", "Disk")],
    nics=[DomainNic(0, "52:54:00:12:34:56", "net")],
)


class Machine:
    """A domain that runs, and its disks."""

    def __init__(self, directory: Path) -> None:
        self.disks = Qcow2Disks(directory / "disks")
        self.hypervisor = QemuHypervisor(directory, self.disks)
        self.exits: list[str] = []

    async def begin(self) -> None:
        async def exited(vm: str, reason: str) -> None:
            self.exits.append(reason)

        async def ignored(*_told: Any) -> None:
            pass

        await self.hypervisor.attach(Callbacks(exited, ignored, ignored))
        for name in ("master", "overlay", "more"):
            await self.disks.create(name, 16 * MIB)
        await self.hypervisor.start(DOMAIN)

    async def execute(self, command: str, **arguments: Any) -> Any:
        return await self.hypervisor._guest(VM).execute(command, arguments)

    async def images(self) -> dict[str, str]:
        """Drive -> the file behind it."""
        found = await self.execute("query-block")
        return {
            block["qdev"].split("/")[3]: file_name(block["inserted"]["file"])
            for block in found
            if block.get("inserted")
        }

    def files(self, **drives: str) -> dict[str, str]:
        return {drive: str(self.disks.image(disk)) for drive, disk in drives.items()}

    async def devices(self) -> set[str]:
        return {child["name"] for child in await self.execute("qom-list", path="/machine/peripheral")}

    async def nodes(self) -> set[str]:
        found = await self.execute("query-named-block-nodes", flat=True)
        return {node["node-name"] for node in found if node["node-name"].startswith("image")}


def in_machine(directory: Path, scenario: Callable[[Machine], Awaitable[None]]) -> None:
    async def run() -> None:
        machine = Machine(directory)
        try:
            await machine.begin()
            await scenario(machine)
        finally:
            await machine.hypervisor.close(destroy=True)
        assert machine.exits == []

    asyncio.run(run())


def test_a_disk_is_plugged_in_and_stays_as_long_as_the_guest_holds_it(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        await machine.hypervisor.plug_disk(VM, DomainDisk(5, "more", "RW", "Disk"))
        assert await machine.images() == machine.files(drive0="master", drive1="overlay", drive5="more")
        with pytest.raises(HypervisorError, match="write"):
            await machine.hypervisor.plug_disk(VM, DomainDisk(5, "more", "RW", "Disk"))
        # There is no system in it that could let go.
        with pytest.raises(DetachTimeout, match=r"VM empty .* does not let go of drive5 within 0\.1 s"):
            await machine.hypervisor.unplug_disk(VM, 5, timeout=0.1)
        assert "drive5" in await machine.images()

    in_machine(tmp_path, scenario)


def test_a_disk_that_cannot_be_opened_leaves_nothing_behind(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        before = await machine.nodes()
        with pytest.raises(HypervisorError):  # it is open for writing already
            await machine.hypervisor.plug_disk(VM, DomainDisk(5, "overlay", "RW", "Disk"))
        assert (await machine.nodes(), "drive5" in await machine.devices()) == (before, False)
        with pytest.raises(HypervisorError, match="CD drive"):
            await machine.hypervisor.plug_disk(VM, DomainDisk(6, "more", "RO", "CD"))

    in_machine(tmp_path, scenario)


def test_a_network_interface_is_plugged_in(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        nic = DomainNic(2, "52:54:00:12:34:57", "inside", to_host=False)
        await machine.hypervisor.plug_nic(VM, nic)
        assert "nic2-device" in await machine.devices()
        with pytest.raises(HypervisorError):
            await machine.hypervisor.plug_nic(VM, nic)
        with pytest.raises(HypervisorError, match="no room for network interface 9"):
            await machine.hypervisor.plug_nic(VM, dataclasses.replace(nic, device=9))
        with pytest.raises(DetachTimeout, match="nic2-device"):
            await machine.hypervisor.unplug_nic(VM, 2, timeout=0.1)

    in_machine(tmp_path, scenario)


def test_each_snapshot_has_the_machine_write_to_a_new_layer(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        for number in range(3):
            before = await machine.images()
            await machine.disks.snapshot("overlay", f"base{number}", f"past{number}")
            assert await machine.images() == machine.files(drive0="master", drive1="overlay") != before

    in_machine(tmp_path, scenario)


@pytest.mark.parametrize(("position", "old"), [(0, "master"), (1, "overlay")])
def test_another_image_comes_behind_a_disk(tmp_path: Path, position: int, old: str) -> None:
    async def scenario(machine: Machine) -> None:
        # What the guest writes lies above a snapshot by then.
        await machine.disks.snapshot("overlay", "base", "past")
        await machine.hypervisor.pause(VM)
        await machine.disks.copy(old, "more")
        await machine.hypervisor.move_disk(VM, position, "more")
        await machine.hypervisor.unpause(VM)
        expected = machine.files(drive0="master", drive1="overlay") | machine.files(**{f"drive{position}": "more"})
        assert await machine.images() == expected
        # Nothing of the old disk is open any longer.
        left = {node.partition("-")[0] for node in await machine.nodes()}
        assert left == ({"image0", "image1"} if position else {"image0", "image1", "image"})
        with pytest.raises(HypervisorError, match="no disk at position 7"):
            await machine.hypervisor.move_disk(VM, 7, "more")

    in_machine(tmp_path, scenario)


async def pattern() -> AsyncIterator[Extent]:
    yield Extent(0, b"no state at all")


def test_a_machine_is_suspended_to_a_disk_and_goes_on_there(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        hypervisor = machine.hypervisor
        # It goes on with what it had at the end, in the same slots.
        await hypervisor.plug_disk(VM, DomainDisk(5, "more", "RW", "Disk"))
        domain = hypervisor._guest(VM).domain
        await machine.disks.create("image", 96 * MIB)
        await hypervisor.suspend(VM, "image")
        assert await hypervisor.running() == set()
        assert await machine.disks.allocated("image") > 0
        grown = dataclasses.replace(domain, memory=64 * MIB, vcpus=2)
        await hypervisor.resume(grown, "image", paused=True)
        assert (await machine.execute("query-status"))["status"] == "paused"
        await hypervisor.unpause(VM)
        assert (await machine.execute("query-status"))["status"] == "running"
        assert await machine.images() == machine.files(drive0="master", drive1="overlay", drive5="more")
        assert (await machine.execute("query-memory-size-summary"))["base-memory"] == 32 * MIB

    in_machine(tmp_path, scenario)


def test_a_machine_goes_on_when_its_state_finds_no_room(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        await machine.disks.create("image", 64 << 10)
        with pytest.raises(HypervisorError, match=r"cannot be suspended.*has no room"):
            await machine.hypervisor.suspend(VM, "image")
        assert (await machine.execute("query-status"))["status"] == "running"
        assert await machine.hypervisor.running() == {VM}

    in_machine(tmp_path, scenario)


def test_a_disk_without_a_state_starts_nothing(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        await machine.hypervisor.destroy(VM)
        await machine.disks.create("image", 16 * MIB)
        await machine.disks.write("image", pattern())
        with pytest.raises(HypervisorError, match="holds no state"):
            await machine.hypervisor.resume(DOMAIN, "image")
        assert await machine.hypervisor.running() == set()

    in_machine(tmp_path, scenario)


def test_devices_that_do_not_fit_the_state_are_complained_of(tmp_path: Path) -> None:
    async def scenario(machine: Machine) -> None:
        await machine.disks.create("image", 96 * MIB)
        await machine.hypervisor.suspend(VM, "image")
        without = dataclasses.replace(DOMAIN, nics=[])
        with pytest.raises(HypervisorError, match="its devices are not those"):
            await machine.hypervisor.resume(without, "image")
        assert await machine.hypervisor.running() == set()
        await machine.hypervisor.resume(DOMAIN, "image")

    in_machine(tmp_path, scenario)
