# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On which host a VM starts, and why not on another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import new_lab

from .conftest import VIF, Client, connect

MIB = 1024**2
GIB = 1024**3
DEAD = "OpaqueRef:00000000-0000-0000-0000-00000000dead"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A pool of three hosts with 8 GiB and 8 CPUs each."""
    with new_lab("--hosts", "3", "--memory", "8") as lab:
        yield connect(lab.url)


@pytest.fixture
def hosts(client: Client) -> Iterator[list[str]]:
    """All hosts, the coordinator first; afterwards without guests and enabled again."""
    found = client.xapi.host.get_all()
    found.sort(key=lambda host: host != client.host)
    yield found
    for vm, record in client.xapi.VM.get_all_records().items():
        if record["power_state"] != "Halted" and not record["is_control_domain"]:
            client.xapi.VM.hard_shutdown(vm)
    for host in found:
        client.xapi.host.enable(host)


def memory(size: int) -> dict[str, str]:
    return {f"memory_{name}": str(size) for name in ("static_max", "dynamic_max", "dynamic_min")}


def local_disk(client: Client, host: str) -> tuple[str, str]:
    """A disk on the host's own storage, and that storage."""
    for sr, record in client.xapi.SR.get_all_records().items():
        if record["name_label"] == "Local storage" and client.xapi.PBD.get_host(record["PBDs"][0]) == host:
            return client.disk(SR=sr), sr
    raise AssertionError("no local storage")


def internal_network(client: Client) -> str:
    (network,) = client.xapi.network.get_by_name_label("Internal")
    return str(network)


def test_without_wishes_the_host_with_most_memory_and_rather_not_the_coordinator(
    client: Client, hosts: list[str]
) -> None:
    used = []
    for _number in range(2):
        vm = client.vm(**memory(GIB))
        client.start(vm)
        used.append(client.xapi.VM.get_resident_on(vm))
    assert sorted(used) == sorted(hosts[1:])


def test_the_affinity_host_comes_first(client: Client, hosts: list[str]) -> None:
    for host in hosts:
        vm = client.vm(affinity=host)
        client.start(vm)
        assert client.xapi.VM.get_resident_on(vm) == host


def test_an_affinity_host_that_cannot_is_passed_over(client: Client, hosts: list[str]) -> None:
    client.xapi.host.disable(hosts[1])
    vm = client.vm(affinity=hosts[1])
    client.start(vm)
    assert client.xapi.VM.get_resident_on(vm) in (hosts[0], hosts[2])


def test_a_local_disk_binds_to_its_host(client: Client, hosts: list[str]) -> None:
    for host in hosts:
        vm = client.vm()
        disk, sr = local_disk(client, host)
        client.attach(vm, disk)
        assert client.xapi.VM.get_possible_hosts(vm) == [host]
        for other in hosts:
            if other != host:
                asked = client.error(client.xapi.VM.start_on, vm, other, False, False)
                assert asked == ["VM_REQUIRES_SR", vm, sr]
        client.start(vm)
        assert client.xapi.VM.get_resident_on(vm) == host


def test_disks_of_two_hosts_fit_nowhere(client: Client, hosts: list[str]) -> None:
    vm = client.vm()
    for number, host in enumerate(hosts[:2]):
        client.attach(vm, local_disk(client, host)[0], userdevice=str(number))
    assert client.xapi.VM.get_possible_hosts(vm) == []
    assert client.error(client.start, vm) == ["NO_HOSTS_AVAILABLE"]


def test_a_storage_that_is_unplugged_on_a_host_keeps_vms_away(client: Client, hosts: list[str]) -> None:
    (sr,) = client.xapi.SR.get_by_name_label("Shared storage")
    pbds = {record["host"]: ref for ref, record in client.xapi.PBD.get_all_records().items() if record["SR"] == sr}
    vm = client.vm()
    client.attach(vm, client.disk(SR=sr))
    client.xapi.PBD.unplug(pbds[hosts[1]])
    try:
        assert set(client.xapi.VM.get_possible_hosts(vm)) == {hosts[0], hosts[2]}
        asked = client.error(client.xapi.VM.assert_can_boot_here, vm, hosts[1])
        assert asked == ["VM_REQUIRES_SR", vm, sr]
    finally:
        client.xapi.PBD.plug(pbds[hosts[1]])


def test_guests_of_an_internal_network_are_on_one_host(client: Client, hosts: list[str]) -> None:
    network = internal_network(client)
    first, second = client.vm(), client.vm()
    for vm in (first, second):
        client.xapi.VIF.create({**VIF, "VM": vm, "network": network})
    assert set(client.xapi.VM.get_possible_hosts(second)) == set(hosts)
    client.xapi.VM.start_on(first, hosts[2], False, False)
    assert client.xapi.VM.get_possible_hosts(second) == [hosts[2]]
    asked = client.error(client.xapi.VM.start_on, second, hosts[0], False, False)
    assert asked == ["VM_REQUIRES_NETWORK", second, network]
    client.start(second)
    assert client.xapi.VM.get_resident_on(second) == hosts[2]


def test_an_internal_network_said_to_be_shared_reaches_every_host(client: Client, hosts: list[str]) -> None:
    network = internal_network(client)
    client.xapi.network.add_to_other_config(network, "assume_network_is_shared", "true")
    try:
        for host in hosts[:2]:
            vm = client.vm()
            client.xapi.VIF.create({**VIF, "VM": vm, "network": network})
            client.xapi.VM.start_on(vm, host, False, False)
    finally:
        client.xapi.network.remove_from_other_config(network, "assume_network_is_shared")


def test_memory_decides(client: Client, hosts: list[str]) -> None:
    free = int(client.xapi.host.compute_free_memory(hosts[1]))
    large = client.vm(**memory(free - 64 * MIB))
    client.xapi.VM.start_on(large, hosts[1], False, False)
    small = client.vm(**memory(GIB))
    needed = str(GIB + int(client.xapi.VM.get_memory_overhead(small)))
    left = client.xapi.host.compute_free_memory(hosts[1])
    asked = client.error(client.xapi.VM.start_on, small, hosts[1], False, False)
    assert asked == ["HOST_NOT_ENOUGH_FREE_MEMORY", needed, left]
    assert set(client.xapi.VM.get_possible_hosts(small)) == {hosts[0], hosts[2]}


def test_free_memory_is_what_the_vms_leave(client: Client, hosts: list[str]) -> None:
    for host in hosts:
        vm = client.vm(memory_static_max=str(2 * GIB), memory_dynamic_max=str(GIB), affinity=host)
        client.start(vm)
    vms = client.xapi.VM.get_all_records()
    for host in hosts:
        record = client.xapi.host.get_record(host)
        resident = [vms[vm] for vm in record["resident_VMs"]]
        assert len(resident) == 2
        used = sum(int(vm["memory_overhead"]) + int(vm["memory_dynamic_min"]) for vm in resident)
        left = 8 * GIB - int(record["memory_overhead"]) - used
        assert int(client.xapi.host.compute_free_memory(host)) == left
        assert int(client.xapi.host_metrics.get_record(record["metrics"])["memory_free"]) == left


def test_where_there_is_not_enough_memory_anywhere_no_host_is_available(client: Client, hosts: list[str]) -> None:
    vm = client.vm(**memory(100 * GIB))
    assert client.error(client.start, vm) == ["NO_HOSTS_AVAILABLE"]


def test_guests_can_be_squeezed(client: Client, hosts: list[str]) -> None:
    vm = client.vm(memory_static_max=str(100 * GIB), memory_dynamic_max=str(100 * GIB))
    assert set(client.xapi.VM.get_possible_hosts(vm)) == set(hosts)


def test_more_virtual_cpus_than_the_host_has(client: Client, hosts: list[str]) -> None:
    vm = client.vm(VCPUs_max="9", VCPUs_at_startup="1")
    assert client.error(client.xapi.VM.assert_can_boot_here, vm, hosts[0]) == ["HOST_NOT_ENOUGH_PCPUS", "9", "8"]
    assert client.error(client.start, vm) == ["NO_HOSTS_AVAILABLE"]
    client.xapi.VM.add_to_platform(vm, "vcpu-unrestricted", "true")
    client.start(vm)


def test_vms_of_a_group_run_apart(client: Client, hosts: list[str]) -> None:
    group = client.xapi.VM_group.create({"name_label": "apart", "placement": "anti_affinity"})
    vms = [client.vm(**memory(GIB)) for _host in hosts]
    for vm in vms:
        client.xapi.VM.set_groups(vm, [group])
        client.start(vm)
    assert sorted(client.xapi.VM.get_resident_on(vm) for vm in vms) == sorted(hosts)


def test_a_group_that_is_gone_is_an_error(client: Client, hosts: list[str]) -> None:
    vm = client.vm()
    client.xapi.VM.set_groups(vm, [DEAD])
    assert client.error(client.start, vm) == ["HANDLE_INVALID", "VM_group", DEAD]


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"VCPUs_max": "0"}, ["INVALID_VALUE", "VCPUs_max", "0"]),
    ({"VCPUs_at_startup": "0"}, ["INVALID_VALUE", "VCPUs-at-startup", "0"]),
    ({"VCPUs_at_startup": "2"}, ["VALUE_NOT_SUPPORTED", "VCPUs-at-startup", "2", "value greater than VCPUs-max"]),
    ({"memory_static_min": str(GIB)}, ["MEMORY_CONSTRAINT_VIOLATION"]),
    ({"HVM_shadow_multiplier": 0.5}, ["INVALID_VALUE", "HVM_shadow_multiplier", "0.5"]),
    ({"HVM_shadow_multiplier": 0.0}, ["INVALID_VALUE", "HVM_shadow_multiplier", "0."]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "error"), BAD)
def test_settings_come_before_the_host(
    client: Client, hosts: list[str], changes: dict[str, Any], error: list[str]
) -> None:
    vm = client.vm(**changes)
    client.xapi.host.disable(hosts[1])
    assert client.error(client.xapi.VM.assert_can_boot_here, vm, hosts[1]) == error


def test_a_host_that_does_not_exist_is_not_alive(client: Client) -> None:
    assert client.error(client.xapi.VM.assert_can_boot_here, client.vm(), DEAD) == ["HOST_NOT_LIVE"]
