# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories and their links in a pool of several hosts: shared or not, and hosts that are dead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab, new_lab

from .conftest import Client, connect

GIB = 1024**3


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A pool of two hosts."""
    with new_lab("--hosts", "2") as lab:
        yield lab


@pytest.fixture
def client(lab: Lab) -> Client:
    return connect(lab.url)


def member(client: Client) -> str:
    [host] = [host for host in client.xapi.host.get_all() if host != client.host]
    return str(host)


def repository(client: Client, host: str, shared: bool) -> str:
    return str(client.xapi.SR.create(host, {"a": "b"}, str(GIB), "made", "", "nfs", "user", shared, {}))


def links(client: Client, sr: str) -> dict[str, bool]:
    """host -> whether the repository is plugged there."""
    records = [client.xapi.PBD.get_record(pbd) for pbd in client.xapi.SR.get_PBDs(sr)]
    assert all(record["device_config"] == {"a": "b"} for record in records)
    return {record["host"]: record["currently_attached"] for record in records}


def test_shared_repository_is_plugged_on_all_hosts_another_on_one(client: Client) -> None:
    other = member(client)
    assert links(client, repository(client, other, shared=True)) == {client.host: True, other: True}
    assert links(client, repository(client, other, shared=False)) == {other: True}


def test_repository_that_is_not_shared_has_one_plug(client: Client) -> None:
    sr = repository(client, client.host, shared=False)
    pbd = client.xapi.PBD.create({"host": member(client), "SR": sr, "device_config": {}})
    assert client.error(client.xapi.PBD.plug, pbd) == ["SR_NOT_SHARABLE", sr, client.host]
    client.xapi.SR.set_shared(sr, True)
    client.xapi.PBD.plug(pbd)
    assert client.error(client.xapi.SR.set_shared, sr, False) == ["SR_HAS_MULTIPLE_PBDS", *client.xapi.SR.get_PBDs(sr)]


def test_state_file_needs_a_plug_on_each_host(client: Client) -> None:
    sr = repository(client, client.host, shared=True)
    client.xapi.SR.assert_can_host_ha_statefile(sr)
    client.xapi.PBD.unplug(client.xapi.SR.get_PBDs(sr)[0])
    for call in (client.xapi.SR.assert_can_host_ha_statefile, client.xapi.SR.assert_supports_database_replication):
        assert client.error(call, sr) == ["SR_HAS_NO_PBDS", sr]


def test_disks_that_only_a_dead_host_sees_are_out_of_reach(lab: Lab, client: Client) -> None:
    host = member(client)
    alone, shared = repository(client, host, shared=False), repository(client, host, shared=True)
    disk = client.disk(SR=alone)
    [pbd] = client.xapi.SR.get_PBDs(alone)
    lab.kill_host(client.xapi.host.get_uuid(host))
    try:
        for call in (
            lambda: client.disk(SR=alone),
            lambda: client.xapi.VDI.clone(disk, {}),
            lambda: client.xapi.VDI.destroy(disk),
            lambda: client.xapi.SR.scan(alone),
            lambda: client.xapi.PBD.unplug(pbd),
            lambda: repository(client, host, shared=False),
        ):
            assert client.error(call) == ["HOST_OFFLINE", host]
        assert client.xapi.VDI.get_current_operations(disk) == {}
        # the coordinator sees this one, too
        client.xapi.VDI.clone(client.disk(SR=shared), {})
        assert links(client, repository(client, client.host, shared=True)) == {client.host: True, host: False}
    finally:
        lab.revive_host(client.xapi.host.get_uuid(host))
    client.xapi.VDI.destroy(disk)


def test_plug_has_secrets_of_its_own(client: Client) -> None:
    uuid = client.xapi.secret.get_uuid(client.xapi.secret.create({"value": "word", "other_config": {}}))
    sr = client.xapi.SR.introduce("", "made", "", "nfs", "user", True, {})
    fields = {"host": client.host, "SR": sr, "device_config": {"cifspassword_secret": uuid, "a": "b"}}
    pbd = client.xapi.PBD.create(fields)
    config = client.xapi.PBD.get_device_config(pbd)
    copy = client.xapi.secret.get_by_uuid(config["cifspassword_secret"])
    assert (config["cifspassword_secret"] != uuid, config["a"]) == (True, "b")
    assert client.xapi.secret.get_value(copy) == "word"
    client.xapi.PBD.destroy(pbd)
    assert client.error(client.xapi.secret.get_value, copy) == ["HANDLE_INVALID", "secret", copy]
    client.xapi.secret.destroy(client.xapi.secret.get_by_uuid(uuid))
    assert client.error(client.xapi.PBD.create, fields) == ["UUID_INVALID", "secret", uuid]
    client.xapi.SR.forget(sr)
