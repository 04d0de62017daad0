# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks from disks: reverted, reset at boot, copied in part; what a record has after each."""

from __future__ import annotations

import hashlib

import pytest

from .conftest import PV, Client
from .test_disks import END, MIB, chunk, download, upload

PV = {**PV, "PV_bootloader": "pygrub"}


def write(client: Client, disk: str, *pieces: tuple[int, bytes]) -> None:
    record = upload(client, disk, iter([*(chunk(offset, data) for offset, data in pieces), END]), chunked="true")
    assert record["status"] == "success"


def test_disk_goes_back_to_its_snapshot_again_and_again(client: Client) -> None:
    disk = client.disk()
    write(client, disk, (0, b"old"))
    snapshot = client.xapi.VDI.snapshot(disk, {})
    uuid = client.xapi.VDI.get_uuid(disk)
    for _time in range(2):
        write(client, disk, (0, b"new"), (4 * MIB, b"more"))
        client.xapi.VDI.revert(snapshot)
        assert download(client, disk) == b"old".ljust(8 * MIB, b"\0")
    assert client.xapi.VDI.get_uuid(disk) == uuid
    assert client.xapi.VDI.get_snapshots(disk) == [snapshot]


def test_what_is_reverted_must_be_a_snapshot_and_its_disk_idle(client: Client) -> None:
    disk, vm = client.disk(), client.vm()
    text = f"VDI is not a snapshot: {disk}"
    assert client.error(client.xapi.VDI.revert, disk) == ["OPERATION_NOT_ALLOWED", text]
    snapshot = client.xapi.VDI.snapshot(disk, {})
    client.attach(vm, disk)
    client.start(vm)
    assert client.error(client.xapi.VDI.revert, snapshot) == ["VDI_IN_USE", disk, "revert_to"]


def test_disk_that_is_reset_at_boot_forgets(client: Client) -> None:
    disk, vm = client.disk(), client.vm(**PV)
    write(client, disk, (0, b"kept"))
    client.xapi.VDI.set_on_boot(disk, "reset")
    vbd = client.attach(vm, disk)
    write(client, disk, (0, b"gone"))
    client.start(vm)
    client.xapi.VM.hard_shutdown(vm)
    assert download(client, disk)[:4] == b"kept"
    client.xapi.VBD.destroy(vbd)
    refused = ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]
    assert client.error(client.xapi.VDI.snapshot, disk, {}) == refused
    assert client.error(client.xapi.VDI.copy, disk, client.sr) == refused
    client.xapi.VDI.set_on_boot(disk, "persist")
    client.xapi.VDI.snapshot(disk, {})


@pytest.mark.parametrize("state", ["Running", "Suspended"])
def test_boot_mode_and_caching_are_chosen_while_vms_are_off(client: Client, state: str) -> None:
    disk, vm = client.disk(), client.vm(**PV)
    client.attach(vm, disk, mode="RO")
    client.start(vm)
    if state == "Suspended":
        client.xapi.VM.suspend(vm)
    wanted = ["VM_BAD_POWER_STATE", vm, "halted", state.lower()]
    assert client.error(client.xapi.VDI.set_on_boot, disk, "reset") == wanted
    assert client.error(client.xapi.VDI.set_allow_caching, disk, True) == wanted


def test_copy_of_what_differs_from_a_base(client: Client) -> None:
    disk = client.disk()
    write(client, disk, (0, b"base"), (4 * MIB, b"base"))
    base = client.xapi.VDI.snapshot(disk, {})
    target = client.xapi.VDI.copy(base, client.sr)
    write(client, disk, (0, b"next"), (6 * MIB, b"next"))
    # this would be written over if the copy were a full one
    write(client, target, (4 * MIB, b"mine"))
    assert client.xapi.VDI.copy(disk, "OpaqueRef:NULL", base, target) == target
    data = download(client, target)
    assert [data[offset * MIB : offset * MIB + 4] for offset in (0, 4, 6)] == [b"next", b"mine", b"next"]


def test_copy_goes_where_there_is_room(client: Client) -> None:
    disk, small = client.disk(virtual_size=str(16 * MIB)), client.disk()
    wanted = ["VDI_TOO_SMALL", small, str(16 * MIB)]
    assert client.error(client.xapi.VDI.copy, disk, "OpaqueRef:NULL", "OpaqueRef:NULL", small) == wanted
    target = client.disk(virtual_size=str(16 * MIB), read_only=True)
    wanted = ["VDI_READONLY", target]
    assert client.error(client.xapi.VDI.copy, disk, "OpaqueRef:NULL", "OpaqueRef:NULL", target) == wanted


def test_copy_of_a_read_only_disk_can_be_written(client: Client) -> None:
    disk = client.disk(read_only=True, tags=["kept"], other_config={"a": "b"})
    copy = client.xapi.VDI.get_record(client.xapi.VDI.copy(disk, client.sr))
    assert (copy["read_only"], copy["tags"], copy["other_config"]) == (False, ["kept"], {"a": "b"})


def test_checksum_is_of_all_that_the_disk_holds(client: Client) -> None:
    disk = client.disk()
    write(client, disk, (MIB, b"content"))
    assert client.xapi.VDI.checksum(disk) == hashlib.md5(download(client, disk), usedforsecurity=False).hexdigest()


def test_suspend_image_that_is_destroyed_is_no_vms_any_more(client: Client) -> None:
    vm = client.vm(**PV)
    client.start(vm)
    client.xapi.VM.suspend(vm)
    image = client.xapi.VM.get_suspend_VDI(vm)
    client.xapi.VDI.destroy(image)
    assert client.xapi.VM.get_suspend_VDI(vm) == "OpaqueRef:NULL"
