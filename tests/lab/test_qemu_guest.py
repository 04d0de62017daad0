# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One real guest through all of its life: start, address, SSH, snapshot, another server, reboot, power button."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import pytest

from lab import images
from lab.hypervisor import Callbacks, Domain, DomainDisk, DomainNic, ExitReason, GuestReport, HypervisorError
from lab.hypervisor.machine import UEFI_CODE
from lab.hypervisor.qemu import QEMU, QemuHypervisor
from lab.storage import Extent
from lab.storage.qcow2 import Qcow2Disks

pytestmark = [
    pytest.mark.guests,
    pytest.mark.xdist_group("guests"),
    pytest.mark.skipif(not (shutil.which(QEMU) and shutil.which("mmdebstrap")), reason="no QEMU or no mmdebstrap"),
]
CACHE = Path(os.environ.get("LAB_IMAGE_CACHE", "") or Path(__file__).parents[2] / ".cache/images")
VM = "6f0c8c4e-57f5-4a3e-8d63-0d8d5a4b2a11"
#: Seconds for anything that a guest does, on a slow and busy machine.
PATIENCE = 300.0


class World:
    """Stands for the server: notes what the hypervisor tells, and lets a test wait for it."""

    def __init__(self) -> None:
        self.exits: list[ExitReason] = []
        self.reports: list[GuestReport] = []
        self.written: list[tuple[str, str]] = []
        self._news = asyncio.Condition()

    async def _note(self, add: Callable[[], None]) -> None:
        async with self._news:
            add()
            self._news.notify_all()

    def callbacks(self) -> Callbacks:
        return Callbacks(
            domain_exited=lambda vm, reason: self._note(lambda: self.exits.append(reason)),
            guest_reported=lambda vm, report: self._note(lambda: self.reports.append(report)),
            xenstore_written=lambda vm, key, value: self._note(lambda: self.written.append((key, value))),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(condition), PATIENCE)

    async def address(self) -> str:
        await self.until(lambda: any("0/ip" in report.networks for report in self.reports))
        return self.reports[-1].networks["0/ip"]


class Shell:
    """SSH to the guest as root."""

    def __init__(self, key: Path, port: int) -> None:
        self._command = ["ssh", "-i", str(key), "-p", str(port), "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"]
        self._command += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]

    async def __call__(self, address: str, command: str) -> str:
        """What a command prints; tried again until the guest's SSH server answers."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < end:
            process = await asyncio.create_subprocess_exec(
                *self._command, f"root@{address}", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            output, errors = await process.communicate()
            if process.returncode != 255:
                assert process.returncode == 0, errors.decode()
                return output.decode()
            await asyncio.sleep(0.5)
        raise AssertionError(f"no SSH at {address}: {errors.decode()}")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def image(key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    disk = tmp_path_factory.mktemp("image") / "disk.raw"
    words = ["debian-12", "--output", str(disk), "--authorized-key", str(key.with_suffix(".pub"))]
    assert images.main([*words, "--cache", str(CACHE)]) == 0
    return disk


async def content(path: Path) -> AsyncIterator[Extent]:
    with path.open("rb") as file:
        offset = 0
        while chunk := file.read(4 << 20):
            yield Extent(offset, chunk)
            offset += len(chunk)


async def prepare(image: Path, directory: Path) -> Qcow2Disks:
    disks = Qcow2Disks(directory)
    await disks.create("root", image.stat().st_size)
    await disks.write("root", content(image))
    await disks.create("master", 64 << 20)
    return disks


def describe(firmware: Literal["bios", "uefi"]) -> Domain:
    return Domain(
        vm_uuid=VM,
        name="a guest, with a comma",
        memory=512 << 20,
        vcpus=1,
        firmware=firmware,
        boot_order="cd",
        # The read-only disk comes first: firmware must not see it.
        disks=[
            DomainDisk(0, "master", "RO", "Disk"),
            DomainDisk(1, "root", "RW", "Disk"),
            DomainDisk(3, None, "RO", "CD"),
        ],
        nics=[DomainNic(0, "52:54:00:12:34:56", "net")],
        xenstore_data={"vm-data/greeting": "hello, guest"},
    )


def test_a_guest_lives(image: Path, key: Path, tmp_path: Path) -> None:
    asyncio.run(life(image, key, tmp_path))


async def life(image: Path, key: Path, tmp_path: Path) -> None:
    world, disks, domain = World(), await prepare(image, tmp_path / "disks"), describe("bios")
    hypervisor = QemuHypervisor(tmp_path, disks)
    assert await hypervisor.attach(world.callbacks()) == set()
    try:
        await hypervisor.start(domain)
        await first_life(hypervisor, domain, world, disks, Shell(key, hypervisor.ssh_port))
        await hypervisor.close(destroy=False)
        hypervisor = QemuHypervisor(tmp_path, disks)
        assert await hypervisor.attach(world.callbacks()) == {VM}
        await second_life(hypervisor, domain, world, disks, Shell(key, hypervisor.ssh_port))
    finally:
        await hypervisor.close(destroy=True)


async def first_life(hypervisor: QemuHypervisor, domain: Domain, world: World, disks: Qcow2Disks, shell: Shell) -> None:
    """What a guest sees, what it tells, and that a snapshot taken beneath it divides its disk."""
    with pytest.raises(HypervisorError, match=f"VM a guest, with a comma .{VM}. runs already"):
        await hypervisor.start(domain)
    address = await world.address()
    assert world.reports[-1].os_version["distro"] == "debian"
    greeting = "/sys/firmware/qemu_fw_cfg/by_name/opt/xenstore/vm-data/greeting/raw"
    assert await shell(address, f"modprobe qemu_fw_cfg; cat {greeting}") == "hello, guest"
    assert await shell(address, "cat /sys/block/vd?/ro") == "1\n0\n"
    await shell(address, "! dd if=/dev/urandom of=/dev/vda count=1 oflag=direct")
    await shell(address, "echo vm-data/report=state=ok > /dev/virtio-ports/xenstore")
    await world.until(lambda: world.written == [("vm-data/report", "state=ok")])
    await disks.snapshot("root", "base", "past")
    await shell(address, "echo kept > /root/after; sync")
    assert await disks.allocated("root") > 0
    assert await disks.allocated("past") == 0
    assert "login:" in Path(hypervisor.console(VM)).read_text(errors="replace")


async def second_life(
    hypervisor: QemuHypervisor, domain: Domain, world: World, disks: Qcow2Disks, shell: Shell
) -> None:
    """A guest that an earlier server started: it is reached, reboots, and obeys the power button."""
    address = hypervisor.address(VM)
    assert await shell(address, "cat /root/after; systemctl reboot --no-block") == "kept\n"
    await world.until(lambda: world.exits == ["rebooted"])
    assert await hypervisor.running() == set()
    world.reports.clear()
    await hypervisor.start(domain)
    assert await world.address() == address
    assert await shell(address, "cat /root/after") == "kept\n"
    assert await hypervisor.shutdown(VM, PATIENCE)
    assert await hypervisor.running() == set()
    assert world.exits == ["rebooted"]
    assert world.written == [("vm-data/report", "state=ok")]
    assert await disks.allocated("master") == 0


@pytest.mark.skipif(not UEFI_CODE.exists(), reason="no UEFI firmware")
def test_uefi_firmware_boots_the_same_disk(image: Path, key: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        world, disks = World(), await prepare(image, tmp_path / "disks")
        hypervisor = QemuHypervisor(tmp_path, disks)
        await hypervisor.attach(world.callbacks())
        try:
            await hypervisor.start(describe("uefi"))
            shell = Shell(key, hypervisor.ssh_port)
            assert await shell(await world.address(), "test -d /sys/firmware/efi && echo UEFI") == "UEFI\n"
        finally:
            await hypervisor.close(destroy=True)
        assert world.exits == []

    asyncio.run(scenario())
