# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions: who they are of, how many there may be, and what ends with them."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

from tests.support.lab import PASSWORD

from .conftest import Client


def server(client: Client) -> xmlrpc.client.ServerProxy:
    """XAPI without the SDK, which would log in again by itself."""
    return xmlrpc.client.ServerProxy(client.url, context=client.context)


def login(api: xmlrpc.client.ServerProxy, originator: str, user: str = "root") -> str:
    answer: Any = api.session.login_with_password(user, PASSWORD, "1.0", originator)
    return str(answer["Value"])


def is_valid(api: xmlrpc.client.ServerProxy, session: str) -> bool:
    answer: Any = api.session.get_uuid(session, session)
    if answer["Status"] == "Success":
        return True
    assert answer["ErrorDescription"] == ["SESSION_INVALID", session]
    return False


def test_an_originator_has_500_sessions_and_the_oldest_idle_ones_go(client: Client) -> None:
    with server(client) as api:
        busy, first = login(api, "many"), login(api, "many")
        other = login(api, "other")
        api.task.create(busy, "still running", "")
        for _number in range(499):
            last = login(api, "many")
        assert is_valid(api, busy) and is_valid(api, last) and is_valid(api, other)
        assert not is_valid(api, first)


def test_a_person_without_originator_has_sessions_of_their_own(client: Client) -> None:
    with server(client) as api:
        root = login(api, "")
        mine = login(api, "", "read-only")
        for _number in range(500):
            last = login(api, "", "read-only")
        assert not is_valid(api, mine)
        assert is_valid(api, root) and is_valid(api, last)


def test_logout_ends_only_this_session_and_leaves_its_tasks(client: Client) -> None:
    with server(client) as api:
        one, other = login(api, "x"), login(api, "x")
        task: Any = api.task.create(one, "label", "")
        api.session.logout(one)
        assert not is_valid(api, one) and is_valid(api, other)
        answer: Any = api.task.get_status(other, task["Value"])
        assert answer["Value"] == "pending"
        api.task.destroy(other, task["Value"])


def test_local_logout_is_for_local_sessions(client: Client) -> None:
    with server(client) as api:
        session = login(api, "x")
        api.session.local_logout(session)
        assert is_valid(api, session)
        answer: Any = api.session.slave_local_login_with_password("root", PASSWORD)
        local = answer["Value"]
        assert api.host.get_all(local) == api.host.get_all(session)
        api.session.local_logout(local)
        refused: Any = api.host.get_all(local)
        assert refused["ErrorDescription"] == ["SESSION_INVALID", local]


def test_people_have_no_local_sessions(client: Client) -> None:
    error = client.error(client.xapi.session.slave_local_login_with_password, "read-only", PASSWORD)
    assert error[0] in ("SESSION_AUTHENTICATION_FAILED", "MESSAGE_PARAMETER_COUNT_MISMATCH")


def test_other_config_of_a_session_is_its_own(client: Client) -> None:
    session = client.session.handle
    client.xapi.session.add_to_other_config(session, "key", "value")
    assert client.xapi.session.get_other_config(session) == {"key": "value"}
    client.xapi.session.remove_from_other_config(session, "key")
    client.xapi.session.set_other_config(session, {})
    assert client.xapi.session.get_other_config(session) == {}


def test_calls_outside_the_data_model(client: Client) -> None:
    with server(client) as api:
        names: Any = api.system.listMethods()
        # no status goes with it
        assert "VM.start" in names and "VM_start" not in names
        session = login(api, "x")
        vms: Any = api.VM_get_all(session)
        again: Any = api.VM.get_all(session)
        assert vms["Status"] == "Success" and set(vms["Value"]) == set(again["Value"])


def test_root_changes_the_password_without_the_old_one(client: Client) -> None:
    client.xapi.session.change_password("not the old one", "new")
    try:
        with server(client) as api:
            refused: Any = api.session.login_with_password("root", PASSWORD)
            assert refused["ErrorDescription"] == ["SESSION_AUTHENTICATION_FAILED", "root", "Authentication failure"]
            assert api.session.login_with_password("root", "new")["Status"] == "Success"
    finally:
        client.xapi.session.change_password("", PASSWORD)
