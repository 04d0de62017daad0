# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VBDs: what may be done with them in which state of their VM, and what refuses first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.lab import Lab

from .conftest import Client
from .test_disks import upload

#: A guest that needs no agent.
PV: dict[str, Any] = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}
HVM: dict[str, Any] = {}
CD: dict[str, Any] = {"type": "CD", "mode": "RO", "empty": True, "bootable": False}
NULL = "OpaqueRef:NULL"


def disc(client: Client) -> str:
    [sr] = client.xapi.SR.get_by_name_label("ISO images")
    return str(client.xapi.SR.get_VDIs(sr)[0])


def drive(client: Client, vm: str) -> str:
    return client.attach(vm, NULL, **CD, userdevice="3")


@pytest.mark.parametrize(
    ("kind", "state", "disk", "cd"),
    [
        (PV, "Halted", {"attach"}, {"attach", "insert"}),
        (PV, "Running", {"attach", "pause", "unpause", "unplug", "unplug_force"},
         {"attach", "insert", "pause", "unpause", "plug"}),
        (PV, "Paused", {"attach", "pause", "unpause"}, {"attach", "insert", "pause", "unpause"}),
        (PV, "Suspended", {"attach"}, {"attach"}),
        (HVM, "Halted", {"attach"}, {"attach", "insert"}),
        (HVM, "Running", {"attach", "pause", "unpause"}, {"attach", "insert", "pause", "unpause"}),
        (HVM, "Paused", {"attach", "pause", "unpause"}, {"attach", "insert", "pause", "unpause"}),
    ],
)  # fmt: skip
def test_allowed_operations_by_kind_and_state(
    client: Client, kind: dict[str, Any], state: str, disk: set[str], cd: set[str]
) -> None:
    vm = client.vm(**kind)
    vbds = [client.attach(vm, client.disk()), drive(client, vm)]
    bring(client, vm, state)
    assert [set(client.xapi.VBD.get_allowed_operations(vbd)) for vbd in vbds] == [disk, cd]


def bring(client: Client, vm: str, state: str) -> None:
    """Bring a halted VM into a state."""
    if state != "Halted":
        client.start(vm)
    if state == "Paused":
        client.xapi.VM.pause(vm)
    if state == "Suspended":
        client.xapi.VM.suspend(vm)


def test_plug_and_unplug_change_what_is_attached(client: Client) -> None:
    vm, disk = client.vm(**PV), client.disk()
    client.start(vm)
    vbd = client.attach(vm, disk, userdevice="2")
    client.xapi.VBD.plug(vbd)
    assert client.xapi.VBD.get_device(vbd) == "xvdc"
    assert client.error(client.xapi.VBD.plug, vbd) == ["DEVICE_ALREADY_ATTACHED", vbd]
    assert client.error(client.xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]
    client.xapi.VBD.unplug_force(vbd)
    assert client.error(client.xapi.VBD.unplug, vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    assert client.xapi.VBD.get_device(vbd) == "xvdc"
    client.xapi.VDI.destroy(disk)


def test_device_that_must_stay_is_refused_before_all_else(client: Client) -> None:
    vm = client.vm()
    vbd = client.attach(vm, client.disk(), unpluggable=False)
    for call in (client.xapi.VBD.unplug, client.xapi.VBD.unplug_force):
        assert client.error(call, vbd) == ["VBD_NOT_UNPLUGGABLE", vbd]
    assert client.error(client.xapi.VBD.plug, vbd) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]


def test_guest_without_drivers_neither_plugs_nor_unplugs(client: Client) -> None:
    vm = client.vm()
    attached, cd = client.attach(vm, client.disk()), drive(client, vm)
    client.start(vm)
    other = client.attach(vm, client.disk(), userdevice="1")
    for call, vbd in ((client.xapi.VBD.unplug, attached), (client.xapi.VBD.plug, other), (client.xapi.VBD.unplug, cd)):
        assert client.error(call, vbd) == ["VM_MISSING_PV_DRIVERS", vm]


def test_drive_of_an_hvm_guest_is_not_unplugged(fresh: tuple[Client, Lab]) -> None:
    client, _lab = fresh
    vm = client.vm()
    cd = drive(client, vm)
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != NULL)
    text = "HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected"
    assert client.error(client.xapi.VBD.unplug, cd) == ["OPERATION_NOT_ALLOWED", text]
    client.xapi.VBD.insert(cd, disc(client))
    assert client.xapi.VBD.get_VDI(cd) == disc(client)


def test_disc_of_a_suspended_vm_stays(client: Client) -> None:
    vm = client.vm(**PV)
    cd = drive(client, vm)
    bring(client, vm, "Suspended")
    wanted = ["VM_BAD_POWER_STATE", vm, "halted, running", "suspended"]
    assert client.error(client.xapi.VBD.insert, cd, disc(client)) == wanted


def test_base_is_not_inserted(client: Client) -> None:
    disk = client.disk()
    upload(client, disk, b"x")
    client.xapi.VDI.snapshot(disk, {})
    base = client.xapi.VDI.get_by_uuid(client.xapi.VDI.get_sm_config(disk)["vhd-parent"])
    cd = drive(client, client.vm())
    assert client.error(client.xapi.VBD.insert, cd, base) == ["VDI_NOT_MANAGED", base]


def test_pause_is_left_to_the_storage(client: Client) -> None:
    vm = client.vm(**PV)
    vbd = client.attach(vm, client.disk())
    client.start(vm)
    assert client.error(client.xapi.VBD.pause, vbd) == ["SR_OPERATION_NOT_SUPPORTED", client.sr]
    assert client.xapi.VBD.get_current_operations(vbd) == {}


def test_suspended_vm_does_not_keep_others_from_its_disk(client: Client) -> None:
    disk, suspended, other = client.disk(), client.vm(**PV), client.vm(**PV)
    for vm in (suspended, other):
        client.attach(vm, disk)
    bring(client, suspended, "Suspended")
    client.start(other)
    client.xapi.VM.hard_shutdown(other)
    assert client.error(client.xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]


def test_assert_attachable_tells_what_a_start_would(client: Client) -> None:
    disk, writer, reader = client.disk(), client.vm(**PV), client.vm(**PV)
    client.attach(writer, disk)
    vbd = client.attach(reader, disk, mode="RO")
    client.xapi.VBD.assert_attachable(vbd)
    client.start(writer)
    assert client.error(client.xapi.VBD.assert_attachable, vbd) == ["VDI_IN_USE", disk]


def test_vbd_of_a_disk_of_the_wrong_type_is_refused(client: Client) -> None:
    for kind, name in (("ha_statefile", "HA statefile"), ("redo_log", "Redo log")):
        disk = client.disk(type=kind)
        assert client.error(client.attach, client.vm(), disk) == ["VDI_INCOMPATIBLE_TYPE", disk, name]


def test_plug_waits_for_what_is_done_with_the_disk(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vm, disk = client.vm(**PV), client.disk()
    client.start(vm)
    vbd = client.attach(vm, disk)
    lab.pace(resize=1000.0)
    resize = client.xapi.Async.VDI.resize(disk, str(16 * 1024**2))
    client.wait(lambda: client.xapi.VDI.get_current_operations(disk), lambda found: found == {resize: "resize"})
    plug = client.xapi.Async.VBD.plug(vbd)
    assert not client.xapi.VBD.get_currently_attached(vbd)
    lab.pace()
    client.wait(lambda: client.xapi.task.get_status(plug), lambda status: status == "success")
    assert client.xapi.VDI.get_virtual_size(disk) == str(16 * 1024**2)
