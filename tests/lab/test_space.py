# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Room in repositories of files: what a full one refuses, and bases that go some time after they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.lab import Lab

from .conftest import Client
from .test_disks import BLOCK, END, MIB, chunk, download, upload, used

NO_SPACE = ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]


def repository(client: Client, size: int, kind: str = "file") -> str:
    arguments = (client.host, {}, str(size), "small", "", kind, "user", False, {})
    return str(client.xapi.SR.create(*arguments))


def bases(client: Client, sr: str) -> list[str]:
    """uuids of the hidden disks of a repository."""
    disks = client.xapi.VDI.get_all_records().values()
    return [disk["uuid"] for disk in disks if disk["SR"] == sr and not disk["managed"]]


def chain(client: Client, vdi: str) -> int:
    """Layers of a disk, all read at one moment."""
    records = client.xapi.VDI.get_all_records()
    parents = {record["uuid"]: record["sm_config"].get("vhd-parent", "") for record in records.values()}
    number, uuid = 0, records[vdi]["uuid"]
    while uuid:
        number, uuid = number + 1, parents[uuid]
    return number


# ---- full


def actions(client: Client, sr: str) -> dict[str, Callable[[], Any]]:
    """What needs room in a repository, on a disk that is there already."""
    disk = client.disk(SR=sr, virtual_size=str(64 * MIB))
    upload(client, disk, b"x" * 4 * MIB)
    return {
        "create": lambda: client.disk(SR=sr),
        "clone": lambda: client.xapi.VDI.clone(disk, {}),
        "snapshot": lambda: client.xapi.VDI.snapshot(disk, {}),
        "resize": lambda: client.xapi.VDI.resize(disk, str(512 * MIB)),
        "copy": lambda: client.xapi.VDI.copy(disk, sr),
        "create_vm_with_disks": lambda: client.xapi.VM.copy(vm_with(client, disk), "copy", sr),
    }


def vm_with(client: Client, disk: str) -> str:
    vm = client.vm()
    client.attach(vm, disk)
    return vm


@pytest.mark.parametrize("kind", ["file", "lvm"])
@pytest.mark.parametrize("name", ["create", "clone", "snapshot", "resize", "copy", "create_vm_with_disks"])
def test_full_repository_refuses(fresh: tuple[Client, Lab], name: str, kind: str) -> None:
    client, lab = fresh
    sr = repository(client, 1024 * MIB, kind)
    action = actions(client, sr)[name]
    before = client.xapi.VDI.get_all()
    lab.fill(client.xapi.SR.get_uuid(sr), free=0)
    assert client.error(action) == NO_SPACE
    assert client.xapi.VDI.get_all() == before
    lab.fill(client.xapi.SR.get_uuid(sr), free=None)
    action()


def test_upload_that_runs_out_of_room_fails_in_the_task(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    disk = client.disk(virtual_size=str(64 * MIB))
    lab.fill(client.xapi.SR.get_uuid(client.sr), free=3 * BLOCK)
    record = upload(client, disk, iter([*(chunk(number * BLOCK, b"x") for number in range(5)), END]), chunked="true")
    assert (record["status"], record["error_info"]) == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])
    assert used(client, disk) < 3 * BLOCK
    lab.fill(client.xapi.SR.get_uuid(client.sr), free=None)
    assert upload(client, disk, b"x" * 10 * MIB)["status"] == "success"


def test_thick_disk_has_its_room_already(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    sr = repository(client, 1024 * MIB, "lvm")
    disk = client.disk(SR=sr, virtual_size=str(16 * MIB))
    lab.fill(client.xapi.SR.get_uuid(sr), free=0)
    assert upload(client, disk, b"x" * 16 * MIB)["status"] == "success"


def test_copy_that_runs_out_of_room_leaves_no_disk(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    disk = client.disk(virtual_size=str(64 * MIB))
    upload(client, disk, b"x" * 8 * MIB)
    lab.fill(client.xapi.SR.get_uuid(client.sr), free=2 * BLOCK)
    before = client.xapi.VDI.get_all()
    assert client.error(client.xapi.VDI.copy, disk, client.sr) == ["VDI_IO_ERROR", "Device I/O errors"]
    assert client.xapi.VDI.get_all() == before


# ---- the collector


def test_base_takes_its_room_until_it_is_collected(client: Client) -> None:
    sr = repository(client, 1024 * MIB)
    disk = client.disk(SR=sr)
    upload(client, disk, b"x" * 4 * MIB)
    snapshot = client.xapi.VDI.snapshot(disk, {})
    client.xapi.VDI.destroy(disk)
    client.xapi.VDI.destroy(snapshot)
    assert int(client.xapi.SR.get_physical_utilisation(sr)) > 4 * MIB
    client.wait(lambda: int(client.xapi.SR.get_physical_utilisation(sr)), lambda size: size == 0)
    assert bases(client, sr) == []


def test_disk_and_its_only_base_become_one(client: Client) -> None:
    sr = repository(client, 1024 * MIB)
    disk = client.disk(SR=sr)
    upload(client, disk, b"old" * MIB)
    snapshot = client.xapi.VDI.snapshot(disk, {})
    upload(client, disk, b"new")
    client.xapi.VDI.destroy(snapshot)
    client.wait(lambda: chain(client, disk), lambda number: number == 1)
    assert download(client, disk)[:6] == b"newold"
    assert bases(client, sr) == []
    assert used(client, disk) == int(client.xapi.SR.get_physical_utilisation(sr))


def test_chain_of_bases_gets_shorter_when_snapshots_go(client: Client) -> None:
    sr = repository(client, 1024 * MIB)
    disk = client.disk(SR=sr, virtual_size=str(16 * MIB))
    snapshots = []
    for number in range(4):
        upload(client, disk, iter([chunk(number * BLOCK, b"%d" % number), END]), chunked="true")
        snapshots.append(client.xapi.VDI.snapshot(disk, {}))
    assert chain(client, disk) == 5
    content = download(client, snapshots[3])
    for snapshot in snapshots[1:3]:
        client.xapi.VDI.destroy(snapshot)
    client.wait(lambda: chain(client, disk), lambda number: number == 3)
    assert download(client, snapshots[3]) == content
    assert download(client, snapshots[0])[: BLOCK + 1] == b"0" + bytes(BLOCK)


def test_repository_can_keep_its_chains(client: Client) -> None:
    sr = repository(client, 1024 * MIB)
    client.xapi.SR.add_to_other_config(sr, "coalesce", "false")
    disk = client.disk(SR=sr)
    upload(client, disk, b"x")
    snapshot = client.xapi.VDI.snapshot(disk, {})
    other = client.disk(SR=sr)
    client.xapi.VDI.snapshot(other, {})
    client.xapi.VDI.destroy(snapshot)
    lone = client.xapi.VDI.get_sm_config(other)["vhd-parent"]
    for vdi in client.xapi.VDI.get_snapshots(other):
        client.xapi.VDI.destroy(vdi)
    client.xapi.VDI.destroy(other)
    # the base without anybody above it goes, so the collector has been there
    client.wait(lambda: bases(client, sr), lambda found: lone not in found)
    assert chain(client, disk) == 2


def test_thirty_layers_are_enough(client: Client) -> None:
    sr = repository(client, 1024 * MIB)
    disk = client.disk(SR=sr)
    for number in range(29):
        upload(client, disk, b"%d" % number)
        client.xapi.VDI.snapshot(disk, {})
    upload(client, disk, b"last")
    wanted = ["SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""]
    for call in (client.xapi.VDI.snapshot, client.xapi.VDI.clone):
        assert client.error(call, disk, {}) == wanted
