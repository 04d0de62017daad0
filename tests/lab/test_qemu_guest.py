# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two real guests through all of their lives, from their first start to the power button."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from lab import images
from lab.hypervisor import Callbacks, Domain, DomainDisk, DomainNic, ExitReason, GuestReport, HypervisorError
from lab.hypervisor.machine import UEFI_CODE
from lab.hypervisor.qemu import QEMU, QemuHypervisor
from lab.storage import Extent
from lab.storage.qcow2 import Qcow2Disks

pytestmark = [
    pytest.mark.guests,
    # Not with those of tests/guests, with which they share nothing: another process has time for them.
    pytest.mark.xdist_group("qemu"),
    pytest.mark.skipif(not (shutil.which(QEMU) and shutil.which("mmdebstrap")), reason="no QEMU or no mmdebstrap"),
]
CACHE = Path(os.environ.get("LAB_IMAGE_CACHE", "") or Path(__file__).parents[2] / ".cache/images")
VM = "6f0c8c4e-57f5-4a3e-8d63-0d8d5a4b2a11"
OTHER_VM = "6f0c8c4e-57f5-4a3e-8d63-0d8d5a4b2a12"
#: Seconds for anything that a guest does, on a slow and busy machine.
PATIENCE = 900.0


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
    """A disk for each guest and some beside it; both start from the same data."""
    disks = Qcow2Disks(directory)
    await disks.create("image", image.stat().st_size)
    await disks.write("image", content(image))
    await disks.snapshot("image", "debian", "root")
    await disks.clone("debian", "root of the other")
    for name in ("master", "master of the other", "more"):
        await disks.create(name, 64 << 20)
    return disks


def describe(vm_uuid: str, name: str, firmware: Literal["bios", "uefi"], disks: str, last: int) -> Domain:
    return Domain(
        vm_uuid=vm_uuid,
        name=name,
        memory=512 << 20,
        vcpus=1,
        firmware=firmware,
        boot_order="cd",
        # The read-only disk comes first: firmware must not see it.
        disks=[
            DomainDisk(0, f"master{disks}", "RO", "Disk"),
            DomainDisk(1, f"root{disks}", "RW", "Disk"),
            DomainDisk(3, None, "RO", "CD"),
        ],
        nics=[
            DomainNic(0, f"52:54:00:12:34:{last}", "management"),
            DomainNic(1, f"52:54:00:12:35:{last}", "inside", to_host=False),
        ],
        xenstore_data={"vm-data/greeting": "hello, guest"},
    )


FIRST = describe(VM, "a guest, with a comma", "bios", "", 56)
OTHER = describe(OTHER_VM, "the other", "uefi", " of the other", 57)


class Stage:
    """Two guests of one hypervisor; the tests go on where the one before left them. They run in the file's order."""

    def __init__(self, image: Path, key: Path, directory: Path) -> None:
        self._image, self._key, self._directory = image, key, directory
        self._loop = asyncio.new_event_loop()
        self.told = {VM: World(), OTHER_VM: World()}
        self.run(self._begin())

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        """Let a test do something. Between two tests the hypervisor hears nothing."""
        self._loop.run_until_complete(step)

    async def _begin(self) -> None:
        self.disks = await prepare(self._image, self._directory / "disks")
        assert await self.open() == set()
        # Both boot at the same time: a machine that emulates has rarely something better to do.
        await asyncio.gather(self.hypervisor.start(FIRST), self.hypervisor.start(OTHER))

    async def open(self) -> set[str]:
        """Connect as a server does that has just started."""
        self.hypervisor = QemuHypervisor(self._directory, self.disks)
        return await self.hypervisor.attach(
            Callbacks(
                domain_exited=lambda vm, reason: self.told[vm].callbacks().domain_exited(vm, reason),
                guest_reported=lambda vm, report: self.told[vm].callbacks().guest_reported(vm, report),
                xenstore_written=lambda vm, key, value: self.told[vm].callbacks().xenstore_written(vm, key, value),
            )
        )

    async def shell(self, command: str, vm: str = VM) -> str:
        """What a command prints in a guest that has told its address."""
        return await Shell(self._key, self.hypervisor.ssh_port)(await self.told[vm].address(), command)

    def close(self) -> None:
        self._loop.run_until_complete(self.hypervisor.close(destroy=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


@pytest.fixture(scope="module")
def stage(image: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(image, key, tmp_path_factory.mktemp("lab"))
    yield stage
    stage.close()


def test_a_guest_boots_and_tells_what_it_is(stage: Stage) -> None:
    async def step() -> None:
        with pytest.raises(HypervisorError, match=f"VM a guest, with a comma .{VM}. runs already"):
            await stage.hypervisor.start(FIRST)
        greeting = "/sys/firmware/qemu_fw_cfg/by_name/opt/xenstore/vm-data/greeting/raw"
        assert await stage.shell(f"modprobe qemu_fw_cfg; cat {greeting}") == "hello, guest"
        assert stage.told[VM].reports[-1].os_version["distro"] == "debian"
        await stage.shell("echo vm-data/report=state=ok > /dev/virtio-ports/xenstore")
        await stage.told[VM].until(lambda: stage.told[VM].written == [("vm-data/report", "state=ok")])
        assert "login:" in Path(stage.hypervisor.console(VM)).read_text(errors="replace")

    stage.run(step())


@pytest.mark.skipif(not UEFI_CODE.exists(), reason="no UEFI firmware")
def test_uefi_firmware_boots_the_same_disk(stage: Stage) -> None:
    async def step() -> None:
        assert await stage.shell("test -d /sys/firmware/efi && echo UEFI", OTHER_VM) == "UEFI\n"

    stage.run(step())


def test_a_read_only_disk_cannot_be_written_to(stage: Stage) -> None:
    async def step() -> None:
        assert await stage.shell("cat /sys/block/vd?/ro") == "1\n0\n"
        await stage.shell("! dd if=/dev/urandom of=/dev/vda count=1 oflag=direct")
        assert await stage.disks.allocated("master") == 0

    stage.run(step())


def test_guests_reach_each_other_on_a_network_of_their_own_and_no_others(stage: Stage) -> None:
    async def step() -> None:
        for vm, address in ((VM, "10.98.0.1"), (OTHER_VM, "10.98.0.2")):
            await stage.shell(f"ip address add {address}/24 dev ens4", vm)
        await stage.shell("ping -c 3 -w 60 -I ens4 10.98.0.2")
        await stage.shell("ping -c 3 -w 60 -I ens4 10.98.0.1", OTHER_VM)
        # The address that comes with every interface: a guest that heard itself would think that it is taken.
        await stage.shell("ping -6 -c 1 -w 60 fe80::5054:ff:fe12:3557%ens4")
        # Another network, plugged in while the guest runs: nobody hears anybody there.
        await stage.hypervisor.plug_nic(VM, DomainNic(2, "52:54:00:12:36:56", "elsewhere", to_host=False))
        await stage.shell("for second in $(seq 60); do ip link set ens5 up && exit; sleep 1; done; exit 1")
        await stage.shell("! ping -6 -c 2 -w 5 fe80::5054:ff:fe12:3557%ens5")
        await stage.hypervisor.unplug_nic(VM, 2, timeout=PATIENCE)
        await stage.shell("! ip link show dev ens5")

    stage.run(step())


def test_a_snapshot_beneath_a_running_guest_divides_its_disk(stage: Stage) -> None:
    async def step() -> None:
        await stage.disks.snapshot("root", "base", "past")
        await stage.shell("echo kept > /root/after; sync")
        assert await stage.disks.allocated("root") > 0
        assert await stage.disks.allocated("past") == 0

    stage.run(step())


def test_a_disk_is_plugged_in_written_to_and_unplugged(stage: Stage) -> None:
    async def step() -> None:
        await stage.hypervisor.plug_disk(VM, DomainDisk(2, "more", "RW", "Disk"))
        await stage.shell("for second in $(seq 60); do test -b /dev/vdc && exit; sleep 1; done; exit 1")
        await stage.shell("echo written | dd of=/dev/vdc bs=512 conv=sync oflag=direct")
        await stage.hypervisor.unplug_disk(VM, 2, timeout=PATIENCE)
        await stage.shell("! test -e /dev/vdc")
        assert (await anext(stage.disks.read("more"))).startswith(b"written\n")
        # Nobody holds it: another guest may have it.
        await stage.hypervisor.plug_disk(OTHER_VM, DomainDisk(2, "more", "RW", "Disk"))

    stage.run(step())


def test_a_disk_moves_while_its_guest_runs(stage: Stage) -> None:
    async def step() -> None:
        await stage.disks.create("moved", 3 << 30)
        await stage.hypervisor.pause(VM)
        await stage.disks.copy("root", "moved")
        await stage.hypervisor.move_disk(VM, 1, "moved")
        await stage.hypervisor.unpause(VM)
        await stage.disks.destroy("root")
        await stage.shell(
            "echo 3 > /proc/sys/vm/drop_caches; cat /root/after; dd if=/dev/zero of=/root/new bs=1M count=8"
        )

    stage.run(step())


def test_a_suspended_guest_goes_on_where_it_was(stage: Stage) -> None:
    async def step() -> None:
        boot = await stage.shell("echo here > /run/memory; cat /proc/sys/kernel/random/boot_id")
        await stage.disks.create("image of the memory", 1 << 30)
        await stage.hypervisor.suspend(VM, "image of the memory")
        assert await stage.hypervisor.running() == {OTHER_VM}
        stage.told[VM].reports.clear()
        await stage.hypervisor.resume(moved(FIRST), "image of the memory")
        await stage.disks.destroy("image of the memory")
        assert await stage.shell("cat /proc/sys/kernel/random/boot_id /run/memory") == f"{boot}here\n"
        await stage.shell("ping -c 3 -w 60 -I ens4 10.98.0.2")

    stage.run(step())


def moved(domain: Domain) -> Domain:
    """The domain with the disk that it has since the test above."""
    disks = [dataclasses.replace(disk, disk="moved") if disk.position == 1 else disk for disk in domain.disks]
    return dataclasses.replace(domain, disks=disks)


def test_another_server_finds_the_guests_that_an_earlier_one_started(stage: Stage) -> None:
    async def step() -> None:
        address = await stage.told[VM].address()
        await stage.hypervisor.close(destroy=False)
        assert await stage.open() == {VM, OTHER_VM}
        assert stage.hypervisor.address(VM) == address
        assert await stage.shell("cat /root/after") == "kept\n"

    stage.run(step())


def test_a_guest_that_reboots_ends_its_domain_and_starts_anew_at_the_same_address(stage: Stage) -> None:
    async def step() -> None:
        told, address = stage.told[VM], await stage.told[VM].address()
        await stage.shell("systemctl reboot --no-block")
        await told.until(lambda: told.exits == ["rebooted"])
        assert await stage.hypervisor.running() == {OTHER_VM}
        told.reports.clear()
        await stage.hypervisor.start(moved(FIRST))
        assert await told.address() == address
        assert await stage.shell("cat /root/after") == "kept\n"

    stage.run(step())


def test_a_guest_obeys_the_power_button(stage: Stage) -> None:
    async def step() -> None:
        assert await stage.hypervisor.shutdown(VM, PATIENCE)
        assert await stage.hypervisor.running() == {OTHER_VM}
        # Neither an end that was asked for nor what was told before is told again.
        assert stage.told[VM].exits == ["rebooted"]
        assert stage.told[VM].written == [("vm-data/report", "state=ok")]
        assert stage.told[OTHER_VM].exits == []

    stage.run(step())
