# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that die and come back, and what becomes of their VMs, their calls and their connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.lab import Lab, new_lab
from tests.support.waiting import attempts

from .conftest import Client, connect


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A pool of three hosts."""
    with new_lab("--hosts", "3") as lab:
        yield lab


@pytest.fixture
def client(lab: Lab) -> Client:
    return connect(lab.url)


def members(client: Client) -> list[str]:
    return [host for host in client.xapi.host.get_all() if host != client.host]


def uuid(client: Client, host: str) -> str:
    return str(client.xapi.host.get_uuid(host))


def is_live(client: Client, host: str) -> bool:
    return bool(client.xapi.host_metrics.get_live(client.xapi.host.get_metrics(host)))


def running_on(client: Client, host: str) -> str:
    vm = client.vm()
    client.xapi.VM.start_on(vm, host, False, False)
    return vm


def test_vms_of_a_dead_host_stay_running_in_the_database(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vm = running_on(client, host)
    lab.kill_host(uuid(client, host))
    assert not is_live(client, host)
    assert client.xapi.host.get_enabled(host)
    assert client.xapi.VM.get_power_state(vm) == "Running"
    assert client.xapi.VM.get_resident_on(vm) == host
    assert client.error(client.xapi.VM.hard_shutdown, vm) == ["HOST_OFFLINE", host]
    assert client.error(client.xapi.VM.start_on, client.vm(), host, False, False) == ["HOST_NOT_LIVE"]


def test_a_dead_host_accepts_no_connections(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    address = client.xapi.host.get_address(host)
    lab.kill_host(uuid(client, host))
    with pytest.raises(OSError):
        connect(lab.at(address))


def test_power_state_reset_after_the_death_only(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vm, here = running_on(client, host), running_on(client, client.host)
    assert client.error(client.xapi.VM.power_state_reset, vm) == ["HOST_IS_LIVE", host]
    assert client.error(client.xapi.VM.power_state_reset, here) == ["DOMAIN_EXISTS", here]
    lab.kill_host(uuid(client, host))
    client.xapi.VM.power_state_reset(vm)
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    assert client.xapi.VM.get_resident_on(vm) == "OpaqueRef:NULL"
    client.start(vm)
    assert client.xapi.VM.get_resident_on(vm) != host


def test_an_unnoticed_death_shows_when_the_host_is_asked(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vm = running_on(client, host)
    lab.kill_host(uuid(client, host), noticed=False)
    assert is_live(client, host)
    assert client.error(client.xapi.VM.hard_shutdown, vm) == ["CANNOT_CONTACT_HOST", host]
    client.xapi.VM.power_state_reset(vm)


def test_work_of_a_dying_host_fails(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vm = client.vm()
    lab.pace(start_on=60.0)
    task = getattr(client.xapi, "Async.VM.start_on")(vm, host, False, False)
    client.wait(lambda: client.xapi.VM.get_current_operations(vm), bool)
    lab.kill_host(uuid(client, host))
    client.wait(lambda: client.xapi.task.get_status(task), lambda status: status != "pending")
    assert client.xapi.task.get_error_info(task) == ["CANNOT_CONTACT_HOST", host]
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    assert client.xapi.VM.get_current_operations(vm) == {}


def test_a_move_away_from_a_dying_host_fails(lab: Lab, client: Client) -> None:
    source, target = members(client)
    vm = client.vm(HVM_boot_policy="")
    client.xapi.VM.start_on(vm, source, False, False)
    before = client.xapi.host.compute_free_memory(target)
    lab.pace(pool_migrate=60.0)
    task = getattr(client.xapi, "Async.VM.pool_migrate")(vm, target, {})
    client.wait(lambda: client.xapi.VM.get_current_operations(vm), bool)
    assert client.xapi.host.compute_free_memory(target) != before
    lab.kill_host(uuid(client, source))
    client.wait(lambda: client.xapi.task.get_status(task), lambda status: status != "pending")
    assert client.xapi.task.get_error_info(task) == ["CANNOT_CONTACT_HOST", source]
    assert client.xapi.VM.get_resident_on(vm) == source
    assert client.xapi.host.compute_free_memory(target) == before
    assert client.xapi.host.get_current_operations(target) == {}


def test_a_revived_host_has_halted_vms_and_takes_new_ones(lab: Lab, client: Client) -> None:
    host = members(client)[0]
    vm = running_on(client, host)
    lab.kill_host(uuid(client, host))
    lab.revive_host(uuid(client, host))
    assert is_live(client, host)
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    running_on(client, host)
    assert client.error(connect, lab.at(client.xapi.host.get_address(host)))[0] == "HOST_IS_SLAVE"


def connect_when_there(url: str) -> Client:
    for _attempt in attempts():
        with suppress(OSError):
            return connect(url)
    raise AssertionError("the coordinator did not come back")


def test_a_coordinator_that_comes_back_knows_no_sessions(lab: Lab, client: Client) -> None:
    vm = client.vm(name_label="kept")
    elsewhere = running_on(client, members(client)[0])
    lab.kill_host(uuid(client, client.host), seconds=0.2)
    again = connect_when_there(lab.url)
    assert again.session.handle != client.session.handle
    assert again.xapi.VM.get_name_label(vm) == "kept"
    assert again.xapi.VM.get_power_state(elsewhere) == "Running"
    assert again.xapi.task.get_all() == []


def test_the_last_host_does_not_die_for_good(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    with pytest.raises(OSError, match="400"):
        lab.kill_host(uuid(client, client.host))
