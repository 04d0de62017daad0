# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VMs that move to another host of their pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab, new_lab

from .conftest import PV, Client, connect


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with new_lab("--hosts", "2", "--memory", "4") as lab:
        yield lab


@pytest.fixture
def pool(lab: Lab) -> Client:
    return connect(lab.url)


def other(pool: Client, host: str) -> str:
    """A host that is not the given one."""
    return next(ref for ref in pool.xapi.host.get_all() if ref != host)


def local_repository(pool: Client, host: str) -> str:
    records = pool.xapi.SR.get_all_records()
    for ref, record in records.items():
        if not record["shared"] and pool.xapi.PBD.get_host(record["PBDs"][0]) == host:
            return str(ref)
    raise AssertionError("no local repository")


@pytest.fixture
def running(pool: Client) -> Iterator[str]:
    """A PV guest on the coordinator, with a shared disk and a NIC."""
    vm = pool.vm(**PV, name_label="moved")
    pool.attach(vm, pool.disk())
    pool.nic(vm)
    pool.xapi.VM.start_on(vm, pool.host, False, False)
    yield vm
    pool.xapi.VM.hard_shutdown(vm)
    pool.xapi.VM.destroy(vm)


def test_vm_runs_on_the_other_host_afterwards(pool: Client, running: str) -> None:
    before, target = pool.xapi.VM.get_record(running), other(pool, pool.host)
    free = int(pool.xapi.host.compute_free_memory(target))
    pool.xapi.VM.pool_migrate(running, target, {"live": "true"})
    after = pool.xapi.VM.get_record(running)
    assert (after["resident_on"], after["power_state"], after["uuid"]) == (target, "Running", before["uuid"])
    assert after["scheduled_to_be_resident_on"] == "OpaqueRef:NULL"
    assert after["domid"] != before["domid"]
    assert after["current_operations"] == {} and pool.xapi.host.get_current_operations(target) == {}
    assert running in pool.xapi.host.get_resident_VMs(target)
    assert running not in pool.xapi.host.get_resident_VMs(pool.host)
    assert all(pool.xapi.VBD.get_currently_attached(vbd) for vbd in after["VBDs"])
    assert free - int(pool.xapi.host.compute_free_memory(target)) == 256 * 1024**2 + int(after["memory_overhead"])


def test_halted_vm_is_refused_whatever_the_host(pool: Client) -> None:
    vm = pool.vm(**PV)
    error = pool.error(pool.xapi.VM.pool_migrate, vm, "OpaqueRef:no-such-host", {})
    assert error == ["VM_BAD_POWER_STATE", vm, "running", "halted"]


def test_disk_on_local_storage_keeps_its_vm_on_the_host(pool: Client) -> None:
    vm, sr = pool.vm(**PV), local_repository(pool, pool.host)
    pool.attach(vm, pool.disk(SR=sr))
    pool.xapi.VM.start_on(vm, pool.host, False, False)
    target = other(pool, pool.host)
    assert pool.error(pool.xapi.VM.pool_migrate, vm, target, {}) == ["VM_REQUIRES_SR", vm, sr]
    assert pool.xapi.VM.get_resident_on(vm) == pool.host
    pool.xapi.VM.hard_shutdown(vm)


def test_host_without_memory_refuses(pool: Client, running: str) -> None:
    target = other(pool, pool.host)
    size = str(int(pool.xapi.host.compute_free_memory(target)) - 200 * 1024**2)
    limits = {f"memory_{name}": size for name in ("static_max", "dynamic_max", "dynamic_min", "static_min")}
    large = pool.vm(**PV, **limits)
    pool.xapi.VM.start_on(large, target, False, False)
    error = pool.error(pool.xapi.VM.pool_migrate, running, target, {})
    assert error[0] == "HOST_NOT_ENOUGH_FREE_MEMORY" and int(error[1]) > int(error[2])
    pool.xapi.VM.hard_shutdown(large)


def test_disabled_host_refuses(pool: Client, running: str) -> None:
    target = other(pool, pool.host)
    pool.xapi.host.disable(target)
    assert pool.error(pool.xapi.VM.pool_migrate, running, target, {}) == ["HOST_DISABLED", target]
    pool.xapi.host.enable(target)


def test_hvm_guest_without_an_agent_moves_only_by_force(pool: Client) -> None:
    vm, target = pool.vm(), other(pool, pool.host)
    pool.xapi.VM.start_on(vm, pool.host, False, False)
    assert "pool_migrate" not in pool.xapi.VM.get_allowed_operations(vm)
    assert pool.error(pool.xapi.VM.pool_migrate, vm, target, {})[0].startswith("VM_LACKS_FEATURE")
    pool.xapi.VM.pool_migrate(vm, target, {"force": "true"})
    assert pool.xapi.VM.get_resident_on(vm) == target
    pool.xapi.VM.hard_shutdown(vm)


def test_blocked_migration_is_refused(pool: Client, running: str) -> None:
    pool.xapi.VM.set_blocked_operations(running, {"pool_migrate": "stay"})
    error = pool.error(pool.xapi.VM.pool_migrate, running, other(pool, pool.host), {})
    assert error == ["OPERATION_BLOCKED", running, "stay"]


def test_shared_read_only_disk_moves_with_its_vms(pool: Client) -> None:
    """Guests on two hosts read one disk; each of them can go to the other's host."""
    master, vms = pool.disk(), [pool.vm(**PV), pool.vm(**PV)]
    for vm in vms:
        pool.attach(vm, master, mode="RO")
        pool.xapi.VM.start_on(vm, pool.host, False, False)
    target = other(pool, pool.host)
    for vm in vms:
        pool.xapi.VM.pool_migrate(vm, target, {})
    assert sorted(set(map(pool.xapi.VM.get_resident_on, vms))) == [target]
    for vm in vms:
        pool.xapi.VM.hard_shutdown(vm)
