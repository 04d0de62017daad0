# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What surprises people about XAPI's VMs, one test each: traps 7, 16, 17, 22, 25, 27, 33 and 34."""

from __future__ import annotations

from pathlib import Path

from tests.support.lab import Lab

from .conftest import Client

LAB = ("--agent",)
NULL = "OpaqueRef:NULL"
GIB = 1024**3


def test_trap_07_clone_of_a_template_is_a_template(client: Client) -> None:
    vm = client.xapi.VM.clone(client.vm(is_a_template=True), "instance")
    assert client.xapi.VM.get_is_a_template(vm)
    assert client.error(client.xapi.VM.start, vm, False, False) == ["VM_IS_TEMPLATE", vm, "start"]
    client.xapi.VM.set_is_a_template(vm, False)
    client.start(vm)


def test_trap_16_states_are_lower_case_in_errors_and_capitalised_in_the_field(client: Client) -> None:
    vm = client.vm()
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    error = client.error(client.xapi.VM.hard_shutdown, vm)
    assert error == ["VM_BAD_POWER_STATE", vm, "paused, suspended, running", "halted"]


def test_trap_17_start_without_enough_memory_names_the_cause_only_when_a_host_is_named(client: Client) -> None:
    """By its source XAPI picks a host all the same, and that host names the cause; running, it does not do that."""
    size = str(128 * GIB)
    vm = client.vm(memory_static_max=size, memory_dynamic_max=size, memory_dynamic_min=size)
    assert client.error(client.xapi.VM.start, vm, False, False) == ["NO_HOSTS_AVAILABLE"]
    code, needed, available = client.error(client.xapi.VM.start_on, vm, client.host, False, False)
    assert code == "HOST_NOT_ENOUGH_FREE_MEMORY" and int(needed) > int(available)


def test_trap_22_clashing_operations_wait_for_one_another(client: Client, server: tuple[Lab, Path | None]) -> None:
    """Nobody sees OTHER_OPERATION_IN_PROGRESS unless a wait of hours was in vain."""
    vdi, vm = client.disk(), client.vm()
    client.attach(vm, vdi)
    server[0].pace(vdi_clone=30)
    try:
        clone = client.xapi.Async.VDI.clone(vdi, {})
        client.wait(lambda: client.xapi.VDI.get_current_operations(vdi), bool)
        waiting = [client.xapi.Async.VDI.snapshot(vdi, {}), client.xapi.Async.VM.start(vm, False, False)]
        assert [client.xapi.task.get_status(task) for task in (clone, *waiting)] == ["pending"] * 3
        assert client.xapi.VDI.get_current_operations(vdi) == {clone: "clone"}
    finally:
        server[0].pace()
    assert [client.ended(task)["status"] for task in (clone, *waiting)] == ["success"] * 3


def test_trap_25_guest_metrics_are_the_parents_after_a_clone_and_absent_after_a_start(
    client: Client, server: tuple[Lab, Path | None]
) -> None:
    vm = client.vm()
    client.nic(vm)
    client.start(vm)
    metrics = client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != NULL)
    addresses = client.xapi.VM_guest_metrics.get_networks(metrics)
    client.xapi.VM.hard_shutdown(vm)
    clone = client.xapi.VM.clone(vm, "clone")
    copied = client.xapi.VM.get_guest_metrics(clone)
    assert copied != metrics and client.xapi.VM_guest_metrics.get_networks(copied) == addresses != {}
    server[0].fail_boot(client.xapi.VM.get_uuid(clone))
    client.start(clone)
    assert client.xapi.VM.get_guest_metrics(clone) == NULL


def test_trap_27_labels_are_inherited_by_clones(client: Client) -> None:
    """All but the tags of disks: those a running XAPI does not copy."""
    vm, vdi = client.vm(tags=["mine"], other_config={"owner": "me"}), client.disk(tags=["mine"])
    client.xapi.VDI.add_to_other_config(vdi, "owner", "me")
    clone, branch = client.xapi.VM.clone(vm, "clone"), client.xapi.VDI.clone(vdi, {})
    assert (client.xapi.VM.get_tags(clone), client.xapi.VDI.get_tags(branch)) == (["mine"], [])
    assert client.xapi.VM.get_other_config(clone)["owner"] == "me"
    assert client.xapi.VDI.get_other_config(branch)["owner"] == "me"


def test_trap_33_allowed_operations_leave_out_the_sharing_check(client: Client) -> None:
    vdi, writer, second = client.disk(), client.vm(), client.vm()
    client.attach(writer, vdi)
    client.start(writer)
    client.start(second)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(second), lambda ref: ref != NULL)
    vbd = client.attach(second, vdi)
    assert "plug" in client.xapi.VBD.get_allowed_operations(vbd)
    assert client.error(client.xapi.VBD.plug, vbd) == ["VDI_IN_USE", vdi]


def test_trap_34_built_in_templates_name_no_repository(client: Client) -> None:
    [template] = client.xapi.VM.get_by_name_label("Debian Bookworm 12")
    vm = client.xapi.VM.clone(template, "from a template")
    assert 'sr=""' in client.xapi.VM.get_other_config(vm)["disks"]
    assert client.error(client.xapi.VM.provision, vm) == ["UUID_INVALID", "sr", ""]
