# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changed block tracking: bitmaps of what was really written, chains of logs, destroyed data."""

from __future__ import annotations

import base64
import itertools

import pytest

from .conftest import Client
from .test_disks import END, chunk, upload

MIB, GRAIN = 1024**2, 64 * 1024
SIZE = 8 * MIB
STAMPS = itertools.count(1)


def write(client: Client, disk: str, *grains: int) -> None:
    """Change some pieces of 64 KiB of a disk, each to something that it never was before."""
    data = next(STAMPS).to_bytes(4, "big")
    record = upload(client, disk, iter([*(chunk(grain * GRAIN + 7, data) for grain in grains), END]), chunked="true")
    assert record["status"] == "success"


def changed(client: Client, older: str, newer: str) -> set[int]:
    """Numbers of the pieces that the bitmap names."""
    bits = base64.b64decode(client.xapi.VDI.list_changed_blocks(older, newer))
    assert len(bits) == SIZE // GRAIN // 8
    return {number for number in range(len(bits) * 8) if bits[number // 8] & 0x80 >> number % 8}


def tracked(client: Client) -> str:
    disk = client.disk()
    client.xapi.VDI.enable_cbt(disk)
    return disk


def test_bitmap_tells_what_was_written_between_two_snapshots(client: Client) -> None:
    disk = tracked(client)
    write(client, disk, 0, 3)
    first = client.xapi.VDI.snapshot(disk, {})
    write(client, disk, 1, 40, 127)
    second = client.xapi.VDI.snapshot(disk, {})
    write(client, disk, 2)
    assert changed(client, first, second) == {1, 40, 127}
    assert changed(client, first, disk) == {1, 2, 40, 127}
    assert changed(client, second, disk) == {2}


def test_snapshots_of_a_tracked_disk_are_tracked_and_clones_are_not(client: Client) -> None:
    disk = tracked(client)
    copies = [client.xapi.VDI.snapshot(disk, {}), client.xapi.VDI.clone(disk, {})]
    assert [client.xapi.VDI.get_cbt_enabled(vdi) for vdi in copies] == [True, False]


def test_clone_in_between_hides_no_change(client: Client) -> None:
    disk = tracked(client)
    first = client.xapi.VDI.snapshot(disk, {})
    write(client, disk, 5)
    client.xapi.VDI.clone(disk, {})
    write(client, disk, 6)
    assert changed(client, first, client.xapi.VDI.snapshot(disk, {})) == {5, 6}


def test_destroyed_data_leaves_the_log(client: Client) -> None:
    disk = tracked(client)
    first = client.xapi.VDI.snapshot(disk, {})
    write(client, disk, 9)
    second = client.xapi.VDI.snapshot(disk, {})
    client.xapi.VDI.data_destroy(first)
    client.xapi.VDI.data_destroy(first)
    record = client.xapi.VDI.get_record(first)
    assert (record["type"], record["cbt_enabled"], record["managed"]) == ("cbt_metadata", True, True)
    client.xapi.SR.scan(client.sr)
    assert changed(client, first, second) == {9}
    assert client.error(client.xapi.VDI.clone, first, {}) == ["VDI_INCOMPATIBLE_TYPE", first, "CBT metadata"]


def test_destroyed_snapshot_hands_its_changes_on(client: Client) -> None:
    disk = tracked(client)
    snapshots = []
    for grain in range(3):
        write(client, disk, grain)
        snapshots.append(client.xapi.VDI.snapshot(disk, {}))
    client.xapi.VDI.destroy(snapshots[1])
    assert changed(client, snapshots[0], snapshots[2]) == {1, 2}


def test_unrelated_disks_cannot_be_compared(client: Client) -> None:
    disk, other = tracked(client), tracked(client)
    text = "Failed to calculate changed blocks for given VDIs. [opterr={}]"
    for older, newer, reason in (
        (disk, other, "Source and target VDI are unrelated"),
        (client.disk(), disk, "Source and target VDI are unrelated"),
        (disk, disk, "Source and target VDI are same"),
    ):
        wanted = ["SR_BACKEND_FAILURE_460", "", text.format(reason), ""]
        assert client.error(client.xapi.VDI.list_changed_blocks, older, newer) == wanted


def test_chain_ends_where_tracking_was_off(client: Client) -> None:
    disk = tracked(client)
    first = client.xapi.VDI.snapshot(disk, {})
    client.xapi.VDI.disable_cbt(disk)
    client.xapi.VDI.enable_cbt(disk)
    second = client.xapi.VDI.snapshot(disk, {})
    assert client.error(client.xapi.VDI.list_changed_blocks, first, second)[0] == "SR_BACKEND_FAILURE_460"


def test_what_is_refused(client: Client) -> None:
    disk = tracked(client)
    snapshot = client.xapi.VDI.snapshot(disk, {})
    xapi = client.xapi.VDI
    assert client.error(xapi.enable_cbt, snapshot) == ["OPERATION_NOT_ALLOWED", f"VDI is a snapshot: {snapshot}"]
    assert client.error(xapi.set_on_boot, disk, "reset") == ["VDI_CBT_ENABLED", disk]
    assert client.error(xapi.data_destroy, disk) == ["OPERATION_NOT_ALLOWED", f"VDI is not a snapshot: {disk}"]
    untracked = xapi.snapshot(client.disk(), {})
    assert client.error(xapi.data_destroy, untracked) == ["VDI_NO_CBT_METADATA", untracked]
    metadata = client.disk(type="metadata")
    assert client.error(xapi.enable_cbt, metadata) == ["VDI_INCOMPATIBLE_TYPE", metadata, "Metadata"]


def test_disk_with_a_vbd_keeps_its_data(client: Client) -> None:
    snapshot = client.xapi.VDI.snapshot(tracked(client), {})
    vbd = client.attach(client.vm(), snapshot, mode="RO")
    assert client.error(client.xapi.VDI.data_destroy, snapshot) == ["VDI_IN_USE", snapshot, "data_destroy"]
    assert client.xapi.VDI.get_type(snapshot) == "user"
    client.xapi.VBD.destroy(vbd)
    client.xapi.VDI.data_destroy(snapshot)


@pytest.mark.parametrize("mode", ["RO", "RW"])
def test_attached_disk_tells_no_changes(client: Client, mode: str) -> None:
    disk = tracked(client)
    first = client.xapi.VDI.snapshot(disk, {})
    vm = client.vm()
    client.attach(vm, disk, mode=mode)
    client.start(vm)
    wanted = ["VDI_IN_USE", disk, "list_changed_blocks"]
    assert client.error(client.xapi.VDI.list_changed_blocks, first, disk) == wanted
