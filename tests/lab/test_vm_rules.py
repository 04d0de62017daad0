# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which operation may begin when: by power state, kind of VM, what its guest can, what else goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.lab import Lab

from .conftest import Client

PV = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}
HALTED = [
    "changing_NVRAM", "changing_dynamic_range", "changing_shadow_memory", "changing_static_range", "clone", "copy",
    "create_vtpm", "destroy", "export", "make_into_template", "metadata_export", "migrate_send", "snapshot", "start",
    "start_on",
]  # fmt: skip
PAUSED = ["checkpoint", "hard_reboot", "hard_shutdown", "metadata_export", "snapshot", "unpause"]
RUNNING = ["changing_dynamic_range", "hard_reboot", "hard_shutdown", "metadata_export", "pause", "snapshot"]
ABLE = [
    "changing_VCPUs_live", "checkpoint", "clean_reboot", "clean_shutdown", "migrate_send", "pool_migrate", "suspend",
]  # fmt: skip
TEMPLATE = [
    "changing_NVRAM", "changing_dynamic_range", "changing_shadow_memory", "changing_static_range", "clone", "copy",
    "destroy", "export", "metadata_export", "migrate_send", "provision",
]  # fmt: skip


def halted(client: Client) -> str:
    return client.vm()


def running(client: Client) -> str:
    vm = client.vm()
    client.start(vm)
    return vm


def running_pv(client: Client) -> str:
    vm = client.vm(**PV)
    client.start(vm)
    return vm


def paused(client: Client) -> str:
    vm = client.vm()
    client.xapi.VM.start(vm, True, False)
    return vm


def template(client: Client) -> str:
    return client.vm(is_a_template=True)


def default_template(client: Client) -> str:
    vm = client.vm()
    client.xapi.VM.set_is_default_template(vm, True)
    return vm


def snapshot(client: Client) -> str:
    return str(client.xapi.VM.snapshot(client.vm(), "snapshot", []))


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (halted, HALTED),
        (running, RUNNING),
        (running_pv, sorted(RUNNING + ABLE)),
        (paused, PAUSED),
        (template, TEMPLATE),
        (default_template, [name for name in TEMPLATE if name not in ("destroy", "migrate_send")]),
        (snapshot, ["clone", "copy", "destroy", "export", "metadata_export", "revert"]),
    ],
)
def test_allowed_operations(client: Client, make: Callable[[Client], str], allowed: list[str]) -> None:
    assert sorted(client.xapi.VM.get_allowed_operations(make(client))) == allowed


@pytest.mark.parametrize(
    ("make", "name", "error"),
    [
        (halted, "import", ["VM_BAD_POWER_STATE", "{vm}", "", "halted"]),
        (halted, "get_boot_record", ["VM_BAD_POWER_STATE", "{vm}", "paused, suspended, running", "halted"]),
        (halted, "call_plugin", ["VM_BAD_POWER_STATE", "{vm}", "running", "halted"]),
        (halted, "data_source_op", ["VM_BAD_POWER_STATE", "{vm}", "running", "halted"]),
        (halted, "csvm", ["VM_BAD_POWER_STATE", "{vm}", "suspended", "halted"]),
        (halted, "revert", ["REVERT_ONLY_ALLOWED_ON_SNAPSHOT"]),
        (halted, "provision", ["PROVISION_ONLY_ALLOWED_ON_TEMPLATE"]),
        (halted, "query_services", ["NOT_SYSTEM_DOMAIN", "{vm}"]),
        (running, "changing_memory_limits", ["VM_BAD_POWER_STATE", "{vm}", "halted", "running"]),
        (running, "create_template", ["VM_BAD_POWER_STATE", "{vm}", "halted, suspended", "running"]),
        (running, "changing_VCPUs_live", ["VM_LACKS_FEATURE", "{vm}"]),
        (running, "migrate_send", ["VM_LACKS_FEATURE", "{vm}"]),
        (template, "create_vtpm", ["VM_IS_TEMPLATE", "{vm}", "create_vtpm"]),
        (template, "snapshot", ["VM_IS_TEMPLATE", "{vm}", "snapshot"]),
        (template, "suspend", ["VM_BAD_POWER_STATE", "{vm}", "running", "halted"]),
        (default_template, "destroy", ["VM_IS_TEMPLATE", "{vm}", "destroy"]),
        (snapshot, "provision", ["VM_IS_SNAPSHOT", "{vm}", "provision"]),
        (snapshot, "hard_shutdown", ["VM_BAD_POWER_STATE", "{vm}", "paused, suspended, running", "halted"]),
    ],
)
def test_what_stands_against_an_operation(
    client: Client, make: Callable[[Client], str], name: str, error: list[str]
) -> None:
    vm = make(client)
    assert client.error(client.xapi.VM.assert_operation_valid, vm, name) == [part.format(vm=vm) for part in error]


def test_control_domains_are_left_alone(client: Client) -> None:
    zero = client.xapi.host.get_control_domain(client.host)
    refused = ["OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain"]
    for name in ("pause", "suspend", "clean_shutdown", "hard_shutdown", "hard_reboot"):
        assert client.error(getattr(client.xapi.VM, name), zero) == refused
    assert client.error(client.xapi.VM.power_state_reset, zero) == ["CANNOT_RESET_CONTROL_DOMAIN", zero]
    error = client.error(client.xapi.VM.set_VCPUs_max, zero, "2")
    assert error == ["OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0"]


def test_guests_that_cannot_move_are_not_suspended(client: Client) -> None:
    vm = client.vm(**PV, platform={"nomigrate": "true"})
    client.start(vm)
    assert client.error(client.xapi.VM.suspend, vm) == ["VM_IS_IMMOBILE", vm]
    client.xapi.VM.clean_shutdown(vm)
    nested = client.vm(**PV, platform={"nested-virt": "1"})
    client.start(nested)
    error = client.error(client.xapi.VM.set_memory_dynamic_range, nested, str(2**27), str(2**28))
    assert error == ["VM_IS_USING_NESTED_VIRT", nested]


def test_operation_of_one_kind_is_blocked_and_no_other(client: Client) -> None:
    vm = client.vm(**PV)
    client.xapi.VM.set_blocked_operations(vm, {"shutdown": "no", "suspend": "", "changing_memory_limits": "x"})
    assert client.error(client.xapi.VM.set_memory, vm, str(2**28)) == ["OPERATION_BLOCKED", vm, "x"]
    client.xapi.VM.set_memory_static_max(vm, str(2**29))
    client.start(vm)
    assert client.error(client.xapi.VM.shutdown, vm) == ["OPERATION_BLOCKED", vm, "no"]
    assert client.error(client.xapi.VM.suspend, vm) == ["OPERATION_BLOCKED", vm, ""]
    client.xapi.VM.clean_shutdown(vm)


def test_agent_with_drivers_makes_everything_possible(fresh: tuple[Client, Lab]) -> None:
    client, _lab = fresh
    vm = client.vm()
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != "OpaqueRef:NULL")
    assert sorted(client.xapi.VM.get_allowed_operations(vm)) == sorted(RUNNING + ABLE)
    client.xapi.VM.suspend(vm)
    client.xapi.VM.resume(vm, False, False)
    client.xapi.VM.clean_reboot(vm)


def test_hard_shutdown_does_not_wait_for_a_clean_one(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vm = client.vm()
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != "OpaqueRef:NULL")
    lab.pace(clean_shutdown=600.0)
    task = client.xapi.Async.VM.clean_shutdown(vm)
    client.wait(lambda: list(client.xapi.VM.get_current_operations(vm).values()), lambda found: bool(found))
    client.xapi.VM.hard_shutdown(vm)
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    lab.pace()
    client.wait(lambda: client.xapi.task.get_status(task), lambda status: status == "cancelled")
    assert client.xapi.task.get_error_info(task) == ["TASK_CANCELLED", task]
    assert client.xapi.VM.get_current_operations(vm) == {}


def test_snapshots_of_one_vm_run_side_by_side(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vm = client.vm()
    lab.pace(snapshot=600.0)
    tasks = [client.xapi.Async.VM.snapshot(vm, name, []) for name in ("one", "two")]
    client.wait(lambda: len(client.xapi.VM.get_current_operations(vm)), lambda count: count == 2)
    lab.pace()
    for task in tasks:
        client.wait(lambda task=task: client.xapi.task.get_status(task), lambda status: status == "success")
    assert len(client.xapi.VM.get_snapshots(vm)) == 2


def test_operations_leave_messages(client: Client) -> None:
    vm = client.vm(**PV, name_label="told")
    client.start(vm)
    client.xapi.VM.suspend(vm)
    client.xapi.VM.resume(vm, False, False)
    client.xapi.VM.clean_reboot(vm)
    client.xapi.VM.clean_shutdown(vm)
    uuid, found = client.xapi.VM.get_uuid(vm), client.xapi.message.get_all_records()
    bodies = {message["name"]: message["body"] for message in found.values() if message["obj_uuid"] == uuid}
    assert set(bodies) == {"VM_STARTED", "VM_SUSPENDED", "VM_RESUMED", "VM_REBOOTED", "VM_SHUTDOWN"}
    assert bodies["VM_REBOOTED"] == "VM 'told' rebooted cleanly"
