# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of an instance on an overlay root: two instances, three boots, each asked many things."""

from __future__ import annotations

import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.conftest import Published
from tests.guests.guest_lab import GuestLab
from tests.support.state import sha256_of
from tools.xapi_client import add_nic, attach, create_disk

MIB = 1 << 20
GIB = 1 << 30
OVERLAY = "1"
#: Shell that waits for a condition of test(1), which is to follow.
UNTIL = 'await() { for second in $(seq 60); do test "$@" && return; sleep 1; done; }; await'


@dataclass
class Booted:
    """A running instance."""

    vm: str
    address: str


@pytest.fixture(scope="module")
def twins(lab: GuestLab, pool: list[str]) -> Iterator[list[Booted]]:
    """The first two instances, booted at the same time from one root disk by BIOS."""
    for vm in pool[:2]:
        lab.start(vm)
    yield [Booted(vm, lab.wait_for_address(vm)) for vm in pool[:2]]
    # Idle guests would slow down those of later tests.
    for vm in pool[:2]:
        if lab.xapi.VM.get_power_state(vm) == "Running":
            lab.xapi.VM.hard_shutdown(vm)


def test_each_is_itself(lab: GuestLab, twins: list[Booted]) -> None:
    asked = "hostname; cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub"
    answers = [lab.ssh(twin.address, asked).split() for twin in twins]
    assert [answer[0] for answer in answers] == ["web-001", "web-002"]
    assert answers[0][1] != answers[1][1]
    assert answers[0][2] != answers[1][2]


def test_the_boot_is_reported(lab: GuestLab, twins: list[Booted], master: Published) -> None:
    report = lab.report(twins[0].vm)
    assert report["state"] == "running"
    assert report["layer"] == "new"
    assert report["instance"] == lab.xapi.VM.get_xenstore_data(twins[0].vm)["vm-data/skinnybox/instance"]


def test_the_root_disk_refuses_writes(lab: GuestLab, twins: list[Booted]) -> None:
    device = "$(lsblk -npo pkname $(findmnt -no SOURCE /run/initramfs/skinnybox/master))"
    command = f"blockdev --setrw {device}; dd if=/dev/zero of={device} bs=4096 seek=1 count=1 oflag=direct"
    assert "Operation not permitted" in lab.ssh(twins[0].address, command, check=False)


def test_all_units_work_and_kernels_are_held(lab: GuestLab, twins: list[Booted]) -> None:
    address = twins[0].address
    # While jobs are queued the boot has not ended, and says nothing about failures to come.
    lab.ssh(address, "systemctl is-system-running --wait", check=False)
    assert lab.ssh(address, "systemctl --failed --no-legend").strip() == ""
    assert "Candidate: (none)" in lab.ssh(address, "apt-cache policy linux-image-cloud-amd64")


def test_a_fresh_overlay_takes_little(lab: GuestLab, twins: list[Booted]) -> None:
    lab.ssh(twins[1].address, "sync")
    sr = lab.xapi.VDI.get_SR(lab.disk(twins[1].vm, OVERLAY))
    lab.xapi.SR.scan(sr)
    assert int(lab.xapi.VDI.get_physical_utilisation(lab.disk(twins[1].vm, OVERLAY))) <= 32 * MIB


def test_a_disk_comes_and_goes_while_the_guest_runs(lab: GuestLab, twins: list[Booted]) -> None:
    _first, second = twins
    before = lab.ssh(second.address, "ls /sys/block").split()
    vbd = attach(lab.xapi, second.vm, create_disk(lab.xapi, "more", 64 * MIB), "7")
    lab.xapi.VBD.plug(vbd)
    new = f"/dev/vd{chr(ord('a') + sum(name.startswith('vd') for name in before))}"
    lab.ssh(second.address, f"{UNTIL} -b {new}; dd if=/dev/urandom of={new} bs=1M count=4 oflag=direct")
    lab.xapi.VBD.unplug(vbd)
    assert lab.ssh(second.address, "ls /sys/block").split() == before
    lab.xapi.VDI.destroy(lab.xapi.VBD.get_VDI(vbd))


def test_guests_reach_each_other_on_an_internal_network(lab: GuestLab, twins: list[Booted]) -> None:
    network = lab.xapi.network.create(
        {"name_label": "inside", "name_description": "", "MTU": "1500", "other_config": {}}
    )
    vifs = [add_nic(lab.xapi, twin.vm, network, "1") for twin in twins]
    for twin, vif in zip(twins, vifs, strict=True):
        lab.xapi.VIF.plug(vif)
        lab.ssh(twin.address, f"{UNTIL} -e /sys/class/net/ens4; ip link set ens4 up")
    lab.ssh(twins[0].address, f"ping -6 -c 3 -w 60 {link_local(lab.xapi.VIF.get_MAC(vifs[1]))}%ens4")
    lab.ssh(twins[1].address, f"ping -6 -c 3 -w 60 {link_local(lab.xapi.VIF.get_MAC(vifs[0]))}%ens4")
    for vif in vifs:
        lab.xapi.VIF.unplug(vif)
        lab.xapi.VIF.destroy(vif)


def link_local(mac: str) -> str:
    """The address that an interface with this MAC gives itself."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    octets = bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]])
    return f"fe80::{octets[0:2].hex()}:{octets[2:4].hex()}:{octets[4:6].hex()}:{octets[6:8].hex()}"


def test_a_suspended_instance_goes_on_where_it_was(lab: GuestLab, twins: list[Booted]) -> None:
    _first, second = twins
    asked = "cat /proc/sys/kernel/random/boot_id"
    boot = lab.ssh(second.address, asked)
    lab.xapi.VM.suspend(second.vm)
    assert lab.xapi.VM.get_power_state(second.vm) == "Suspended"
    image = lab.xapi.VM.get_suspend_VDI(second.vm)
    lab.xapi.SR.scan(lab.xapi.VDI.get_SR(image))
    assert int(lab.xapi.VDI.get_physical_utilisation(image)) > 32 * MIB
    lab.xapi.VM.resume(second.vm, False, False)
    assert lab.ssh(lab.wait_for_address(second.vm), asked) == boot


def test_files_outlive_a_clean_shutdown_a_grown_disk_and_another_firmware(
    lab: GuestLab, twins: list[Booted], master: Published, tmp_path: Path
) -> None:
    first, second = twins
    lab.ssh(first.address, "echo mine > /root/mark; rm /etc/issue.net; sync")
    assert lab.ssh(second.address, "ls /root /etc/issue.net").split() == ["/etc/issue.net", "/root:"]
    lab.xapi.VM.clean_shutdown(first.vm)
    overlay = lab.disk(first.vm, OVERLAY)

    features = superblock(lab, overlay, tmp_path)
    assert "needs_recovery" not in features["Filesystem features"]
    assert features["Filesystem state"] == "clean"

    lab.xapi.VDI.resize(overlay, str(2 * GIB))
    lab.xapi.VM.set_HVM_boot_params(first.vm, {**lab.xapi.VM.get_HVM_boot_params(first.vm), "firmware": "uefi"})
    lab.start(first.vm)
    address = lab.wait_for_address(first.vm)
    assert lab.ssh(address, "cat /root/mark; test -d /sys/firmware/efi && echo uefi").split() == ["mine", "uefi"]
    assert lab.ssh(address, "test -e /etc/issue.net || echo gone").strip() == "gone"
    assert int(lab.ssh(address, "df --output=size -B1 / | tail -1")) > 1.9 * GIB
    assert lab.report(first.vm) | {"layer": "kept", "grown": str(2 * GIB)} == lab.report(first.vm)


def test_the_master_is_as_it_was(lab: GuestLab, twins: list[Booted], master: Published) -> None:
    assert sha256_of(lab, master.root) == master.sha256


def superblock(lab: GuestLab, vdi: str, directory: Path) -> dict[str, str]:
    """What dumpe2fs says of the file system on a disk."""
    query = urllib.parse.urlencode({"session_id": lab.session.handle, "vdi": vdi, "format": "raw"})
    path = directory / "head.raw"
    with urllib.request.urlopen(f"{lab.url}/export_raw_vdi?{query}", timeout=60) as answer, path.open("wb") as file:
        file.write(answer.read(64 * MIB))
    # -h: the superblock alone, which is at the beginning.
    text = subprocess.run(
        ["/sbin/dumpe2fs", "-h", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    ).stdout
    return {name.strip(): value.strip() for name, _colon, value in (line.partition(":") for line in text.splitlines())}
