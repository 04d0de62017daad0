# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a running guest, and settings that are checked: memory, CPUs, firmware strings, NVRAM, templates."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client

MIB = 1024**2
PV = {"HVM_boot_policy": "", "HVM_boot_params": {}, "PV_bootloader": "pygrub"}
GUEST_PLUGIN = "guest-agent-operation"


@pytest.fixture
def vm(client: Client) -> str:
    """A running paravirtual guest, which needs no agent."""
    made = client.vm(**PV, VCPUs_max="4", memory_static_max=str(512 * MIB))
    client.start(made)
    return made


def test_cpus_of_a_running_guest(client: Client, vm: str) -> None:
    client.xapi.VM.set_VCPUs_number_live(vm, "3")
    record = client.xapi.VM.get_record(vm)
    assert (record["VCPUs_at_startup"], record["VCPUs_max"]) == ("3", "4")
    assert client.xapi.VM_metrics.get_VCPUs_number(record["metrics"]) == "3"
    rule = "VCPU values must satisfy: 0 < VCPUs ≤ VCPUs_max"
    assert client.error(client.xapi.VM.set_VCPUs_number_live, vm, "5") == ["INVALID_VALUE", rule, "5"]
    error = client.error(client.xapi.VM.add_to_VCPUs_params_live, vm, "weight", "1")
    assert error == ["NOT_IMPLEMENTED", "add_to_VCPUs_params_live"]


def test_memory_of_a_running_guest(client: Client, vm: str) -> None:
    free = int(client.xapi.host.compute_free_memory(client.host))
    client.xapi.VM.set_memory_dynamic_range(vm, str(128 * MIB), str(256 * MIB))
    assert int(client.xapi.host.compute_free_memory(client.host)) == free + 128 * MIB
    assert client.error(client.xapi.VM.set_memory_dynamic_max, vm, str(1024 * MIB)) == [
        "MEMORY_CONSTRAINT_VIOLATION_ORDER"
    ]
    error = client.error(client.xapi.VM.set_memory_dynamic_range, vm, str(2**50), str(2**50))
    assert error[0] == "HOST_NOT_ENOUGH_FREE_MEMORY"
    assert client.error(client.xapi.VM.set_memory_static_max, vm, str(512 * MIB))[0] == "VM_BAD_POWER_STATE"


def test_shadow_memory_of_a_running_guest(client: Client, vm: str) -> None:
    overhead = int(client.xapi.VM.get_memory_overhead(vm))
    client.xapi.VM.set_shadow_multiplier_live(vm, 4.0)
    assert client.xapi.VM.get_HVM_shadow_multiplier(vm) == 4.0
    assert int(client.xapi.VM.get_memory_overhead(vm)) > overhead
    assert client.error(client.xapi.VM.set_shadow_multiplier_live, vm, 0.5) == ["INVALID_VALUE", "multiplier", "0.5"]


@pytest.mark.parametrize(
    ("plugin", "function", "error"),
    [
        ("p", "f", ["XENAPI_MISSING_PLUGIN", "p"]),
        (GUEST_PLUGIN, "f", ["XENAPI_PLUGIN_FAILURE", "failed to find fn"]),
        (GUEST_PLUGIN, "request-rdp-on", ["XENAPI_PLUGIN_FAILURE", "failed to execute fn"]),
        (GUEST_PLUGIN, "run-script", ["FEATURE_RESTRICTED"]),
    ],
)
def test_plugins(client: Client, vm: str, plugin: str, function: str, error: list[str]) -> None:
    assert client.error(client.xapi.VM.call_plugin, vm, plugin, function, {})[: len(error)] == error


def test_data_sources(client: Client, vm: str) -> None:
    names = {source["name_label"] for source in client.xapi.VM.get_data_sources(vm)}
    assert {"memory", "cpu0"} <= names
    assert client.xapi.VM.query_data_source(vm, "memory") == float(client.xapi.VM.get_memory_dynamic_max(vm))
    client.xapi.VM.record_data_source(vm, "memory")
    assert client.error(client.xapi.VM.query_data_source, vm, "no such")[0] == "INTERNAL_ERROR"
    client.xapi.VM.clean_shutdown(vm)
    error = client.error(client.xapi.VM.query_data_source, vm, "memory")
    assert error == ["VM_BAD_POWER_STATE", vm, "running;paused", "halted"]


def test_boot_record_shows_the_call_itself(client: Client, vm: str) -> None:
    record = client.xapi.VM.get_boot_record(vm)
    assert list(record["current_operations"].values()) == ["get_boot_record"]
    assert record["uuid"] == client.xapi.VM.get_uuid(vm)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("set_NVRAM", [{}]),
        ("add_to_NVRAM", ["a", "b"]),
        ("remove_from_NVRAM", ["a"]),
        ("set_has_vendor_device", [True]),
    ],
)
def test_settings_of_halted_vms_only(client: Client, vm: str, call: str, arguments: list[Any]) -> None:
    assert client.error(getattr(client.xapi.VM, call), vm, *arguments) == [
        "VM_BAD_POWER_STATE", vm, "halted", "running",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("strings", "error"),
    [
        ({"no-such": "x"}, ["INVALID_VALUE", "no-such", "Unknown key"]),
        ({"oem-1": "x"}, ["INVALID_VALUE", "oem-1", "Unknown key"]),
        ({"bios-vendor": ""}, ["INVALID_VALUE", "bios-vendor", "Value provided is empty"]),
        ({"bios-vendor": "\t"}, ["INVALID_VALUE", "bios-vendor", "\t has non-printable ASCII characters"]),
    ],
)
def test_firmware_strings_are_checked(client: Client, strings: dict[str, str], error: list[str]) -> None:
    assert client.error(client.xapi.VM.set_bios_strings, client.vm(), strings) == error


def test_copied_firmware_strings_tie_the_vm_to_the_host(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.copy_bios_strings(vm, client.host)
    assert client.xapi.VM.get_affinity(vm) == client.host
    assert client.error(client.xapi.VM.copy_bios_strings, vm, client.host) == ["VM_BIOS_STRINGS_ALREADY_SET"]


@pytest.mark.parametrize(
    ("platform", "params", "error"),
    [
        ({"device-model": "qemu-trad"}, {"firmware": "uefi"}, "UEFI boot is not supported with qemu-trad"),
        ({"device-model": "qemu-upstream-uefi"}, {}, "BIOS boot is not supported with qemu-upstream-uefi"),
        ({"nested-virt": "maybe"}, {}, "maybe"),
        ({"cores-per-socket": "two"}, {}, "two"),
        ({}, {"firmware": "bogus"}, "bogus"),
    ],
)
def test_settings_that_do_not_start(client: Client, platform: Any, params: Any, error: str) -> None:
    vm = client.vm(platform=platform, HVM_boot_params=params)
    assert client.error(client.xapi.VM.start, vm, False, False)[::2] == ["INVALID_VALUE", error]
    assert client.xapi.VM.get_power_state(vm) == "Halted"


@pytest.mark.parametrize(("cores", "starts"), [("1", True), ("0x2", True), ("-1", True), ("3", False), ("0", False)])
def test_cores_per_socket_divide_the_cpus(client: Client, cores: str, starts: bool) -> None:
    vm = client.vm(VCPUs_max="2", platform={"cores-per-socket": cores})
    if starts:
        client.start(vm)
    else:
        error = client.error(client.xapi.VM.start, vm, False, False)
        assert error == ["VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", "2", cores]


def test_restart_priority_takes_effect_when_the_vm_runs(client: Client) -> None:
    vm = client.vm(**PV)
    client.xapi.VM.set_ha_restart_priority(vm, "restart")
    assert not client.xapi.VM.get_ha_always_run(vm)
    client.start(vm)
    assert client.xapi.VM.get_ha_always_run(vm)
    client.xapi.VM.clean_shutdown(vm)
    assert not client.xapi.VM.get_ha_always_run(vm)


def test_a_vm_has_one_trusted_platform_module(client: Client) -> None:
    vm = client.vm()
    vtpm = client.xapi.VTPM.create(vm, False)
    assert client.xapi.VM.get_VTPMs(vm) == [vtpm]
    assert client.error(client.xapi.VTPM.create, vm, False) == ["VTPM_MAX_AMOUNT_REACHED", "1"]
    client.xapi.VTPM.set_contents(vtpm, "Y29udGVudHM=")
    [copied] = client.xapi.VM.get_VTPMs(client.xapi.VM.clone(vm, "clone"))
    assert client.xapi.VTPM.get_contents(copied) == "Y29udGVudHM="
    client.xapi.VM.destroy(vm)
    assert client.error(client.xapi.VTPM.get_uuid, vtpm)[0] == "HANDLE_INVALID"


def test_recovery_needs_the_repositories(client: Client) -> None:
    vm = client.vm()
    client.attach(vm, client.disk())
    session = client.session.handle
    client.xapi.VM.assert_can_be_recovered(vm, session)
    assert client.xapi.VM.get_SRs_required_for_recovery(vm, session) == []
    assert client.error(client.xapi.VM.recover, vm, session, False) == ["DUPLICATE_VM", vm]


def test_agile_vms_have_only_what_all_hosts_have(client: Client) -> None:
    vm, disk = client.vm(), client.disk()
    client.nic(vm)
    client.xapi.VM.assert_agile(vm)
    client.attach(vm, disk)
    assert client.error(client.xapi.VM.assert_agile, vm) == ["HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", client.sr]


def test_provision_makes_the_disks_that_the_template_asks_for(client: Client) -> None:
    sr = client.xapi.SR.get_uuid(client.sr)
    wanted = f'<provision><disk device="0" size="{8 * MIB}" sr="{sr}" bootable="true" type="system"/></provision>'
    vm = client.vm(is_a_template=True, other_config={"disks": wanted, "key": "kept"})
    client.xapi.VM.provision(vm)
    [vbd] = map(client.xapi.VBD.get_record, client.xapi.VM.get_VBDs(vm))
    assert (vbd["bootable"], vbd["userdevice"], vbd["other_config"]) == (True, "0", {"owner": ""})
    assert client.xapi.VDI.get_virtual_size(vbd["VDI"]) == str(8 * MIB)
    config = client.xapi.VM.get_other_config(vm)
    assert config["key"] == "kept" and "disks" not in config
    assert str(client.xapi.VM_metrics.get_install_time(client.xapi.VM.get_metrics(vm))) > "2"


@pytest.mark.parametrize(
    "disks", ["<provision><disk/></provision>", "<other/>", "<provision", "<provision><x/></provision>"]
)
def test_a_template_whose_disks_cannot_be_read_stays_one(client: Client, disks: str) -> None:
    vm = client.vm(is_a_template=True, other_config={"disks": disks})
    assert client.error(client.xapi.VM.provision, vm)[0] == "INTERNAL_ERROR"
    assert client.xapi.VM.get_is_a_template(vm)


def test_vendor_device_is_the_pools_policy_unless_the_client_says(client: Client) -> None:
    assert client.xapi.VM.get_has_vendor_device(client.vm())
    assert not client.xapi.VM.get_has_vendor_device(client.vm(has_vendor_device=False))
    client.xapi.pool.set_policy_no_vendor_device(client.pool, True)
    try:
        vm = client.vm()
    finally:
        client.xapi.pool.set_policy_no_vendor_device(client.pool, False)
    record = client.xapi.VM.get_record(vm)
    assert (record["has_vendor_device"], record["hardware_platform_version"]) == (False, "0")
    client.xapi.VM.set_has_vendor_device(vm, True)
    assert client.xapi.VM.get_hardware_platform_version(vm) == "2"


def test_a_vm_can_be_made_suspended_with_its_memory(client: Client) -> None:
    error = client.error(lambda: client.vm(power_state="Suspended"))
    assert (error[0], error[2:]) == ("VM_BAD_POWER_STATE", ["halted", "suspended"])
    image = client.disk(type="suspend")
    vm = client.vm(power_state="Suspended", suspend_VDI=image)
    assert client.xapi.VM.get_power_state(vm) == "Suspended"
    client.xapi.VM.hard_shutdown(vm)
    assert client.error(client.xapi.VDI.get_uuid, image)[0] == "HANDLE_INVALID"
