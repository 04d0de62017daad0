# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks on volume groups: XenServer's formulas, thick and thin."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab

from .conftest import Client
from .test_disks import upload

MIB, GIB = 1024**2, 1024**3
#: An empty leaf, and a disk of 1 GiB with room for all of it.
EMPTY, FULL = 8 * MIB, 1082130432


def group(client: Client, kind: str = "lvm", **config: str) -> str:
    """A volume group of 100 GiB on the coordinator."""
    arguments = (client.host, config, str(100 * GIB), "volume group", "", kind, "user", False, {})
    return str(client.xapi.SR.create(*arguments))


def taken(client: Client, vdi: str) -> int:
    return int(client.xapi.VDI.get_physical_utilisation(vdi))


@pytest.mark.parametrize("kind", ["lvm", "lvmoiscsi", "lvmohba"])
@pytest.mark.parametrize(("size", "wanted"), [(GIB, FULL), (20 * GIB, 21525168128), (2 * MIB, EMPTY)])
def test_thick_disk_takes_its_size_and_the_overhead(client: Client, kind: str, size: int, wanted: int) -> None:
    disk = client.disk(SR=group(client, kind), virtual_size=str(size))
    assert taken(client, disk) == wanted


def test_thick_snapshot_is_small_and_its_disk_full(client: Client) -> None:
    sr = group(client)
    disk = client.disk(SR=sr, virtual_size=str(GIB))
    upload(client, disk, b"x" * 10 * MIB)
    snapshot = client.xapi.VDI.snapshot(disk, {})
    base = client.xapi.VDI.get_by_uuid(client.xapi.VDI.get_sm_config(disk)["vhd-parent"])
    assert [taken(client, vdi) for vdi in (disk, snapshot)] == [FULL, EMPTY]
    # five blocks with their bitmaps and the metadata, in extents of 4 MiB
    assert taken(client, base) == 16 * MIB
    assert int(client.xapi.SR.get_physical_utilisation(sr)) == FULL + EMPTY + 16 * MIB


def test_thick_clone_and_its_source_are_full(client: Client) -> None:
    disk = client.disk(SR=group(client), virtual_size=str(GIB))
    upload(client, disk, b"x" * MIB)
    clone = client.xapi.VDI.clone(disk, {})
    assert [taken(client, vdi) for vdi in (disk, clone)] == [FULL, FULL]


def test_clone_of_a_snapshot_is_full_and_the_snapshot_stays_small(client: Client) -> None:
    disk = client.disk(SR=group(client), virtual_size=str(GIB))
    snapshot = client.xapi.VDI.snapshot(disk, {})
    clone = client.xapi.VDI.clone(snapshot, {})
    assert [taken(client, vdi) for vdi in (snapshot, clone)] == [EMPTY, FULL]


def test_reading_a_snapshot_does_not_inflate_it(client: Client) -> None:
    disk = client.disk(SR=group(client), virtual_size=str(GIB))
    snapshot = client.xapi.VDI.snapshot(disk, {})
    vm = client.vm()
    client.attach(vm, snapshot, mode="RO")
    client.start(vm)
    client.xapi.SR.scan(client.xapi.VDI.get_SR(snapshot))
    assert taken(client, snapshot) == EMPTY


@pytest.mark.parametrize("mode", ["RO", "RW"])
def test_thin_disk_is_inflated_while_it_is_written_to(client: Client, mode: str) -> None:
    sr = group(client, allocation="thin")
    disk, vm = client.disk(SR=sr, virtual_size=str(GIB)), client.vm()
    assert taken(client, disk) == EMPTY
    client.attach(vm, disk, mode=mode)
    client.start(vm)
    client.wait(lambda: taken(client, disk), lambda size: size == (FULL if mode == "RW" else EMPTY))
    client.xapi.VM.hard_shutdown(vm)
    client.wait(lambda: taken(client, disk), lambda size: size == EMPTY)


def test_group_without_room_refuses_what_it_cannot_hold(client: Client) -> None:
    arguments = (client.host, {}, str(3 * GIB), "small group", "", "lvm", "user", False, {})
    sr = client.xapi.SR.create(*arguments)
    full = ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]
    disk = client.disk(SR=sr, virtual_size=str(GIB))
    assert client.error(lambda: client.disk(SR=sr, virtual_size=str(2 * GIB))) == full
    assert client.error(client.xapi.VDI.resize, disk, str(3 * GIB)) == full
    client.xapi.VDI.snapshot(disk, {})
    clone = client.xapi.VDI.clone(disk, {})
    assert client.error(client.xapi.VDI.clone, disk, {}) == full
    assert client.error(client.xapi.VDI.copy, disk, sr) == full
    client.xapi.VDI.destroy(clone)
    client.xapi.VDI.clone(disk, {})


def test_thin_disk_without_room_to_grow_is_not_attached(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    sr = group(client, allocation="thin")
    vm = client.vm()
    client.attach(vm, client.disk(SR=sr, virtual_size=str(GIB)))
    lab.fill(client.xapi.SR.get_uuid(sr), free=100 * MIB)
    assert client.error(client.start, vm)[0] == "SR_BACKEND_FAILURE_180"
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    lab.fill(client.xapi.SR.get_uuid(sr), free=None)
    client.start(vm)
