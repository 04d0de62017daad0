# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of VBDs: which names there are, which of them mean the same, and which are free."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client
from .test_vbd import CD, HVM, PV


@pytest.mark.parametrize(
    "name",
    ["xvdb", "xvdb1", "hdb2", "sda", "sda1", "fda", "d5", "d5p1", "xvdaa", "05", "0b101", "0o17", "1_0", "-0", "999"],
)  # fmt: skip
def test_names_that_are_devices(client: Client, name: str) -> None:
    vbd = client.attach(client.vm(), client.disk(), userdevice=name)
    assert client.xapi.VBD.get_userdevice(vbd) == name


@pytest.mark.parametrize("name", ["", "x", "d", "d1p", "XVDB", "xvdb-", "hda1x", " 8", "1.5", "99999999999999999999"])
def test_names_that_are_none(client: Client, name: str) -> None:
    vm, disk = client.vm(), client.disk()
    assert client.error(lambda: client.attach(vm, disk, userdevice=name)) == ["INVALID_DEVICE", name]


@pytest.mark.parametrize(
    ("kind", "there", "clashing", "others"),
    [
        (HVM, "1", ("hdb", "xvdb", "d1", "0x1"), ("sdb", "xvdb1", "fdb")),
        (HVM, "xvdb", ("1", "01"), ("hdb",)),
        (HVM, "5", ("xvdf", "d5"), ("hdf",)),
        (PV, "hdb", ("1",), ("xvdb",)),
    ],
)
def test_names_that_mean_the_same(
    client: Client, kind: dict[str, Any], there: str, clashing: tuple[str, ...], others: tuple[str, ...]
) -> None:
    vm, disk = client.vm(**kind), client.disk()
    client.attach(vm, disk, userdevice=there)
    for name in clashing:
        assert client.error(lambda name=name: client.attach(vm, disk, userdevice=name)) == [
            "DEVICE_ALREADY_EXISTS",
            name,
        ]
    for name in others:
        client.attach(vm, disk, userdevice=name)


@pytest.mark.parametrize(
    ("kind", "taken", "first_free"),
    [
        (HVM, "hda", "1"), (HVM, "xvda", "0"), (HVM, "sda", "0"), (PV, "xvda", "1"), (PV, "hda", "0"), (PV, "0", "1"),
    ],
)  # fmt: skip
def test_first_free_device(client: Client, kind: dict[str, Any], taken: str, first_free: str) -> None:
    vm = client.vm(**kind)
    client.attach(vm, client.disk(), userdevice=taken)
    assert min(client.xapi.VM.get_allowed_VBD_devices(vm), key=int) == first_free


def test_floppy_drives_are_of_guests_with_emulated_devices(client: Client) -> None:
    floppy = {**CD, "type": "Floppy", "mode": "RW", "empty": False, "userdevice": "autodetect"}
    disk = client.disk()
    assert client.xapi.VBD.get_userdevice(client.attach(client.vm(), disk, **floppy)) == "0"
    guest = client.vm(**PV)
    assert client.error(lambda: client.attach(guest, disk, **floppy)) == ["INVALID_DEVICE", "autodetect"]


def test_control_domain_gets_a_disk_under_the_storage_managers_path(client: Client) -> None:
    disk = client.disk()
    vbd = client.attach(client.xapi.host.get_control_domain(client.host), disk, userdevice="autodetect")
    client.xapi.VBD.plug(vbd)
    path = f"sm/backend/{client.xapi.SR.get_uuid(client.sr)}/{client.xapi.VDI.get_uuid(disk)}"
    assert client.xapi.VBD.get_device(vbd) == path
    assert client.error(client.xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]
    client.xapi.VBD.unplug(vbd)
    assert client.xapi.VBD.get_currently_attached(vbd) is False
    client.xapi.VBD.destroy(vbd)
    assert client.xapi.VDI.get_VBDs(disk) == []
