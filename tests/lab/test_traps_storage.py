# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What surprises people about XAPI's disks, one test each: traps 1 to 6, 10, 18, 20, 21, 23, 24, 26, 30 and 31."""

from __future__ import annotations

from typing import Any

from .conftest import PV, Client

LAB = ("--agent",)
MIB, GIB = 1024**2, 1024**3


def is_gone(client: Client, cls: str, ref: str) -> bool:
    return client.error(getattr(client.xapi, cls).get_uuid, ref)[0] == "HANDLE_INVALID"


def start_with_agent(client: Client, vm: str) -> None:
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != "OpaqueRef:NULL")


def other_repository(client: Client) -> str:
    """One for disks that is not the default one."""
    records = client.xapi.SR.get_all_records()
    return next(ref for ref, sr in records.items() if sr["content_type"] == "user" and ref != client.sr)


def test_trap_01_hot_plug_of_a_read_only_disk_is_refused_but_not_its_start(client: Client) -> None:
    vm = client.vm()
    start_with_agent(client, vm)
    vbd = client.attach(vm, client.disk(), mode="RO")
    assert client.error(client.xapi.VBD.plug, vbd) == ["DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd]
    client.xapi.VM.hard_shutdown(vm)
    client.start(vm)
    assert client.xapi.VBD.get_currently_attached(vbd)


def test_trap_02_read_only_sharing_needs_no_sharable_and_sharable_forbids_snapshots(client: Client) -> None:
    master, vms = client.disk(), [client.vm() for _ in range(3)]
    for vm in vms:
        client.attach(vm, master, mode="RO")
        client.start(vm)
    assert [client.xapi.VM.get_power_state(vm) for vm in vms] == ["Running"] * 3
    vm, sharable = client.vm(), client.disk(sharable=True)
    client.attach(vm, sharable)
    assert client.error(client.xapi.VM.snapshot, vm, "snapshot", []) == ["VDI_IS_SHARABLE", sharable]


def test_trap_03_scan_overwrites_read_only(client: Client) -> None:
    vdi = client.disk(read_only=True)
    assert client.xapi.VDI.get_read_only(vdi)
    client.xapi.SR.scan(client.sr)
    assert not client.xapi.VDI.get_read_only(vdi)


def test_trap_04_destroying_a_disk_removes_it_from_halted_vms(client: Client) -> None:
    vdi, vm = client.disk(), client.vm()
    vbd = client.attach(vm, vdi, mode="RO")
    client.xapi.VDI.destroy(vdi)
    assert client.xapi.VM.get_VBDs(vm) == []
    assert is_gone(client, "VBD", vbd)


def test_trap_05_destroying_a_vm_leaves_its_disks(client: Client) -> None:
    vdi, vm = client.disk(), client.vm()
    client.attach(vm, vdi)
    client.xapi.VM.destroy(vm)
    assert client.xapi.VDI.get_VBDs(vdi) == []


def test_trap_06_clone_of_a_vm_clones_the_shared_read_only_disk_too(client: Client) -> None:
    master, vm = client.disk(), client.vm()
    client.attach(vm, master, mode="RO")
    [vbd] = client.xapi.VM.get_VBDs(client.xapi.VM.clone(vm, "clone"))
    record = client.xapi.VBD.get_record(vbd)
    assert record["VDI"] != master and record["mode"] == "RO"


def test_trap_10_upload_that_is_too_short_succeeds_and_leaves_the_rest(client: Client) -> None:
    vdi = client.disk()
    client.upload(vdi, b"a" * MIB)
    assert client.upload(vdi, b"b" * 10)["status"] == "success"
    assert client.content(vdi) == b"b" * 10 + b"a" * (MIB - 10)


def test_trap_18_disk_in_use_is_told_with_one_or_two_parameters(client: Client) -> None:
    """The check of VBDs gives the disk alone, that of disks the operation as well."""
    vdi, writer, second = client.disk(), client.vm(), client.vm()
    for vm in (writer, second):
        client.attach(vm, vdi)
    client.start(writer)
    assert client.error(client.xapi.VM.start, second, False, False) == ["VDI_IN_USE", vdi]
    assert client.error(client.xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]


def test_trap_20_sizes_are_rounded_up_to_blocks_of_two_mebibytes(client: Client) -> None:
    sizes = [1, 2 * MIB, 2 * MIB + 1, 10 * MIB + 512]
    found = [int(client.xapi.VDI.get_virtual_size(client.disk(virtual_size=str(size)))) for size in sizes]
    assert found == [2 * MIB, 2 * MIB, 4 * MIB, 12 * MIB]


def test_trap_21_clone_on_thick_lvm_costs_the_full_size_a_snapshot_does_not(client: Client) -> None:
    config = {"device": "/dev/sdb"}
    sr = client.xapi.SR.create(client.host, config, str(100 * GIB), "thick", "", "lvm", "user", False, {})
    vdi, overhead = client.disk(SR=sr, virtual_size=str(GIB)), 8 * MIB
    full = GIB + overhead
    assert int(client.xapi.VDI.get_physical_utilisation(vdi)) == full
    clone, snapshot = client.xapi.VDI.clone(vdi, {}), client.xapi.VDI.snapshot(vdi, {})
    assert int(client.xapi.VDI.get_physical_utilisation(clone)) == full
    assert int(client.xapi.VDI.get_physical_utilisation(snapshot)) == 8 * MIB


def test_trap_23_autodetect_takes_the_first_free_position_and_names_come_with_the_first_start(client: Client) -> None:
    vm = client.vm()
    client.attach(vm, "OpaqueRef:NULL", userdevice="3", type="CD", mode="RO", empty=True)
    vbds = [client.attach(vm, client.disk(), userdevice="autodetect") for _ in range(4)]
    assert [client.xapi.VBD.get_userdevice(vbd) for vbd in vbds] == ["0", "1", "2", "4"]
    assert {client.xapi.VBD.get_device(vbd) for vbd in vbds} == {""}
    client.start(vm)
    assert [client.xapi.VBD.get_device(vbd) for vbd in vbds] == ["xvda", "xvdb", "xvdc", "xvde"]
    client.xapi.VM.hard_shutdown(vm)
    assert client.xapi.VBD.get_device(vbds[0]) == "xvda"


def migrate(client: Client, vm: str, places: dict[str, str]) -> None:
    dest = client.xapi.host.migrate_receive(client.host, client.network, {})
    client.xapi.VM.migrate_send(vm, dest, True, places, {}, {})


def test_trap_24_migration_destroys_the_shared_disk_with_the_vbds_of_halted_vms(client: Client) -> None:
    master, mover, other = client.disk(), client.vm(**PV), client.vm(**PV)
    vbd, lost = client.attach(mover, master, mode="RO"), client.attach(other, master, mode="RO")
    migrate(client, mover, {master: other_repository(client)})
    assert is_gone(client, "VDI", master) and is_gone(client, "VBD", lost)
    assert client.xapi.VBD.get_VDI(vbd) != master


def test_trap_24_migration_of_a_shared_disk_that_others_read_fails_at_its_end(client: Client) -> None:
    master, mover, other = client.disk(), client.vm(**PV), client.vm(**PV)
    vbds = [client.attach(vm, master, mode="RO") for vm in (mover, other)]
    for vm in (mover, other):
        client.start(vm)
    error = client.error(migrate, client, mover, {master: other_repository(client)})
    assert error == ["VDI_IN_USE", master, "destroy"]
    assert client.xapi.VBD.get_VDI(vbds[1]) == master
    assert client.xapi.VBD.get_VDI(vbds[0]) != master


def test_trap_24_nothing_happens_to_a_disk_that_is_mapped_to_where_it_is(client: Client) -> None:
    master, mover = client.disk(), client.vm(**PV)
    vbd = client.attach(mover, master, mode="RO")
    migrate(client, mover, {master: client.sr})
    assert client.xapi.VBD.get_VDI(vbd) == master


def test_trap_26_suspended_vms_do_not_count_for_other_vms_but_do_for_the_disk(client: Client) -> None:
    vdi, sleeper, second = client.disk(), client.vm(**PV), client.vm(**PV)
    for vm in (sleeper, second):
        client.attach(vm, vdi)
    client.start(sleeper)
    client.xapi.VM.suspend(sleeper)
    assert client.error(client.xapi.VDI.resize, vdi, str(GIB)) == ["VDI_IN_USE", vdi, "resize"]
    client.start(second)
    assert client.xapi.VM.get_power_state(second) == "Running"


def test_trap_30_naming_a_disk_asks_the_storage_manager(client: Client) -> None:
    """So it needs a plugged PBD, and read_only is what the driver thinks of it afterwards."""
    vdi = client.disk(read_only=True)
    client.xapi.VDI.set_name_label(vdi, "new")
    assert not client.xapi.VDI.get_read_only(vdi)
    sr = client.xapi.SR.create(client.host, {}, str(GIB), "unplugged", "", "ext", "user", False, {})
    vdi = client.disk(SR=sr)
    for pbd in client.xapi.SR.get_PBDs(sr):
        client.xapi.PBD.unplug(pbd)
    assert client.error(client.xapi.VDI.set_name_label, vdi, "newer")[0] == "SR_HAS_NO_PBDS"


def test_trap_31_uploads_and_copies_are_exempt_from_the_sharing_check(client: Client) -> None:
    """They go through the control domain, so a disk that a running VM writes can be overwritten all the same."""
    vdi, vm = client.disk(), client.vm()
    client.attach(vm, vdi)
    client.start(vm)
    record: dict[str, Any] = client.upload(vdi, b"overwritten")
    assert record["status"] == "success"
    assert client.content(vdi) == b"overwritten"
