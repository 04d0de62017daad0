# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several hosts to a pool, several pools: who is asked at which address, and what each of them has."""

from __future__ import annotations

import ssl
import urllib.parse
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import PASSWORD, Lab, new_lab

from .conftest import Client, connect
from .test_state import Command


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two pools of three hosts, over TLS."""
    with new_lab("--hosts", "3", "--pools", "2", ca=tmp_path_factory.mktemp("tls") / "ca.pem") as lab:
        yield lab


def at(lab: Lab, address: str) -> str:
    """The lab's URL at another address."""
    parts = urllib.parse.urlsplit(lab.url)
    return f"{parts.scheme}://{address}:{parts.port}"


def raw(lab: Lab, address: str) -> Any:
    """Calls as they are, answers as they come."""
    return xmlrpc.client.ServerProxy(at(lab, address), context=lab.context)


@pytest.fixture(scope="module")
def first(lab: Lab) -> Client:
    return connect(lab.url, lab.context)


@pytest.fixture(scope="module")
def second(lab: Lab) -> Client:
    return connect(at(lab, "127.0.1.1"), lab.context)


def test_every_host_has_its_own_parts(first: Client) -> None:
    hosts = first.xapi.host.get_all_records()
    assert sorted(host["address"] for host in hosts.values()) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    local = [sr for sr in first.xapi.SR.get_all_records().values() if not sr["shared"]]
    pbds = first.xapi.PBD.get_all_records()
    assert sorted(pbds[pbd]["host"] for sr in local for pbd in sr["PBDs"]) == sorted(hosts)
    for ref, host in hosts.items():
        assert len(host["host_CPUs"]) == 8
        assert len(host["PBDs"]) == 4
        assert first.xapi.host_metrics.get_live(host["metrics"])
        assert first.xapi.VM.get_resident_on(host["control_domain"]) == ref
        (pif,) = host["PIFs"]
        assert first.xapi.PIF.get_IP(pif) == host["address"]
        assert first.xapi.PIF.get_network(pif) == first.network


def test_pools_know_nothing_of_each_other(first: Client, second: Client) -> None:
    for cls in ("host", "SR", "PBD", "VM", "network", "pool", "task"):
        mine = set(getattr(first.xapi, cls).get_all())
        assert not mine & set(getattr(second.xapi, cls).get_all()), cls
    vm = second.vm(name_label="there")
    assert first.error(first.xapi.VM.get_record, vm) == ["HANDLE_INVALID", "VM", vm]


@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.3"])
def test_a_member_sends_to_the_coordinator_before_it_looks_at_the_password(lab: Lab, address: str) -> None:
    answer = raw(lab, address).session.login_with_password("root", "no such password")
    assert answer == {"Status": "Failure", "ErrorDescription": ["HOST_IS_SLAVE", "127.0.0.1"]}


@pytest.mark.parametrize("method", ["VM.get_all", "Async.VM.clone", "pool.sync_database", "no.such_method"])
def test_a_member_refuses_calls_of_good_sessions(lab: Lab, first: Client, method: str) -> None:
    arguments = ["OpaqueRef:NULL", "name"] if method == "Async.VM.clone" else []
    answer = getattr(raw(lab, "127.0.0.2"), method)(first.session.handle, *arguments)
    assert answer["ErrorDescription"] == ["HOST_IS_SLAVE", "127.0.0.1"]
    answer = getattr(raw(lab, "127.0.0.2"), method)("OpaqueRef:none", *arguments)
    assert answer["ErrorDescription"] == ["SESSION_INVALID", "OpaqueRef:none"]


def test_a_session_of_the_other_pool_is_none(lab: Lab, second: Client) -> None:
    answer = raw(lab, "127.0.0.1").VM.get_all(second.session.handle)
    assert answer["ErrorDescription"] == ["SESSION_INVALID", second.session.handle]


def test_a_local_session_is_good_for_its_host_only(lab: Lab) -> None:
    member = raw(lab, "127.0.0.2")
    session = member.session.slave_local_login_with_password("root", PASSWORD)["Value"]
    assert member.host.is_in_emergency_mode(session)["Value"] is False
    answer = raw(lab, "127.0.0.3").VM.get_all(session)
    assert answer["ErrorDescription"] == ["SESSION_INVALID", session]
    member.session.local_logout(session)
    assert member.VM.get_all(session)["ErrorDescription"] == ["SESSION_INVALID", session]


def test_the_certificate_is_good_for_every_host(lab: Lab, first: Client, second: Client) -> None:
    assert isinstance(lab.context, ssl.SSLContext)
    for client in (first, second):
        for host in client.xapi.host.get_all_records().values():
            raw(lab, host["address"]).session.login_with_password("root", PASSWORD)


def test_the_log_tells_which_host_was_asked(lab: Lab, first: Client) -> None:
    lab.reset_calls()
    raw(lab, "127.0.0.3").session.login_with_password("root", PASSWORD)
    (entry,) = lab.calls()["log"]
    assert first.xapi.host.get_address(first.xapi.host.get_by_uuid(entry["host"])) == "127.0.0.3"


def test_memory_is_counted_for_each_host(first: Client) -> None:
    one, two, _three = first.xapi.host.get_all()
    before = {host: int(first.xapi.host.compute_free_memory(host)) for host in (one, two)}
    vm = first.vm()
    first.xapi.VM.start_on(vm, two, False, False)
    needed = 256 * 1024**2 + int(first.xapi.VM.get_memory_overhead(vm))
    assert int(first.xapi.host.compute_free_memory(one)) == before[one]
    assert int(first.xapi.host.compute_free_memory(two)) == before[two] - needed
    metrics = first.xapi.host.get_metrics(two)
    assert int(first.xapi.host_metrics.get_record(metrics)["memory_free"]) == before[two] - needed
    first.xapi.VM.hard_shutdown(vm)
    assert int(first.xapi.host.compute_free_memory(two)) == before[two]


def test_a_pool_of_several_hosts_joins_no_other(first: Client, second: Client) -> None:
    refused = first.error(second.xapi.pool.join, "127.0.0.1", "root", PASSWORD)
    assert refused == ["JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS"]
    assert first.error(second.xapi.pool.join, "127.0.0.2", "root", PASSWORD) == ["HOST_IS_SLAVE", "127.0.0.1"]
    refused = first.error(second.xapi.pool.join, "127.0.1.1", "root", PASSWORD)
    assert refused == ["OPERATION_NOT_ALLOWED", "Host is already part of a pool"]


def test_more_hosts_in_the_background(tmp_path: Path) -> None:
    command = Command(tmp_path / "state")
    try:
        assert command("up", "--without-guests", "--hosts", "2", "--pools", "2").returncode == 0
        status = command.status()
        clients = [connect(plain, None) for _secure, plain in status["pools"]]
        vms = [client.vm(name_label=f"kept {number}") for number, client in enumerate(clients)]
        assert command("down").returncode == 0
        assert command("up", "--without-guests").returncode == 0
        assert command.status()["pools"] == status["pools"]
        for number, (_secure, plain) in enumerate(status["pools"]):
            client = connect(plain, None)
            assert len(client.xapi.host.get_all()) == 2
            assert client.xapi.VM.get_name_label(vms[number]) == f"kept {number}"
        _works_without_the_first_host(command)
    finally:
        command("down", "--destroy")


def _works_without_the_first_host(command: Command) -> None:
    """The lab's own channel is there as long as any host is."""
    status = command.status()
    first, *others = status["hosts"]
    lab = Lab(status["urls"][1], None)  # type: ignore[arg-type]
    lab.control_url = lab.at(others[0]["address"])
    lab.kill_host(first["uuid"])
    status = command.status()
    assert [host["on"] for host in status["hosts"]] == [False, True, True, True]
    assert first["address"] in command("status").stdout
    assert command("calls").returncode == 0
