# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VMs that move together with their storage, inside a pool and between pools."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import Lab, new_lab

from .conftest import PV, Client, connect

NULL = "OpaqueRef:NULL"
CBT, ON_BOOT = "VDI_CBT_ENABLED", "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with new_lab("--hosts", "2", "--pools", "2") as lab:
        yield lab


@pytest.fixture
def here(lab: Lab) -> Client:
    return connect(lab.url)


@pytest.fixture
def there(lab: Lab) -> Client:
    parts = urllib.parse.urlsplit(lab.url)
    return connect(f"http://127.0.1.1:{parts.port}")


def receive(pool: Client, host: str) -> dict[str, str]:
    answer: dict[str, str] = pool.xapi.host.migrate_receive(host, pool.network, {})
    return answer


def member(pool: Client) -> str:
    return next(ref for ref in pool.xapi.host.get_all() if ref != pool.host)


def local_repository(pool: Client, host: str) -> str:
    pbds = [pool.xapi.PBD.get_record(pbd) for pbd in pool.xapi.host.get_PBDs(host)]
    return next(str(pbd["SR"]) for pbd in pbds if not pool.xapi.SR.get_shared(pbd["SR"]))


def send(pool: Client, vm: str, dest: dict[str, str], disks: dict[str, str], **more: Any) -> str:
    answer = pool.xapi.VM.migrate_send(vm, dest, True, disks, more.get("vifs", {}), more.get("options", {}))
    return str(answer)


# ---- inside a pool


@pytest.mark.parametrize("state", ["Halted", "Running"])
def test_disk_goes_to_local_storage_of_another_host(here: Client, state: str) -> None:
    vm, disk, target = here.vm(**PV), here.disk(name_label="old"), member(here)
    here.upload(disk, b"content")
    vbd, sr = here.attach(vm, disk), local_repository(here, target)
    if state == "Running":
        here.xapi.VM.start_on(vm, here.host, False, False)
    uuid = here.xapi.VM.get_uuid(vm)
    assert send(here, vm, receive(here, target), {disk: sr}) == vm
    record = here.xapi.VM.get_record(vm)
    assert (record["uuid"], record["power_state"], record["current_operations"]) == (uuid, state, {})
    assert record["resident_on"] == (target if state == "Running" else NULL)
    new = here.xapi.VBD.get_VDI(vbd)
    assert new != disk and here.xapi.VDI.get_SR(new) == sr
    assert (here.xapi.VDI.get_name_label(new), here.xapi.VDI.get_VBDs(new)) == ("old", [vbd])
    assert here.error(here.xapi.VDI.get_uuid, disk)[0] == "HANDLE_INVALID"
    if state == "Running":
        here.xapi.VM.hard_shutdown(vm)
    assert here.content(new) == b"content"


def test_disk_that_stays_is_not_touched(here: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    vbd = here.attach(vm, disk)
    here.xapi.VM.start_on(vm, here.host, False, False)
    send(here, vm, receive(here, member(here)), {disk: here.sr})
    assert here.xapi.VBD.get_VDI(vbd) == disk
    assert here.xapi.VM.get_resident_on(vm) == member(here)


def test_snapshots_move_along(here: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    vbd = here.attach(vm, disk)
    here.upload(disk, b"before")
    snapshot = here.xapi.VM.snapshot(vm, "snapshot", [])
    here.upload(disk, b"after!")
    old = here.xapi.VBD.get_VDI(here.xapi.VM.get_VBDs(snapshot)[0])
    sr = local_repository(here, here.host)
    send(here, vm, receive(here, here.host), {disk: sr})
    new = here.xapi.VBD.get_VDI(here.xapi.VM.get_VBDs(snapshot)[0])
    record = here.xapi.VDI.get_record(new)
    assert new != old and record["SR"] == sr
    assert record["is_a_snapshot"] and record["snapshot_of"] == here.xapi.VBD.get_VDI(vbd)
    assert (here.content(new), here.content(here.xapi.VBD.get_VDI(vbd))) == (b"before", b"after!")
    assert here.error(here.xapi.VDI.get_uuid, old)[0] == "HANDLE_INVALID"


def test_disc_is_ejected_unless_it_is_mapped_to_where_it_is(here: Client) -> None:
    [iso, *_] = here.xapi.VDI.get_by_name_label("blank-1.iso")
    vm = here.vm(**PV)
    vbd = here.attach(vm, iso, mode="RO", type="CD", userdevice="3")
    send(here, vm, receive(here, here.host), {iso: here.xapi.VDI.get_SR(iso)})
    assert here.xapi.VBD.get_VDI(vbd) == iso
    send(here, vm, receive(here, here.host), {})
    assert here.xapi.VBD.get_empty(vbd)


def test_progress_and_result_are_in_the_task(here: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    here.attach(vm, disk)
    dest, places = receive(here, here.host), {disk: local_repository(here, here.host)}
    task = here.xapi.Async.VM.migrate_send(vm, dest, True, places, {}, {})
    record = here.ended(task)
    assert (record["status"], record["result"], record["progress"]) == ("success", f"<value>{vm}</value>", 1.0)


def test_destination_must_be_an_answer_of_migrate_receive(here: Client) -> None:
    vm = here.vm(**PV)
    assert here.error(send, here, vm, {}, {}) == ["INTERNAL_ERROR", "Not_found"]
    dest = receive(here, here.host)
    assert here.error(send, here, vm, {**dest, "master": "nonsense"}, {}) == [
        "INTERNAL_ERROR",
        'Failure("Cannot extract foreign IP address from: nonsense")',
    ]
    # the SDK would log in anew, and ask again
    json = connect(here.url, wire="json")
    assert json.error(send, json, vm, {**dest, "session_id": "OpaqueRef:x"}, {}) == ["SESSION_INVALID", "OpaqueRef:x"]


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda pool, vm, disk: pool.xapi.VM.start(vm, True, False), "VM_BAD_POWER_STATE"),
        (lambda pool, vm, disk: pool.xapi.VM.set_is_a_template(vm, True), None),
        (lambda pool, vm, disk: pool.xapi.VM.set_blocked_operations(vm, {"migrate_send": "no"}), "OPERATION_BLOCKED"),
        (lambda pool, vm, disk: pool.attach(vm, pool.disk(), userdevice="1"), "VDI_NOT_IN_MAP"),
        (lambda pool, vm, disk: pool.xapi.VDI.set_on_boot(disk, "reset"), ON_BOOT),
        (lambda pool, vm, disk: pool.xapi.VDI.enable_cbt(disk), CBT),
        (lambda pool, vm, disk: pool.nic(vm), None),
    ],
)
def test_what_refuses_a_migration(here: Client, prepare: Any, code: str | None) -> None:
    vm, disk = here.vm(**PV), here.disk()
    here.attach(vm, disk)
    prepare(here, vm, disk)
    dest, places = receive(here, here.host), {disk: local_repository(here, here.host)}
    if code is None:
        assert send(here, vm, dest, places) == vm
    else:
        assert here.error(send, here, vm, dest, places)[0] == code
        assert here.xapi.VDI.get_SR(disk) == here.sr
    assert here.xapi.VM.get_current_operations(vm) == {}


def test_repository_whose_driver_cannot_mirror_is_refused(here: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    here.attach(vm, disk)
    isos = here.xapi.SR.get_by_name_label("ISO images")[0]
    dest = receive(here, here.host)
    error = here.error(here.xapi.VM.assert_can_migrate, vm, dest, True, {disk: isos}, {}, {})
    assert error[:2] == ["SR_DOES_NOT_SUPPORT_MIGRATION", isos]


def test_networks_cannot_be_mapped_inside_a_pool(here: Client) -> None:
    vm = here.vm(**PV)
    vifs = {here.nic(vm): here.network}
    error = here.error(send, here, vm, receive(here, here.host), {}, vifs=vifs)
    assert error == ["OPERATION_NOT_ALLOWED", "VIF mapping is not allowed for intra-pool migration"]


def test_copy_inside_a_pool_is_refused(here: Client) -> None:
    error = here.error(send, here, here.vm(**PV), receive(here, here.host), {}, options={"copy": "true"})
    assert error[0] == "OPERATION_NOT_ALLOWED" and error[1].startswith("Copy mode is disallowed on intra pool")


def test_fourth_storage_migration_of_a_host_is_refused(here: Client, lab: Lab) -> None:
    dest, vms = receive(here, here.host), [here.vm(**PV) for _ in range(4)]
    for vm in vms:
        here.xapi.VM.start_on(vm, here.host, False, False)
    lab.pace(migrate_send=30)
    try:
        tasks = [here.xapi.Async.VM.migrate_send(vm, dest, True, {}, {}, {}) for vm in vms[:3]]
        here.wait(lambda: [here.xapi.VM.get_current_operations(vm) for vm in vms[:3]], all)
        assert here.error(send, here, vms[3], dest, {}) == ["TOO_MANY_STORAGE_MIGRATES", "3"]
    finally:
        lab.pace()
    assert [here.ended(task)["status"] for task in tasks] == ["success"] * 3


# ---- between pools


@pytest.mark.parametrize("state", ["Halted", "Running"])
def test_vm_with_its_snapshot_goes_to_another_pool(here: Client, there: Client, state: str) -> None:
    vm, disk = here.vm(**PV, name_label="traveller", tags=["tag"]), here.disk()
    here.attach(vm, disk)
    here.upload(disk, b"content")
    vif = here.nic(vm, MAC="02:00:00:00:12:34")
    snapshot = here.xapi.VM.snapshot(vm, "snapshot", [])
    allowed = here.xapi.VM.get_allowed_operations(snapshot)
    if state == "Running":
        here.xapi.VM.start_on(vm, here.host, False, False)
    uuids = [here.xapi.VM.get_uuid(ref) for ref in (vm, snapshot)]
    target = member(there)
    new = send(here, vm, receive(there, target), {disk: there.sr}, vifs={vif: there.network})
    record = there.xapi.VM.get_record(new)
    assert (record["uuid"], record["name_label"], record["tags"]) == (uuids[0], "traveller", ["tag"])
    assert (record["power_state"], record["current_operations"]) == (state, {})
    assert record["resident_on"] == (target if state == "Running" else NULL)
    assert [there.xapi.VM.get_uuid(ref) for ref in record["snapshots"]] == [uuids[1]]
    assert [there.xapi.VM.get_allowed_operations(ref) for ref in record["snapshots"]] == [allowed]
    assert "revert" in allowed
    [vbd], [nic] = record["VBDs"], record["VIFs"]
    assert there.xapi.VBD.get_currently_attached(vbd) is (state == "Running")
    found = there.xapi.VIF.get_record(nic)
    assert (found["MAC"], found["network"]) == ("02:00:00:00:12:34", there.network)
    for ref in (vm, snapshot):
        assert here.error(here.xapi.VM.get_uuid, ref)[0] == "HANDLE_INVALID"
    assert here.error(here.xapi.VDI.get_uuid, disk)[0] == "HANDLE_INVALID"
    if state == "Running":
        there.xapi.VM.hard_shutdown(new)
    assert there.content(there.xapi.VBD.get_VDI(vbd)) == b"content"
    there.xapi.VM.start(new, False, False)
    there.xapi.VM.hard_shutdown(new)


def test_copy_to_another_pool_leaves_the_source(here: Client, there: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    here.attach(vm, disk)
    vif = here.nic(vm, MAC="02:00:00:00:56:78")
    dest, maps = receive(there, there.host), ({disk: there.sr}, {vif: there.network})
    new = send(here, vm, dest, maps[0], vifs=maps[1], options={"copy": "true"})
    record = there.xapi.VM.get_record(new)
    assert record["uuid"] != here.xapi.VM.get_uuid(vm) and record["power_state"] == "Halted"
    assert there.xapi.VIF.get_MAC(record["VIFs"][0]) != "02:00:00:00:56:78"
    assert here.xapi.VDI.get_VBDs(disk) == here.xapi.VM.get_VBDs(vm)
    here.xapi.VM.start(vm, False, False)
    error = here.error(send, here, vm, dest, maps[0], vifs=maps[1], options={"copy": "true"})
    assert error == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


def test_what_refuses_a_migration_to_another_pool(here: Client, there: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    here.attach(vm, disk)
    vif, dest = here.nic(vm), receive(there, there.host)
    assert here.error(send, here, vm, dest, {}) == ["VDI_NOT_IN_MAP", disk]
    assert here.error(send, here, vm, dest, {disk: there.sr}) == ["VIF_NOT_IN_MAP", vif]
    there.xapi.host.disable(there.host)
    assert here.error(send, here, vm, dest, {disk: there.sr}) == ["HOST_DISABLED", there.host]
    there.xapi.host.enable(there.host)


def test_host_without_a_link_into_the_network_receives_nothing(here: Client) -> None:
    [internal] = here.xapi.network.get_by_name_label("Internal")
    error = here.error(here.xapi.host.migrate_receive, here.host, internal, {})
    assert error == ["HOST_CANNOT_ATTACH_NETWORK", here.host, internal]


def test_suspended_vm_wakes_up_in_another_pool(here: Client, there: Client) -> None:
    vm, disk = here.vm(**PV), here.disk()
    here.attach(vm, disk)
    vif = here.nic(vm)
    here.start(vm)
    here.xapi.VM.suspend(vm)
    image = here.xapi.VM.get_suspend_VDI(vm)
    new = send(here, vm, receive(there, there.host), {disk: there.sr}, vifs={vif: there.network})
    assert there.xapi.VM.get_power_state(new) == "Suspended"
    moved = there.xapi.VM.get_suspend_VDI(new)
    assert there.xapi.VDI.get_type(moved) == "suspend"
    assert here.error(here.xapi.VDI.get_uuid, image)[0] == "HANDLE_INVALID"
    there.xapi.VM.resume(new, False, False)
    assert there.xapi.VM.get_power_state(new) == "Running"
    assert all(there.xapi.VBD.get_currently_attached(vbd) for vbd in there.xapi.VM.get_VBDs(new))


def test_image_of_a_suspended_vm_moves_where_the_host_does_not_see_it(here: Client) -> None:
    vm, target = here.vm(**PV), member(here)
    here.xapi.VM.set_suspend_SR(vm, local_repository(here, here.host))
    here.xapi.VM.start_on(vm, here.host, False, False)
    here.xapi.VM.suspend(vm)
    image = here.xapi.VM.get_suspend_VDI(vm)
    send(here, vm, receive(here, target), {})
    record = here.xapi.VM.get_record(vm)
    assert record["suspend_VDI"] != image and record["suspend_SR"] == NULL
    here.xapi.VM.resume_on(vm, target, False, False)
    assert here.xapi.VM.get_resident_on(vm) == target


def test_vm_goes_to_another_pool_and_back(here: Client, there: Client) -> None:
    vm = here.vm(**PV)
    dest = receive(there, there.host)
    new = send(here, vm, dest, {})
    back = send(there, new, receive(here, here.host), {})
    assert here.xapi.VM.get_uuid(back) and there.error(there.xapi.VM.get_uuid, new)[0] == "HANDLE_INVALID"


def test_migration_that_is_cancelled_leaves_everything_as_it_was(here: Client, lab: Lab) -> None:
    vm, disk = here.vm(**PV), here.disk()
    vbd = here.attach(vm, disk)
    here.start(vm)
    lab.pace(migrate_send=30)
    try:
        dest, places = receive(here, here.host), {disk: local_repository(here, here.host)}
        task = here.xapi.Async.VM.migrate_send(vm, dest, True, places, {}, {})
        here.wait(lambda: here.xapi.VM.get_current_operations(vm), bool)
        here.xapi.task.cancel(task)
    finally:
        lab.pace()
    assert here.ended(task)["status"] == "cancelled"
    record = here.xapi.VM.get_record(vm)
    assert (record["power_state"], record["current_operations"]) == ("Running", {})
    assert (record["scheduled_to_be_resident_on"], here.xapi.VBD.get_VDI(vbd)) == (NULL, disk)


# ---- a single disk


@pytest.mark.parametrize("state", ["Halted", "Running"])
def test_one_disk_of_a_vm_goes_to_another_repository(here: Client, state: str) -> None:
    vm, moved, other = here.vm(**PV), here.disk(), here.disk()
    vbds = [here.attach(vm, moved), here.attach(vm, other, userdevice="1")]
    if state == "Running":
        here.xapi.VM.start_on(vm, here.host, False, False)
    sr = local_repository(here, here.host)
    new = here.xapi.VDI.pool_migrate(moved, sr, {})
    assert [here.xapi.VBD.get_VDI(vbd) for vbd in vbds] == [new, other]
    assert here.xapi.VDI.get_SR(new) == sr
    assert here.xapi.VM.get_power_state(vm) == state


def test_disk_of_no_vm_cannot_be_migrated(here: Client) -> None:
    disk = here.disk()
    assert here.error(here.xapi.VDI.pool_migrate, disk, here.sr, {}) == ["VDI_NEEDS_VM_FOR_MIGRATE", disk]


def test_disk_with_changed_block_tracking_cannot_be_migrated(here: Client) -> None:
    disk = here.disk()
    here.attach(here.vm(**PV), disk)
    here.xapi.VDI.enable_cbt(disk)
    assert here.error(here.xapi.VDI.pool_migrate, disk, here.sr, {}) == [CBT, disk]


def test_repositories_that_no_host_sees_together(here: Client) -> None:
    vm, disks = here.vm(**PV), []
    for number, host in enumerate(here.xapi.host.get_all()):
        disks.append(here.disk(SR=local_repository(here, host)))
        here.attach(vm, disks[-1], userdevice=str(number))
    error = here.error(here.xapi.VDI.pool_migrate, disks[0], here.sr, {})
    assert error == ["NO_HOSTS_AVAILABLE"]
