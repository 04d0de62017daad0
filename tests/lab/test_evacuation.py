# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are disabled, emptied, turned off and given up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import Lab, new_lab
from tests.support.waiting import attempts

from .conftest import VIF, Client, connect

GIB = 1024**3
DEAD = "OpaqueRef:00000000-0000-0000-0000-00000000dead"
NULL = "OpaqueRef:NULL"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A pool of three hosts with 8 GiB each."""
    with new_lab("--hosts", "3", "--memory", "8") as lab:
        yield lab


@pytest.fixture
def client(lab: Lab) -> Client:
    return connect(lab.url)


def members(client: Client) -> list[str]:
    return [host for host in client.xapi.host.get_all() if host != client.host]


def running_on(client: Client, host: str, **changes: Any) -> str:
    """A paravirtualised VM on the host: it needs no agent to move."""
    vm = client.vm(HVM_boot_policy="", **changes)
    client.xapi.VM.start_on(vm, host, False, False)
    return vm


def memory(size: int) -> dict[str, str]:
    return {f"memory_{name}": str(size) for name in ("static_max", "dynamic_max", "dynamic_min")}


def test_all_vms_leave(client: Client) -> None:
    host = members(client)[0]
    vms = [running_on(client, host, name_label=f"vm {number}") for number in range(4)]
    domains = [client.xapi.VM.get_domid(vm) for vm in vms]
    client.xapi.host.disable(host)
    client.xapi.host.assert_can_evacuate(host)
    client.xapi.host.evacuate(host)
    assert client.xapi.host.get_resident_VMs(host) == [client.xapi.host.get_control_domain(host)]
    for vm, domain in zip(vms, domains, strict=True):
        assert client.xapi.VM.get_power_state(vm) == "Running"
        assert client.xapi.VM.get_resident_on(vm) not in (host, NULL)
        assert client.xapi.VM.get_domid(vm) != domain
    assert client.xapi.task.get_all() == []


def test_evacuation_in_batches_has_a_task_for_each_move(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vms = [running_on(client, host) for _number in range(3)]
    lab.pace(pool_migrate=60.0)
    task = getattr(client.xapi, "Async.host.evacuate")(host, NULL, "2")
    subtasks = client.wait(lambda: client.xapi.task.get_subtasks(task), lambda found: len(found) == 2)
    assert {client.xapi.task.get_name_label(subtask) for subtask in subtasks} == {"Async.VM.pool_migrate"}
    client.wait(lambda: [vm for vm in vms if client.xapi.VM.get_current_operations(vm)], lambda busy: len(busy) == 2)
    assert list(client.xapi.host.get_current_operations(host).values()) == ["evacuate"]
    assert client.error(client.xapi.VM.start_on, client.vm(), host, False, False) == ["HOST_EVACUATE_IN_PROGRESS", host]
    lab.pace()
    client.wait(lambda: client.xapi.task.get_status(task), lambda status: status == "success")
    assert client.xapi.task.get_progress(task) == 1.0
    assert client.xapi.host.get_current_operations(host) == {}
    assert client.xapi.task.get_all() == [task]


def test_without_another_enabled_host_nobody_can_leave(client: Client) -> None:
    first, second = members(client)
    vm = running_on(client, first)
    for host in (client.host, second):
        client.xapi.host.disable(host)
    error = ["NO_HOSTS_AVAILABLE", vm]
    assert client.xapi.host.get_vms_which_prevent_evacuation(first) == {vm: error}
    assert client.error(client.xapi.host.evacuate, first) == error
    assert client.error(client.xapi.host.assert_can_evacuate, first) == ["CANNOT_EVACUATE_HOST", ",".join(error)]


def test_a_local_disk_keeps_its_vm_and_nothing_moves(client: Client) -> None:
    host = members(client)[0]
    free = running_on(client, host)
    bound = client.vm(HVM_boot_policy="")
    for sr, record in client.xapi.SR.get_all_records().items():
        if record["name_label"] == "Local storage" and client.xapi.PBD.get_host(record["PBDs"][0]) == host:
            client.attach(bound, client.disk(SR=sr))
            error = ["VM_REQUIRES_SR", bound, sr]
    client.start(bound)
    assert client.xapi.host.get_vms_which_prevent_evacuation(host) == {bound: error}
    assert client.error(client.xapi.host.evacuate, host) == error
    assert client.xapi.VM.get_resident_on(free) == host


def test_a_vm_must_be_able_to_run_on_every_enabled_host(client: Client) -> None:
    first, second = members(client)
    (sr,) = client.xapi.SR.get_by_name_label("Shared storage")
    vm = client.vm(HVM_boot_policy="")
    client.attach(vm, client.disk(SR=sr))
    client.xapi.VM.start_on(vm, first, False, False)
    (pbd,) = [pbd for pbd in client.xapi.SR.get_PBDs(sr) if client.xapi.PBD.get_host(pbd) == second]
    client.xapi.PBD.unplug(pbd)
    assert client.xapi.host.get_vms_which_prevent_evacuation(first) == {vm: ["VM_REQUIRES_SR", vm, sr]}
    client.xapi.host.disable(second)
    client.xapi.host.evacuate(first)
    assert client.xapi.VM.get_resident_on(vm) == client.host


def test_a_guest_without_an_agent_cannot_move(client: Client) -> None:
    host = members(client)[0]
    vm = client.vm()
    client.xapi.VM.start_on(vm, host, False, False)
    reason = client.xapi.host.get_vms_which_prevent_evacuation(host)[vm]
    assert reason[0].startswith("VM_LACKS_FEATURE")
    assert client.error(client.xapi.host.evacuate, host) == reason


def test_memory_for_all_of_them_together(client: Client) -> None:
    first, second = members(client)
    client.xapi.host.disable(second)
    free = int(client.xapi.host.compute_free_memory(client.host))
    vms = {running_on(client, first, **memory(2 * GIB)) for _number in range(2)}
    running_on(client, client.host, **memory(free - 3 * GIB))
    reasons = client.xapi.host.get_vms_which_prevent_evacuation(first)
    ((vm, reason),) = reasons.items()
    assert vm in vms
    assert reason == ["HOST_NOT_ENOUGH_FREE_MEMORY", vm]


def test_guests_of_an_internal_network_cannot_leave_each_other(client: Client) -> None:
    host = members(client)[0]
    (network,) = client.xapi.network.get_by_name_label("Internal")
    vm = client.vm(HVM_boot_policy="")
    client.xapi.VIF.create({**VIF, "VM": vm, "network": network})
    client.xapi.VM.start_on(vm, host, False, False)
    assert client.xapi.host.get_vms_which_prevent_evacuation(host) == {vm: ["VM_REQUIRES_NETWORK", vm, network]}


def test_a_host_that_does_not_exist(client: Client) -> None:
    for name in ("evacuate", "get_vms_which_prevent_evacuation", "assert_can_evacuate", "shutdown", "declare_dead"):
        assert client.error(getattr(client.xapi.host, name), DEAD) == ["HANDLE_INVALID", "host", DEAD], name


def test_only_an_empty_disabled_host_is_turned_off(client: Client) -> None:
    host = members(client)[0]
    vm = running_on(client, host)
    assert client.error(client.xapi.host.shutdown, host) == ["HOST_NOT_DISABLED"]
    client.xapi.host.disable(host)
    assert client.error(client.xapi.host.reboot, host) == ["HOST_IN_USE", host, "vm", vm]
    client.xapi.host.evacuate(host)
    client.xapi.host.shutdown(host)
    metrics = client.xapi.host.get_metrics(host)
    assert not client.xapi.host_metrics.get_live(metrics)
    with pytest.raises(OSError):
        _connect_until_refused(client, client.xapi.host.get_address(host))
    assert "power_on" not in client.xapi.host.get_allowed_operations(host)
    assert client.error(client.xapi.host.power_on, host) == ["HOST_POWER_ON_MODE_DISABLED"]
    assert client.error(client.xapi.host.get_servertime, host) == ["HOST_OFFLINE", host]


def _connect_until_refused(client: Client, address: str) -> None:
    url = client.url.replace("127.0.0.1", address)
    for _attempt in attempts():
        assert client.error(connect, url)[0] == "HOST_IS_SLAVE"


@pytest.mark.parametrize("stays", [False, True])
def test_a_host_comes_back_from_a_reboot(client: Client, stays: bool) -> None:
    host = members(client)[0]
    metrics = client.xapi.host.get_metrics(host)
    client.xapi.host.disable(host, not stays)
    client.xapi.host.reboot(host)
    assert not client.xapi.host_metrics.get_live(metrics)
    client.wait(lambda: client.xapi.host_metrics.get_live(metrics), bool)
    assert client.xapi.host.get_enabled(host) != stays


def test_a_dead_host_is_given_up_and_forgotten(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vm = running_on(client, host)
    domain, pbds = client.xapi.host.get_control_domain(host), client.xapi.host.get_PBDs(host)
    assert client.error(client.xapi.host.declare_dead, host) == ["HOST_IS_LIVE", host]
    assert client.error(client.xapi.host.destroy, host) == ["HOST_IS_LIVE", host]
    lab.kill_host(client.xapi.host.get_uuid(host))
    assert client.error(client.xapi.host.destroy, host) == ["HOST_HAS_RESIDENT_VMS", host]
    client.xapi.host.declare_dead(host)
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    assert client.xapi.host.get_enabled(host) is False
    client.xapi.host.destroy(host)
    assert len(client.xapi.host.get_all()) == 2
    assert domain not in client.xapi.VM.get_all()
    assert not set(pbds) & set(client.xapi.PBD.get_all())


def test_what_a_host_allows(client: Client) -> None:
    host = members(client)[0]
    always = {"provision", "evacuate", "vm_start", "vm_resume", "vm_migrate", "enable"}
    assert set(client.xapi.host.get_allowed_operations(host)) == always
    client.xapi.host.disable(host)
    assert set(client.xapi.host.get_allowed_operations(host)) == always | {"shutdown", "reboot", "apply_updates"}
