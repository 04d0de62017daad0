# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories: made, forgotten and found again, scanned; disks that come back; what is refused, and in which order."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab

from .conftest import Client, connect
from .test_disks import download, upload

GIB, MIB = 1024**3, 1024**2
DEAD = "OpaqueRef:00000000-0000-0000-0000-00000000dead"


def repository(client: Client, kind: str = "ext", shared: bool = False) -> str:
    return str(client.xapi.SR.create(client.host, {}, str(10 * GIB), "made", "", kind, "user", shared, {}))


def unplug(client: Client, sr: str) -> list[str]:
    pbds: list[str] = client.xapi.SR.get_PBDs(sr)
    for pbd in pbds:
        client.xapi.PBD.unplug(pbd)
    return pbds


# ---- made and unmade


@pytest.mark.parametrize("kind", ["ext", "nfs", "file", "smb", "lvm", "lvmoiscsi", "lvmohba"])
def test_repository_of_every_kind_holds_disks(client: Client, kind: str) -> None:
    sr = repository(client, kind.upper())
    record = client.xapi.SR.get_record(sr)
    assert (record["type"], record["physical_size"], record["physical_utilisation"]) == (kind, str(10 * GIB), "0")
    disk = client.disk(SR=sr)
    upload(client, disk, b"content")
    copy = client.xapi.VDI.copy(client.xapi.VDI.clone(disk, {}), client.sr)
    assert download(client, copy)[:7] == b"content"
    assert client.xapi.SR.get_virtual_allocation(sr) == str(2 * 8 * MIB)


def test_calls_that_do_not_look_whether_the_object_exists(client: Client) -> None:
    assert client.xapi.SR.get_live_hosts(DEAD) == []
    assert client.xapi.VDI.read_database_pool_uuid(DEAD) == ""
    for name in ("set_physical_size", "set_physical_utilisation", "set_virtual_allocation"):
        assert client.error(getattr(client.xapi.SR, name), DEAD, "1") == ["PERMISSION_DENIED", ""]


def test_uuid_is_given_once(client: Client) -> None:
    sr_uuid, disk_uuid = client.xapi.SR.get_uuid(client.sr), client.xapi.VDI.get_uuid(client.disk())
    assert client.error(client.xapi.SR.introduce, sr_uuid, "", "", "ext", "", False, {}) == ["SR_UUID_EXISTS", sr_uuid]
    fields = (disk_uuid, "", "", client.sr, "user", False, False, {}, "elsewhere")
    error = ["DB_UNIQUENESS_CONSTRAINT_VIOLATION", "VDI", "uuid", disk_uuid]
    assert client.error(client.xapi.VDI.pool_introduce, *fields) == error


def test_disc_repository_takes_discs_and_branches_none(client: Client) -> None:
    [sr] = client.xapi.SR.get_by_name_label("ISO images")
    assert {"vdi_create", "vdi_destroy"} <= set(client.xapi.SR.get_allowed_operations(sr))
    disc = client.disk(SR=sr, name_label="new.iso", read_only=True)
    record = client.xapi.VDI.get_record(disc)
    assert (record["location"], record["read_only"]) == (f"{record['uuid']}.img", True)
    assert sorted(record["allowed_operations"]) == ["copy", "destroy", "forget"]
    for call in (client.xapi.VDI.clone, client.xapi.VDI.snapshot):
        assert client.error(call, disc, {}) == ["SR_OPERATION_NOT_SUPPORTED", sr]
    client.xapi.SR.scan(sr)
    assert client.xapi.VDI.get_record(disc) == record
    client.xapi.VDI.destroy(disc)


def test_destroyed_only_when_empty_and_unplugged(client: Client) -> None:
    sr = repository(client)
    disk = client.disk(SR=sr)
    assert client.error(client.xapi.SR.destroy, sr) == ["SR_HAS_PBD", sr]
    [pbd] = unplug(client, sr)
    assert client.error(client.xapi.SR.destroy, sr) == ["SR_NOT_EMPTY"]
    client.xapi.PBD.plug(pbd)
    client.xapi.VDI.destroy(disk)
    unplug(client, sr)
    assert "destroy" in client.xapi.SR.get_allowed_operations(sr)
    client.xapi.SR.add_to_other_config(sr, "indestructible", "true")
    assert client.error(client.xapi.SR.destroy, sr) == ["SR_INDESTRUCTIBLE", sr]
    client.xapi.SR.remove_from_other_config(sr, "indestructible")
    client.xapi.SR.destroy(sr)
    assert client.error(client.xapi.PBD.get_uuid, pbd)[0] == "HANDLE_INVALID"


def test_forgotten_disk_keeps_its_repository_from_being_destroyed(client: Client) -> None:
    sr = repository(client)
    client.xapi.VDI.forget(client.disk(SR=sr))
    unplug(client, sr)
    assert client.error(client.xapi.SR.destroy, sr) == ["SR_NOT_EMPTY"]


@pytest.mark.parametrize(("kind", "label"), [("ext", ""), ("lvm", "kept")])
def test_forgotten_repository_is_found_again_with_its_disks(client: Client, kind: str, label: str) -> None:
    sr = repository(client, kind)
    disk = client.disk(SR=sr, name_label="kept")
    upload(client, disk, b"content")
    snapshot = client.xapi.VDI.snapshot(disk, {})
    uuids = {client.xapi.VDI.get_uuid(vdi) for vdi in (disk, snapshot)}
    sr_uuid, used = client.xapi.SR.get_uuid(sr), client.xapi.SR.get_physical_utilisation(sr)
    unplug(client, sr)
    client.xapi.SR.forget(sr)
    again = client.xapi.SR.introduce(sr_uuid, "again", "", kind, "user", False, {})
    assert client.xapi.SR.get_physical_size(again) == "-1"
    pbd = client.xapi.PBD.create({"host": client.host, "SR": again, "device_config": {}})
    client.xapi.PBD.plug(pbd)
    found = [client.xapi.VDI.get_record(vdi) for vdi in client.xapi.SR.get_VDIs(again)]
    assert {vdi["uuid"] for vdi in found if vdi["managed"]} == uuids
    assert {vdi["name_label"] for vdi in found if vdi["managed"]} == {label}
    assert client.xapi.SR.get_physical_size(again) == str(10 * GIB)
    assert client.xapi.SR.get_physical_utilisation(again) == used
    assert download(client, client.xapi.VDI.get_by_uuid(sorted(uuids)[0]))[:7] == b"content"


def test_scan_brings_a_forgotten_disk_back_with_its_uuid(client: Client) -> None:
    disk, vm = client.disk(read_only=True, name_label="named"), client.vm()
    uuid = client.xapi.VDI.get_uuid(disk)
    vbd = client.attach(vm, disk, mode="RO")
    client.xapi.VDI.forget(disk)
    assert client.xapi.VBD.get_VDI(vbd) == disk
    client.xapi.SR.scan(client.sr)
    again = client.xapi.VDI.get_record(client.xapi.VDI.get_by_uuid(uuid))
    assert (again["name_label"], again["read_only"], again["virtual_size"]) == ("", False, str(8 * MIB))


@pytest.mark.parametrize("call", ["scan", "update", "set_name_label", "set_name_description"])
def test_what_a_driver_is_asked_resets_read_only(client: Client, call: str) -> None:
    disk = client.disk(read_only=True)
    {
        "scan": lambda: client.xapi.SR.scan(client.sr),
        "update": lambda: client.xapi.VDI.update(disk),
        "set_name_label": lambda: client.xapi.VDI.set_name_label(disk, "x"),
        "set_name_description": lambda: client.xapi.VDI.set_name_description(disk, "x"),
    }[call]()
    assert client.xapi.VDI.get_read_only(disk) is False


# ---- refused


@pytest.mark.parametrize(
    "call",
    [
        lambda client, sr, disk: client.xapi.SR.scan(sr),
        lambda client, sr, disk: client.xapi.SR.update(sr),
        lambda client, sr, disk: client.xapi.SR.set_name_label(sr, "x"),
        lambda client, sr, disk: client.disk(SR=sr),
        lambda client, sr, disk: client.disk(SR=sr, type="cbt_metadata"),
        lambda client, sr, disk: client.xapi.VDI.destroy(disk),
        lambda client, sr, disk: client.xapi.VDI.clone(disk, {}),
        lambda client, sr, disk: client.xapi.VDI.snapshot(disk, {}),
        lambda client, sr, disk: client.xapi.VDI.resize(disk, str(GIB)),
        lambda client, sr, disk: client.xapi.VDI.update(disk),
        lambda client, sr, disk: client.xapi.VDI.set_name_label(disk, "x"),
        lambda client, sr, disk: client.xapi.VDI.set_on_boot(disk, "reset"),
        lambda client, sr, disk: client.xapi.VDI.enable_cbt(disk),
    ],
)  # fmt: skip
def test_unplugged_repository_does_nothing(client: Client, call: object) -> None:
    sr = repository(client)
    disk = client.disk(SR=sr)
    unplug(client, sr)
    assert client.error(call, client, sr, disk) == ["SR_HAS_NO_PBDS", sr]


def test_discs_are_not_changed(client: Client) -> None:
    [sr] = client.xapi.SR.get_by_name_label("ISO images")
    disc = client.xapi.SR.get_VDIs(sr)[0]
    refused = ["SR_OPERATION_NOT_SUPPORTED", sr]
    xapi = client.xapi.VDI
    for call in (xapi.update, xapi.enable_cbt):
        assert client.error(call, disc) == refused
    assert client.error(xapi.resize, disc, str(GIB)) == refused
    assert client.error(xapi.snapshot, disc, {}) == refused
    introduced = ("x", "", "", client.sr, "user", False, False, {}, "x")
    assert client.error(xapi.introduce, *introduced) == ["SR_OPERATION_NOT_SUPPORTED", client.sr]


def test_use_comes_before_plugs_and_management(client: Client) -> None:
    disk, vm = client.disk(), client.vm()
    upload(client, disk, b"x")
    client.xapi.VDI.snapshot(disk, {})
    client.attach(vm, disk)
    client.start(vm)
    base = client.xapi.VDI.get_by_uuid(client.xapi.VDI.get_sm_config(disk)["vhd-parent"])
    for call in (client.xapi.VDI.destroy, client.xapi.VDI.update, client.xapi.VDI.forget, client.xapi.VDI.force_unlock):
        assert client.error(call, disk)[:2] == ["VDI_IN_USE", disk]
    assert client.error(client.xapi.VDI.copy, disk, DEAD) == ["VDI_IN_USE", disk, "copy"]
    for call in (client.xapi.VDI.destroy, client.xapi.VDI.enable_cbt):
        assert client.error(call, base) == ["VDI_NOT_MANAGED", base]
    assert client.error(client.xapi.VDI.clone, base, {}) == ["VDI_NOT_MANAGED", base]
    vbd = client.attach(vm, base, mode="RO", userdevice="5")
    assert client.error(client.xapi.VBD.plug, vbd)[0] == "VM_MISSING_PV_DRIVERS"
    client.xapi.VM.hard_shutdown(vm)
    assert client.error(client.start, vm) == ["VDI_NOT_MANAGED", vbd]


def test_storage_only_calls_look_for_the_disk_first(client: Client) -> None:
    assert client.error(client.xapi.VDI.set_read_only, DEAD, True) == ["HANDLE_INVALID", "VDI", DEAD]
    assert client.error(client.xapi.VDI.set_read_only, client.disk(), True) == ["PERMISSION_DENIED", ""]
    [pbd] = client.xapi.SR.get_PBDs(client.sr)
    assert client.error(client.xapi.PBD.set_device_config, pbd, {}) == ["PERMISSION_DENIED", ""]


def test_replication_needs_a_driver_for_it(client: Client) -> None:
    sr = repository(client, "lvmoiscsi")
    client.xapi.SR.enable_database_replication(sr)
    client.xapi.SR.enable_database_replication(sr)
    [vdi] = client.xapi.SR.get_VDIs(sr)
    assert client.xapi.VDI.get_type(vdi) == "metadata"
    client.xapi.SR.disable_database_replication(sr)
    assert client.xapi.SR.get_VDIs(sr) == []
    refused = ["SR_OPERATION_NOT_SUPPORTED", client.sr]
    assert client.error(client.xapi.SR.enable_database_replication, client.sr) == refused


# ---- links to hosts


def test_second_link_of_a_host_is_refused(client: Client) -> None:
    [pbd] = client.xapi.SR.get_PBDs(client.sr)
    wanted = ["PBD_EXISTS", client.sr, client.host, pbd]
    fields = {"host": client.host, "SR": client.sr, "device_config": {}}
    assert client.error(client.xapi.PBD.create, fields) == wanted
    assert client.error(client.xapi.PBD.create, {**fields, "SR": DEAD}) == ["HANDLE_INVALID", "SR", DEAD]
    key = {"host": DEAD, "SR": client.sr, "device_config": {"SRmaster": "true"}}
    text = "This key is for internal use only"
    assert client.error(client.xapi.PBD.create, key) == ["VALUE_NOT_SUPPORTED", "SRmaster", "true", text]


def test_link_in_use_stays(client: Client) -> None:
    sr, vm = repository(client), client.vm()
    disks = [client.disk(SR=sr) for _number in range(2)]
    for number, disk in enumerate(disks):
        client.attach(vm, disk, userdevice=str(number))
    client.start(vm)
    [pbd] = client.xapi.SR.get_PBDs(sr)
    assert client.error(client.xapi.PBD.unplug, pbd) == ["VDI_IN_USE", *disks]
    assert client.error(client.xapi.PBD.destroy, pbd) == ["OPERATION_NOT_ALLOWED", "PBD is currently attached"]
    client.xapi.VM.hard_shutdown(vm)
    client.xapi.PBD.unplug(pbd)
    client.xapi.PBD.unplug(pbd)
    client.xapi.PBD.destroy(pbd)


def test_link_to_a_host_that_is_not_there(client: Client) -> None:
    sr = repository(client)
    pbd = client.xapi.PBD.create({"host": DEAD, "SR": sr, "device_config": {}, "other_config": {"a": "b"}})
    assert client.error(client.xapi.PBD.plug, pbd) == ["HOST_OFFLINE", DEAD]
    assert client.xapi.PBD.get_other_config(pbd) == {}
    assert client.error(client.xapi.SR.set_shared, sr, False) == ["SR_HAS_MULTIPLE_PBDS", *client.xapi.SR.get_PBDs(sr)]
    client.xapi.PBD.destroy(pbd)


# ---- one at a time


def test_repository_does_one_thing_at_a_time(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.pace(vdi_create=1000.0)
    task = client.xapi.Async.VDI.create({**DISK, "SR": client.sr})
    client.wait(lambda: client.xapi.SR.get_current_operations(client.sr), lambda found: found == {task: "vdi_create"})
    assert not {"vdi_create", "vdi_clone", "scan"} & set(client.xapi.SR.get_allowed_operations(client.sr))
    second = client.xapi.Async.SR.scan(client.sr)
    # another repository is not kept waiting
    [other] = client.xapi.SR.get_by_name_label("Shared storage")
    client.xapi.SR.scan(other)
    assert client.xapi.task.get_status(second) == "pending"
    lab.pace()
    for name in (task, second):
        client.wait(lambda name=name: client.xapi.task.get_status(name), lambda status: status == "success")


def test_failed_operation_lets_go_of_disk_and_repository(client: Client) -> None:
    disk = client.disk()
    client.error(client.xapi.VDI.resize, disk, "1")
    assert client.xapi.VDI.get_current_operations(disk) == {}
    assert client.xapi.SR.get_current_operations(client.sr) == {}


def test_disk_under_copy_is_in_use(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    disk = client.disk()
    lab.pace(copy=1000.0)
    task = client.xapi.Async.VDI.copy(disk, client.sr)
    client.wait(lambda: client.xapi.VDI.get_current_operations(disk), lambda found: found == {task: "copy"})
    other = connect(lab.url)
    assert other.error(other.xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]
    text = "Snapshot operation not allowed during copy."
    assert other.error(other.xapi.VDI.snapshot, disk, {}) == ["OPERATION_NOT_ALLOWED", text]
    other.xapi.VDI.clone(disk, {})
    lab.pace()
    client.wait(lambda: client.xapi.task.get_status(task), lambda status: status == "success")


DISK = {
    "name_label": "disk", "virtual_size": str(8 * MIB), "type": "user", "sharable": False, "read_only": False,
    "other_config": {},
}  # fmt: skip
