# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Suspend and resume, checkpoints, and what may be done with a suspended VM. PV guests need no agent for it."""

from __future__ import annotations

import pytest

from .conftest import Client

NULL = "OpaqueRef:NULL"
PV = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}


def suspended(client: Client) -> tuple[str, str, str]:
    """A suspended VM, its VBD and its VIF."""
    vm = client.vm(**PV)
    vbd, vif = client.attach(vm, client.disk()), client.nic(vm)
    client.start(vm)
    client.xapi.VM.suspend(vm)
    return vm, vbd, vif


def test_suspend_writes_the_memory_to_a_disk_and_frees_the_host(client: Client) -> None:
    free = int(client.xapi.host.compute_free_memory(client.host))
    vm, vbd, vif = suspended(client)
    record = client.xapi.VM.get_record(vm)
    assert (record["power_state"], record["resident_on"], record["domid"]) == ("Suspended", NULL, "-1")
    assert record["consoles"] == []
    image = client.xapi.VDI.get_record(record["suspend_VDI"])
    assert (image["type"], image["name_label"], image["SR"]) == ("suspend", "Suspend image", client.sr)
    assert int(image["virtual_size"]) > int(record["memory_static_max"])
    assert client.xapi.VBD.get_currently_attached(vbd) and client.xapi.VIF.get_currently_attached(vif)
    assert int(client.xapi.host.compute_free_memory(client.host)) == free


@pytest.mark.parametrize("paused", [False, True])
def test_resume_takes_up_the_memory_and_drops_its_disk(client: Client, paused: bool) -> None:
    vm, vbd, _vif = suspended(client)
    image = client.xapi.VM.get_suspend_VDI(vm)
    client.xapi.VM.resume(vm, paused, False)
    record = client.xapi.VM.get_record(vm)
    assert (record["power_state"], record["resident_on"]) == ("Paused" if paused else "Running", client.host)
    assert record["suspend_VDI"] == NULL
    assert client.error(client.xapi.VDI.get_uuid, image)[0] == "HANDLE_INVALID"
    assert client.xapi.VBD.get_currently_attached(vbd)


def test_allowed_operations_of_a_suspended_vm(client: Client) -> None:
    vm, _vbd, _vif = suspended(client)
    assert sorted(client.xapi.VM.get_allowed_operations(vm)) == [
        "checkpoint", "destroy", "export", "hard_shutdown", "metadata_export", "migrate_send", "resume", "resume_on",
        "snapshot",
    ]  # fmt: skip


@pytest.mark.parametrize("call", ["hard_shutdown", "shutdown"])
def test_hard_shutdown_of_a_suspended_vm_drops_its_memory(client: Client, call: str) -> None:
    vm, vbd, vif = suspended(client)
    image = client.xapi.VM.get_suspend_VDI(vm)
    getattr(client.xapi.VM, call)(vm)
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    assert client.xapi.VM.get_suspend_VDI(vm) == NULL
    assert client.error(client.xapi.VDI.get_uuid, image)[0] == "HANDLE_INVALID"
    assert not client.xapi.VBD.get_currently_attached(vbd) and not client.xapi.VIF.get_currently_attached(vif)


def test_destroying_a_suspended_vm_leaves_its_memory(client: Client) -> None:
    vm, _vbd, _vif = suspended(client)
    image = client.xapi.VM.get_suspend_VDI(vm)
    client.xapi.VM.destroy(vm)
    client.xapi.VDI.destroy(image)


def test_resume_on_refuses_what_start_on_refuses(client: Client) -> None:
    vm, _vbd, _vif = suspended(client)
    client.xapi.host.disable(client.host)
    try:
        assert client.error(client.xapi.VM.resume_on, vm, client.host, False, False) == ["HOST_DISABLED", client.host]
        assert client.error(client.xapi.VM.resume, vm, False, False) == ["NO_HOSTS_AVAILABLE"]
    finally:
        client.xapi.host.enable(client.host)
    assert client.xapi.VM.get_power_state(vm) == "Suspended"
    client.xapi.VM.resume_on(vm, client.host, False, False)


def test_without_a_repository_for_memory_there_is_no_suspend(client: Client) -> None:
    vm = client.vm(**PV)
    client.start(vm)
    client.xapi.pool.set_suspend_image_SR(client.pool, NULL)
    try:
        assert client.error(client.xapi.VM.suspend, vm) == ["VM_NO_SUSPEND_SR", vm]
    finally:
        client.xapi.pool.set_suspend_image_SR(client.pool, client.sr)
    assert client.xapi.VM.get_power_state(vm) == "Running"


def test_memory_can_be_moved_to_an_identical_disk_only(client: Client) -> None:
    vm, _vbd, _vif = suspended(client)
    image = client.xapi.VM.get_suspend_VDI(vm)
    copy, other = client.xapi.VDI.clone(image, {}), client.disk()
    error = client.error(client.xapi.VM.set_suspend_VDI, vm, other)
    assert error[0] == "SUSPEND_VDI_REPLACEMENT_IS_NOT_IDENTICAL"
    assert error[1].startswith(client.xapi.VDI.get_uuid(image))
    client.xapi.VM.set_suspend_VDI(vm, copy)
    assert client.xapi.VM.get_suspend_VDI(vm) == copy


def test_checkpoint_of_a_running_vm_keeps_its_memory_and_the_vm_running(client: Client) -> None:
    vm = client.vm(**PV)
    client.attach(vm, client.disk())
    client.start(vm)
    checkpoint = client.xapi.VM.checkpoint(vm, "with memory")
    record = client.xapi.VM.get_record(checkpoint)
    assert (record["power_state"], record["is_a_snapshot"], record["snapshot_of"]) == ("Suspended", True, vm)
    assert record["snapshot_info"]["power-state-at-snapshot"] == "Running"
    assert client.xapi.VDI.get_type(record["suspend_VDI"]) == "suspend"
    assert client.xapi.VM.get_power_state(vm) == "Running"
    assert client.xapi.VM.get_suspend_VDI(vm) == NULL


def test_checkpoint_of_a_paused_vm_has_no_memory(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.start(vm, True, False)
    checkpoint = client.xapi.VM.checkpoint(vm, "paused")
    assert client.xapi.VM.get_power_state(checkpoint) == "Halted"
    assert client.xapi.VM.get_snapshot_info(checkpoint)["power-state-at-snapshot"] == "Paused"


def test_reverting_to_a_checkpoint_gives_a_suspended_vm_that_resumes(client: Client) -> None:
    vm = client.vm(**PV)
    client.attach(vm, client.disk())
    client.nic(vm)
    client.start(vm)
    checkpoint = client.xapi.VM.checkpoint(vm, "with memory")
    client.xapi.VM.hard_shutdown(vm)
    client.xapi.VM.revert(checkpoint)
    record = client.xapi.VM.get_record(vm)
    assert record["power_state"] == "Suspended"
    assert record["suspend_VDI"] not in (NULL, client.xapi.VM.get_suspend_VDI(checkpoint))
    client.xapi.VM.resume(vm, False, False)
    assert client.xapi.VM.get_power_state(vm) == "Running"


def test_a_clone_of_a_checkpoint_is_halted(client: Client) -> None:
    vm = client.vm(**PV)
    client.start(vm)
    clone = client.xapi.VM.clone(client.xapi.VM.checkpoint(vm, "with memory"), "clone")
    assert client.xapi.VM.get_power_state(clone) == "Halted"
    assert client.xapi.VM.get_suspend_VDI(clone) == NULL


def test_suspended_vms_are_cloned_when_the_pool_says_so(client: Client) -> None:
    vm, _vbd, _vif = suspended(client)
    assert client.error(client.xapi.VM.clone, vm, "x") == ["VM_BAD_POWER_STATE", vm, "halted", "suspended"]
    client.xapi.pool.add_to_other_config(client.pool, "allow_clone_suspended_vm", "true")
    try:
        clone = client.xapi.VM.clone(vm, "clone")
    finally:
        client.xapi.pool.remove_from_other_config(client.pool, "allow_clone_suspended_vm")
    assert client.xapi.VM.get_power_state(clone) == "Suspended"
    assert client.xapi.VM.get_suspend_VDI(clone) not in (NULL, client.xapi.VM.get_suspend_VDI(vm))
    client.xapi.VM.hard_shutdown(vm)
    client.xapi.VM.resume(clone, False, False)


def test_revert_brings_a_destroyed_vm_back_with_its_uuid(client: Client) -> None:
    vm = client.vm(name_label="lost", tags=["kept"])
    client.attach(vm, client.disk())
    uuid, snapshot = client.xapi.VM.get_uuid(vm), client.xapi.VM.snapshot(vm, "first", [])
    client.xapi.VM.destroy(vm)
    client.xapi.VM.revert(snapshot)
    found = client.xapi.VM.get_by_uuid(uuid)
    record = client.xapi.VM.get_record(found)
    assert (record["name_label"], record["tags"], record["is_a_template"]) == ("lost", ["kept"], False)
    assert record["snapshots"] == [snapshot] and len(record["VBDs"]) == 1


def test_revert_keeps_disks_that_the_snapshot_does_not_have(client: Client) -> None:
    vm, old, new = client.vm(), client.disk(), client.disk()
    client.attach(vm, old)
    snapshot = client.xapi.VM.snapshot(vm, "first", [])
    client.attach(vm, new, userdevice="1")
    client.xapi.VM.revert(snapshot)
    assert client.error(client.xapi.VDI.get_uuid, old)[0] == "HANDLE_INVALID"
    assert client.xapi.VDI.get_VBDs(new) == []
    [vbd] = client.xapi.VM.get_VBDs(vm)
    disk = client.xapi.VBD.get_VDI(vbd)
    [snapped] = [client.xapi.VBD.get_VDI(found) for found in client.xapi.VM.get_VBDs(snapshot)]
    assert client.xapi.VDI.get_snapshot_of(snapped) == disk
