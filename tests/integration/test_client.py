# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client and what passes: sessions that end, servers that restart, coordinators that hand over or die."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.reading import CLASSES, host_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.client import Client
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.connection import _is_closed
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import Unreachable
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.read import read_host_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.tls import Endpoint
from tests.support.ansible import run_module
from tests.support.lab import PASSWORD, Lab, new_lab
from tests.support.waiting import attempts

FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"
KEY = "tests:mark"


@pytest.fixture
def hosts() -> Iterator[Lab]:
    """A host pool of three hosts; its third is asked for what is the lab's own, as the others come and go."""
    with new_lab("--hosts", "3") as lab:
        lab.control_url = lab.at(THIRD)
        yield lab


def client_of(lab: Lab, patience: float = 300.0) -> Client:
    return Client(Endpoint(lab.url, "root", PASSWORD), patience=patience)


def host_at(lab: Lab, address: str) -> str:
    return next(host["uuid"] for host in lab.hosts() if host["address"] == address)


def kill(lab: Lab, client: Client, **how: Any) -> None:
    """Take the first host's power, and wait until the client's connection has ended by it."""
    lab.kill_host(host_at(lab, FIRST), **how)
    connection = client._local.connection._http
    assert any(connection.sock is None or _is_closed(connection) for _attempt in attempts())


def mark(client: Client, pool: str) -> None:
    """Write something that cannot be written twice."""
    client.call("pool.add_to_other_config", pool, KEY, "done")


def marks(client: Client) -> list[str]:
    return [pool["other_config"].get(KEY, "") for pool in client.read("pool.get_all_records").values()]


def test_a_host_pool_reads_the_same_over_both_protocols(lab: Lab, master: dict[str, Any]) -> None:
    with client_of(lab) as client:
        over_json = read_host_pool(client)
        over_xml = host_pool({cls: client.call(f"{cls}.get_all_records") for cls in CLASSES})
    assert over_json.disks
    assert asdict(over_json) == asdict(over_xml)


def test_looking_costs_fifteen_calls_at_most(lab: Lab, master: dict[str, Any]) -> None:
    lab.reset_calls()
    assert not run_module(lab, "vm_pool_info").failed
    assert len(lab.calls()["log"]) <= 15


def test_sessions_that_end_under_many_threads(lab: Lab) -> None:
    with client_of(lab) as client:
        pool = read_host_pool(client).ref
        assert lab.expire_sessions("skinnybox") == 1
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: client.call("pool.add_to_other_config", pool, f"{KEY}:{n}", ""), range(16)))
        assert client.generation == 1
        assert sum(key.startswith(KEY) for key in client.call("pool.get_other_config", pool)) == 16
    assert not [session for session in lab.sessions() if session["originator"] == "skinnybox"]


def test_a_coordinator_that_hands_over_is_followed(hosts: Lab) -> None:
    with client_of(hosts) as client:
        pool = read_host_pool(client).ref
        second = hosts.xapi.host.get_by_uuid(host_at(hosts, SECOND))
        hosts.xapi.pool.designate_new_master(second)
        for _attempt in attempts():
            client.read("pool.get_all")  # never fails, whatever happens meanwhile
            if client.generation and client.endpoint.url == hosts.at(SECOND):
                break
        mark(client, pool)
        assert client.endpoint.url == hosts.at(SECOND)
        assert marks(client) == ["done"]


def test_a_coordinator_that_dies_is_replaced_by_the_host_that_takes_over(hosts: Lab) -> None:
    with client_of(hosts) as client:
        pool = read_host_pool(client).ref
        kill(hosts, client)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(mark, client, pool)
            second = xmlrpc.client.ServerProxy(hosts.at(SECOND))
            session = second.session.slave_local_login_with_password("root", PASSWORD)["Value"]  # type: ignore[index,call-overload]
            assert not waiting.done()
            second.pool.emergency_transition_to_master(session)
            waiting.result(timeout=120)
        assert client.endpoint.url == hosts.at(SECOND)
        assert marks(client) == ["done"]


def test_a_coordinator_that_is_away_for_a_while_is_waited_for(hosts: Lab) -> None:
    with client_of(hosts) as client:
        pool = read_host_pool(client).ref
        kill(hosts, client, seconds=1)
        mark(client, pool)
        assert client.endpoint.url == hosts.url
        assert marks(client) == ["done"]


def test_a_coordinator_that_stays_away_is_named(hosts: Lab) -> None:
    with client_of(hosts, patience=0.5) as client:
        pool = read_host_pool(client).ref
        kill(hosts, client)
        with pytest.raises(Unreachable, match=f"^{client.endpoint.host} refuses the connection"):
            mark(client, pool)
