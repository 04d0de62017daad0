# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a VM's record clients can set, what a start adds to it, and what becomes of templates' marks."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client

MIB = 1024**2
PV = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}
NOWHERE = "OpaqueRef:00000000-0000-0000-0000-00000000dead"


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("protection_policy", NOWHERE, "OpaqueRef:NULL"),
        ("snapshot_schedule", NOWHERE, "OpaqueRef:NULL"),
        ("is_snapshot_from_vmpp", True, False),
        ("is_vmss_snapshot", True, False),
        ("blocked_operations", {"start": "no"}, {}),
        ("version", "5", "5"),
        ("reference_label", "label", "label"),
        ("NVRAM", {"key": "value"}, {"key": "value"}),
    ],
)
def test_fields_that_create_does_not_take(client: Client, field: str, given: Any, kept: Any) -> None:
    assert client.xapi.VM.get_record(client.vm(**{field: given}))[field] == kept


def marks(client: Client, vm: str) -> tuple[bool, bool, str]:
    record = client.xapi.VM.get_record(vm)
    return record["is_a_template"], record["is_default_template"], record["other_config"].get("default_template", "")


def test_marks_of_default_templates(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.set_is_default_template(vm, True)
    client.xapi.VM.set_is_default_template(vm, True)
    assert marks(client, vm) == (True, True, "true")
    client.xapi.VM.set_is_default_template(vm, False)
    assert marks(client, vm) == (True, False, "false")
    client.xapi.VM.destroy(vm)


def test_a_vm_that_was_a_default_template_is_not_destroyed(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.set_is_default_template(vm, True)
    client.xapi.VM.set_is_a_template(vm, False)
    assert marks(client, vm) == (False, True, "true")
    assert client.error(client.xapi.VM.destroy, vm) == ["VM_CANNOT_DELETE_DEFAULT_TEMPLATE"]
    client.xapi.VM.set_is_default_template(vm, False)
    client.xapi.VM.destroy(vm)


def test_a_template_made_a_vm_shows_it_when_operations_are_computed_anew(client: Client) -> None:
    vm = client.vm(is_a_template=True)
    client.xapi.VM.set_is_a_template(vm, False)
    assert "provision" in client.xapi.VM.get_allowed_operations(vm)
    client.xapi.VM.update_allowed_operations(vm)
    assert "start" in client.xapi.VM.get_allowed_operations(vm)


def disk(client: Client, **changes: str) -> str:
    sr = client.xapi.SR.get_uuid(client.sr)
    members = {"device": "0", "size": str(8 * MIB), "sr": sr, "bootable": "false", "type": "user", **changes}
    return "<disk " + " ".join(f'{name}="{value}"' for name, value in members.items()) + "/>"


@pytest.mark.parametrize(("asked", "made"), [("user", "user"), ("suspend", "suspend"), ("metadata", "system")])
def test_provisioned_disks_are_named_after_their_position(client: Client, asked: str, made: str) -> None:
    text = f"<provision>{disk(client, device='autodetect', type=asked)}</provision>"
    vm = client.vm(is_a_template=True, other_config={"disks": text})
    client.xapi.VM.provision(vm)
    [vbd] = map(client.xapi.VBD.get_record, client.xapi.VM.get_VBDs(vm))
    vdi = client.xapi.VDI.get_record(vbd["VDI"])
    assert (vbd["userdevice"], vdi["name_label"], vdi["type"]) == ("0", "0", made)


def test_provision_that_fails_leaves_what_it_made(client: Client) -> None:
    text = f"<provision>{disk(client)}{disk(client, sr='none')}</provision>"
    vm = client.vm(is_a_template=True, other_config={"disks": text})
    assert client.error(client.xapi.VM.provision, vm) == ["UUID_INVALID", "sr", "none"]
    assert len(client.xapi.VM.get_VBDs(vm)) == 1
    assert client.xapi.VM.get_other_config(vm)["disks"] == text


def test_provision_of_nothing_changes_no_settings(client: Client) -> None:
    vm = client.vm(is_a_template=True, other_config={"disks": "<provision></provision>"})
    client.xapi.VM.provision(vm)
    assert client.xapi.VM.get_other_config(vm)["disks"] == "<provision></provision>"


@pytest.mark.parametrize("policy", [{}, PV])
def test_a_start_that_fails_has_filled_in_settings(client: Client, policy: dict[str, Any]) -> None:
    params = {**policy.get("HVM_boot_params", {}), "firmware": "uefi"}
    vm = client.vm(**{**policy, "HVM_boot_params": params}, platform={"nested-virt": "maybe"})
    assert client.error(client.xapi.VM.start, vm, False, False)[:2] == ["INVALID_VALUE", "platform:nested-virt"]
    record = client.xapi.VM.get_record(vm)
    assert record["bios_strings"]["bios-vendor"] == "Xen"
    assert record["platform"].get("device-model") == (None if policy else "qemu-upstream-uefi")


@pytest.mark.parametrize("policy", [{}, PV])
def test_firmware_is_checked_before_the_platform(client: Client, policy: dict[str, Any]) -> None:
    vm = client.vm(**{**policy, "HVM_boot_params": {"firmware": "none"}}, platform={"nested-virt": "maybe"})
    error = ["INVALID_VALUE", "HVM-boot-params['firmware']", "none"]
    assert client.error(client.xapi.VM.start, vm, False, False) == error


def test_nested_guests_are_not_squeezed(client: Client) -> None:
    sizes = {"memory_static_max": str(512 * MIB), "memory_dynamic_max": str(512 * MIB)}
    vm = client.vm(**sizes, memory_dynamic_min=str(256 * MIB), platform={"nested-virt": "true"})
    refused = ["MEMORY_CONSTRAINT_VIOLATION_MAXPIN", "nested virt"]
    assert client.error(client.xapi.VM.start, vm, False, False) == refused
    client.xapi.VM.start(vm, False, True)
    client.xapi.VM.hard_shutdown(vm)
    assert client.error(client.xapi.VM.set_memory_static_max, vm, str(1024 * MIB)) == refused
    client.xapi.VM.set_memory(vm, str(1024 * MIB))


def test_control_domains_are_not_squeezed(client: Client) -> None:
    zero = client.xapi.host.get_control_domain(client.host)
    error = client.error(client.xapi.VM.set_memory_dynamic_min, zero, "0")
    assert error == ["MEMORY_CONSTRAINT_VIOLATION_MAXPIN", "control domain"]


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (0.0, "0."), (-1.0, "-1.")])
def test_shadow_multipliers_are_one_at_least(client: Client, value: float, text: str) -> None:
    vm = client.vm()
    error = client.error(client.xapi.VM.set_HVM_shadow_multiplier, vm, value)
    assert error == ["INVALID_VALUE", "multiplier", text]


def test_revert_has_the_boot_policy_say_the_domain_type(client: Client) -> None:
    vm = client.vm(**PV, domain_type="pvh")
    client.xapi.VM.revert(client.xapi.VM.snapshot(vm, "snapshot", []))
    assert client.xapi.VM.get_domain_type(vm) == "pv"


def test_a_vm_made_anew_has_the_tags_and_the_affinity_of_its_snapshot(client: Client) -> None:
    vm = client.vm(affinity=client.host)
    snapshot = client.xapi.VM.snapshot(vm, "snapshot", [])
    client.xapi.VM.set_tags(snapshot, ["later"])
    client.xapi.VM.destroy(vm)
    client.xapi.VM.revert(snapshot)
    record = client.xapi.VM.get_record(client.xapi.VM.get_snapshot_of(snapshot))
    assert (record["tags"], record["affinity"]) == (["later"], client.host)
