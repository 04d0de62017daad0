# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM appliances: VMs that start and stop together, in their order."""

from __future__ import annotations

import pytest

from .conftest import Client

PV = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}


def appliance(client: Client, *vms: str) -> str:
    made = str(client.xapi.VM_appliance.create({"name_label": "appliance", "name_description": ""}))
    for vm in vms:
        client.xapi.VM.set_appliance(vm, made)
    return made


def test_an_appliance_without_vms_does_nothing(client: Client) -> None:
    empty = appliance(client)
    assert client.xapi.VM_appliance.get_allowed_operations(empty) == []
    for call, arguments in (("start", [False]), ("clean_shutdown", []), ("shutdown", [])):
        error = client.error(getattr(client.xapi.VM_appliance, call), empty, *arguments)
        assert error == ["OPERATION_NOT_ALLOWED", "Appliance has no VMs."]


def test_order_of_start_and_shutdown(client: Client) -> None:
    first, second = client.vm(**PV, order="1"), client.vm(**PV, order="2")
    made = appliance(client, second, first)
    client.xapi.VM_appliance.start(made, False)
    domains = [int(client.xapi.VM.get_domid(vm)) for vm in (first, second)]
    assert domains[0] < domains[1]
    assert client.xapi.VM_appliance.get_allowed_operations(made) == ["clean_shutdown", "hard_shutdown", "shutdown"]
    client.xapi.VM_appliance.clean_shutdown(made)
    assert [client.xapi.VM.get_power_state(vm) for vm in (first, second)] == ["Halted", "Halted"]


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_in_another_state_in_the_end_has_failed(client: Client, paused: bool) -> None:
    good, bad = client.vm(), client.vm()
    client.xapi.VM.add_to_blocked_operations(bad, "start", "no")
    made = appliance(client, good, bad)
    error = client.error(client.xapi.VM_appliance.start, made, paused)
    assert error == ["OPERATION_PARTIALLY_FAILED", "VM_appliance.start", bad]
    assert client.xapi.VM.get_power_state(good) == ("Paused" if paused else "Running")


def test_members_are_no_templates(client: Client) -> None:
    vm = client.vm()
    made = appliance(client, vm)
    assert client.error(client.xapi.VM.set_is_a_template, vm, True) == ["VM_IS_PART_OF_AN_APPLIANCE", vm, made]
    client.xapi.VM_appliance.destroy(made)
    client.xapi.VM.set_is_a_template(vm, True)


def test_suspended_members_are_shut_down(client: Client) -> None:
    vm = client.vm(**PV)
    made = appliance(client, vm)
    client.start(vm)
    client.xapi.VM.suspend(vm)
    client.xapi.VM_appliance.hard_shutdown(made)
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    error = client.error(client.xapi.VM_appliance.hard_shutdown, made)
    assert error == ["OPERATION_NOT_ALLOWED", "All VMs in this appliance are halted."]


def test_a_clean_shutdown_needs_a_running_member(client: Client) -> None:
    made = appliance(client, client.vm())
    client.xapi.VM_appliance.start(made, True)
    assert client.xapi.VM_appliance.get_allowed_operations(made) == ["hard_shutdown", "shutdown"]
    error = client.error(client.xapi.VM_appliance.clean_shutdown, made)
    assert error == ["OPERATION_NOT_ALLOWED", "There are no running VMs in this appliance."]


def test_destroying_the_last_vm_leaves_an_empty_appliance(client: Client) -> None:
    vm = client.vm()
    made = appliance(client, vm)
    client.xapi.VM.destroy(vm)
    assert client.xapi.VM_appliance.get_VMs(made) == []
    assert client.xapi.VM_appliance.get_allowed_operations(made) == []
