# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another host becomes the coordinator, asked or in an emergency; hosts that leave the pool."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import XenAPI

from tests.support.lab import PASSWORD, Lab, new_lab
from tests.support.waiting import attempts

from .conftest import Client, connect

FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A pool of three hosts."""
    with new_lab("--hosts", "3") as lab:
        yield lab


@pytest.fixture
def client(lab: Lab) -> Client:
    return connect(lab.url)


def at(client: Client, address: str) -> str:
    (host,) = [host for host, record in client.xapi.host.get_all_records().items() if record["address"] == address]
    return str(host)


def raw(lab: Lab, address: str) -> Any:
    return xmlrpc.client.ServerProxy(lab.at(address))


def until(ask: Callable[[], Any]) -> Any:
    """What it answers once it no longer fails."""
    for _attempt in attempts():
        with suppress(OSError, XenAPI.Failure, xmlrpc.client.Fault):
            return ask()
    return ask()


def session_ends(client: Client) -> None:
    """Wait until the server knows the session no more; the SDK would log in again."""
    server = xmlrpc.client.ServerProxy(client.url)
    for _attempt in attempts():
        try:
            if server.session.get_uuid(client.session.handle, client.session.handle)["Status"] == "Failure":
                return
        except OSError:
            continue
    raise AssertionError("the session lives on")


def login_error(lab: Lab, address: str) -> list[str]:
    found: list[str] = raw(lab, address).session.login_with_password("root", PASSWORD)["ErrorDescription"]
    return found


def emergency(lab: Lab, address: str) -> tuple[Any, str]:
    """A host's calls and a local session for them."""
    server = raw(lab, address)
    return server, server.session.slave_local_login_with_password("root", PASSWORD)["Value"]


def test_the_designated_host_takes_over_with_the_database(lab: Lab, client: Client) -> None:
    vm = client.vm(name_label="kept")
    client.xapi.VM.start_on(vm, at(client, THIRD), False, False)
    client.xapi.task.create("mine", "")
    client.xapi.pool.designate_new_master(at(client, SECOND))
    session_ends(client)
    assert login_error(lab, FIRST) == ["HOST_IS_SLAVE", SECOND]
    assert login_error(lab, THIRD) == ["HOST_IS_SLAVE", SECOND]
    second = connect(lab.at(SECOND))
    assert second.xapi.pool.get_master(second.pool) == at(second, SECOND)
    assert second.xapi.VM.get_name_label(vm) == "kept"
    assert second.xapi.VM.get_power_state(vm) == "Running"
    assert second.xapi.task.get_all() == []


def test_old_sessions_are_good_nowhere(lab: Lab, client: Client) -> None:
    client.xapi.pool.designate_new_master(at(client, SECOND))
    session_ends(client)
    for address in (FIRST, SECOND, THIRD):
        answer = raw(lab, address).VM.get_all(client.session.handle)
        assert answer["ErrorDescription"] == ["SESSION_INVALID", client.session.handle]


def test_connections_break_off(lab: Lab, client: Client) -> None:
    waiting = XenAPI.Session(lab.url)
    waiting.xenapi.login_with_password("root", PASSWORD, "1.0", "waits")
    token = getattr(waiting.xenapi.event, "from")(["vm"], "", 0.0)["token"]
    client.xapi.pool.designate_new_master(at(client, SECOND))
    with pytest.raises((OSError, XenAPI.Failure, xmlrpc.client.Fault)):
        getattr(waiting.xenapi.event, "from")(["vm"], token, 60.0)


def test_designating_the_coordinator_changes_nothing(client: Client) -> None:
    client.xapi.pool.designate_new_master(client.host)
    assert client.xapi.pool.get_master(client.pool) == client.host


def test_every_host_must_hear_of_the_new_coordinator(lab: Lab, client: Client) -> None:
    third = at(client, THIRD)
    lab.kill_host(client.xapi.host.get_uuid(third))
    assert client.error(client.xapi.pool.designate_new_master, third) == ["HOST_OFFLINE", third]
    assert client.error(client.xapi.pool.designate_new_master, at(client, SECOND)) == ["HOST_OFFLINE", third]
    assert client.error(client.xapi.pool.sync_database) == ["HOST_OFFLINE", third]


def test_an_emergency_transition_after_the_coordinators_death(lab: Lab, client: Client) -> None:
    vm = client.vm(name_label="kept")
    client.xapi.VM.start_on(vm, client.host, False, False)
    old = client.host
    lab.control_url = lab.at(THIRD)
    lab.kill_host(client.xapi.host.get_uuid(old))
    second, session = emergency(lab, SECOND)
    assert second.host.is_in_emergency_mode(session)["Value"] is True
    assert login_error(lab, SECOND) == ["HOST_IS_SLAVE", FIRST]
    assert second.pool.emergency_transition_to_master(session)["Status"] == "Success"
    new = until(lambda: connect(lab.at(SECOND)))
    assert new.xapi.pool.get_master(new.pool) == at(new, SECOND)
    assert new.xapi.host_metrics.get_live(new.xapi.host.get_metrics(old)) is False
    assert new.xapi.VM.get_power_state(vm) == "Running"
    assert login_error(lab, THIRD) == ["HOST_IS_SLAVE", FIRST]
    third = at(new, THIRD)
    assert new.xapi.pool.recover_slaves() == [third]
    assert until(lambda: login_error(lab, THIRD)) == ["HOST_IS_SLAVE", SECOND]
    new.xapi.host.declare_dead(old)
    assert new.xapi.VM.get_power_state(vm) == "Halted"
    lab.revive_host(new.xapi.host.get_uuid(old))
    assert login_error(lab, FIRST) == ["HOST_IS_SLAVE", SECOND]


def test_a_member_is_told_of_another_coordinator(lab: Lab, client: Client) -> None:
    second, session = emergency(lab, SECOND)
    assert second.pool.emergency_reset_master(session, "127.0.0.77")["Status"] == "Success"
    assert login_error(lab, SECOND) == ["HOST_IS_SLAVE", "127.0.0.77"]
    assert client.xapi.pool.recover_slaves() == [host for host in client.xapi.host.get_all() if host != client.host]
    assert until(lambda: login_error(lab, SECOND)) == ["HOST_IS_SLAVE", FIRST]


def test_no_second_coordinator_beside_a_living_one(lab: Lab, client: Client) -> None:
    second, session = emergency(lab, SECOND)
    assert second.host.is_in_emergency_mode(session)["Value"] is False
    assert second.pool.is_slave(session, client.host)["Value"] is True
    assert client.xapi.pool.is_slave(at(client, SECOND)) is False
    second.pool.emergency_transition_to_master(session)
    assert client.xapi.pool.get_master(client.pool) == client.host


def test_a_restarted_agent_ends_sessions_of_the_coordinator_only(client: Client) -> None:
    client.xapi.host.restart_agent(at(client, SECOND))
    client.xapi.VM.get_all()
    client.xapi.host.restart_agent(client.host)
    session_ends(client)


def test_a_host_leaves_the_pool_with_its_own_storage(lab: Lab, client: Client) -> None:
    second = at(client, SECOND)
    vm = client.vm()
    client.xapi.VM.start_on(vm, second, False, False)
    assert client.error(client.xapi.pool.eject, second) == ["OPERATION_NOT_ALLOWED", "VM resident on host"]
    assert client.error(client.xapi.pool.eject, client.host) == ["INTERNAL_ERROR", "Xapi_pool.Cannot_eject_master"]
    client.xapi.VM.hard_shutdown(vm)
    client.xapi.pool.eject(second)
    assert second not in client.xapi.host.get_all()
    assert len(client.xapi.SR.get_by_name_label("Local storage")) == 2
    with pytest.raises(OSError):
        for _attempt in attempts():
            login_error(lab, SECOND)
