# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What surprises people about XAPI's protocols, one test each: traps 8, 9, 11 to 15, 19, 28, 29 and 32."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.support.lab import PASSWORD, Lab

from .conftest import VM, Client, connect

LAB = ("--hosts", "2")
Server = tuple[Lab, Path | None]


def post(client: Client, path: str, body: str | bytes) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(client.url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, context=client.context)
        if client.context
        else http.client.HTTPConnection(host, port)
    )
    connection.request("POST", path, body)
    return connection.getresponse()


def transport(client: Client) -> Any:
    return xmlrpc.client.SafeTransport(context=client.context) if client.context else None


def events(client: Client, classes: list[str], token: str, timeout: float = 0.0) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client.xapi.event, "from")(classes, token, timeout)
    return answer


def test_trap_08_integers_are_text_in_xml_and_numbers_in_json(client: Client) -> None:
    vm, handle = client.vm(user_version=str(2**40)), client.session.handle
    with pytest.raises(OverflowError):
        xmlrpc.client.dumps((2**40,))
    body = xmlrpc.client.dumps((handle, vm), "VM.get_user_version")
    assert f"<value>{2**40}</value>" in post(client, "/", body).read().decode()
    call = {"jsonrpc": "2.0", "method": "VM.get_user_version", "params": [handle, vm], "id": 1}
    assert json.loads(post(client, "/jsonrpc", json.dumps(call)).read())["result"] == 2**40


def test_trap_09_errors_come_with_status_200_and_those_of_uploads_only_in_the_task(client: Client) -> None:
    body = xmlrpc.client.dumps((client.session.handle, "OpaqueRef:x"), "VM.get_uuid")
    answer = post(client, "/", body)
    assert answer.status == 200 and b"HANDLE_INVALID" in answer.read()
    vdi = client.disk(virtual_size=str(2 * 1024**2))
    record = client.upload(vdi, b"x" * (2 * 1024**2 + 1))
    assert (record["status"], record["error_info"][0]) == ("failure", "VDI_IO_ERROR")


def test_trap_11_nothing_follows_the_refusal_of_a_member_nor_the_redirect_of_an_upload(client: Client) -> None:
    parts = urllib.parse.urlsplit(client.url)
    at_member = f"{parts.scheme}://127.0.0.2:{parts.port}"
    with pytest.raises(XenAPI.Failure) as failure:
        XenAPI.Session(at_member, transport=transport(client)).login_with_password("root", PASSWORD)
    assert failure.value.details == ["HOST_IS_SLAVE", "127.0.0.1"]
    member = next(ref for ref in client.xapi.host.get_all() if ref != client.host)
    pbds = [client.xapi.PBD.get_record(pbd) for pbd in client.xapi.host.get_PBDs(member)]
    local = next(pbd["SR"] for pbd in pbds if not client.xapi.SR.get_shared(pbd["SR"]))
    vdi = client.disk(SR=local)
    answer = client.put("/import_raw_vdi", b"data", vdi=vdi)
    assert answer.status == 302
    location = urllib.parse.urlsplit(answer.headers["Location"])
    assert (location.hostname, location.path) == ("127.0.0.2", "/import_raw_vdi")
    assert urllib.parse.parse_qs(location.query) == {"session_id": [client.session.handle], "vdi": [vdi]}


@pytest.mark.parametrize("wire", ["http", "https"], indirect=True)
def test_trap_12_sdk_logs_in_anew_and_the_session_is_another_one(client: Client, server: Server) -> None:
    before = client.session.handle
    assert server[0].expire_sessions() >= 1
    assert client.pool in client.xapi.pool.get_all()
    assert client.session.handle != before
    assert client.get("/export_raw_vdi", vdi=client.disk()).status == 200


def test_trap_13_results_are_xml_and_the_oldest_ended_tasks_vanish(client: Client) -> None:
    first = client.xapi.Async.VM.create(VM)
    assert client.ended(first)["result"].startswith("<value>OpaqueRef:")
    for _ in range(210):
        client.xapi.Async.host.compute_free_memory(client.host)
    client.ended(client.xapi.Async.host.compute_free_memory(client.host))
    assert client.error(client.xapi.task.get_status, first) == ["HANDLE_INVALID", "task", first]


def test_trap_14_events_coalesce_and_old_deletions_are_missed(client: Client) -> None:
    vm = client.vm()
    token = events(client, ["vm"], "")["token"]
    old = token
    for label in ("one", "two"):
        client.xapi.VM.set_name_label(vm, label)
    client.xapi.VM.destroy(client.vm())
    answer = events(client, ["vm"], token)
    assert [(event["ref"], event["snapshot"]["name_label"]) for event in answer["events"]] == [(vm, "two")]
    seen = client.xapi.VM.create(VM)
    token = events(client, ["vm"], answer["token"])["token"]
    client.xapi.VM.destroy(seen)
    deleted = events(client, ["vm"], token)["events"]
    assert [(event["ref"], event["operation"]) for event in deleted] == [(seen, "del")]
    survivors = [client.vm() for _ in range(600)]
    token = events(client, ["vm"], old)["token"]
    for ref in survivors:
        client.xapi.VM.destroy(ref)
    answer = events(client, ["vm"], token)
    assert 256 <= len(answer["events"]) < 600
    assert int(answer["valid_ref_counts"]["vm"]) == len(client.xapi.VM.get_all())


def test_trap_15_event_from_answers_a_struct(client: Client) -> None:
    answer = events(client, ["pool"], "")
    assert sorted(answer) == ["events", "token", "valid_ref_counts"]
    [event] = answer["events"]
    assert sorted(event) == ["class", "id", "operation", "ref", "snapshot", "timestamp"]
    assert (event["class"], event["operation"], event["ref"]) == ("pool", "add", client.pool)
    assert event["snapshot"] == client.xapi.pool.get_record(client.pool)


def test_trap_19_keys_are_added_once_and_whole_maps_overwrite_one_another(client: Client) -> None:
    vm = client.vm()
    client.xapi.VM.add_to_other_config(vm, "key", "value")
    error = client.error(client.xapi.VM.add_to_other_config, vm, "key", "value")
    assert error == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "key"]
    mine, theirs = client.xapi.VM.get_other_config(vm), client.xapi.VM.get_other_config(vm)
    client.xapi.VM.set_other_config(vm, {**mine, "mine": ""})
    client.xapi.VM.set_other_config(vm, {**theirs, "theirs": ""})
    assert "mine" not in client.xapi.VM.get_other_config(vm)
    client.xapi.VM.set_other_config(vm, {})
    assert client.xapi.VM.get_other_config(vm) == {}


def test_trap_28_sessions_of_one_originator_are_evicted_without_notice(client: Client) -> None:
    proxy: Any = xmlrpc.client.ServerProxy(client.url, transport=transport(client))
    logins = [proxy.session.login_with_password("root", PASSWORD, "1.0", "many")["Value"] for _ in range(510)]
    assert proxy.pool.get_all(logins[-1])["Status"] == "Success"
    assert proxy.pool.get_all(logins[0])["ErrorDescription"] == ["SESSION_INVALID", logins[0]]
    assert proxy.pool.get_all(client.session.handle)["Status"] == "Success"


def test_trap_29_wrong_password_takes_seconds(client: Client) -> None:
    began = time.monotonic()
    with pytest.raises(XenAPI.Failure) as failure:
        XenAPI.Session(client.url, transport=transport(client)).login_with_password("root", "wrong")
    assert failure.value.details[0] == "SESSION_AUTHENTICATION_FAILED"
    assert time.monotonic() - began >= 1.9


def test_trap_32_async_calls_tell_of_rights_and_states_only_in_their_task(client: Client, wire: str) -> None:
    vm = client.vm()
    client.start(vm)
    info = client.ended(client.xapi.Async.VM.start(vm, False, False))["error_info"]
    assert info == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    reader = connect(client.url, client.context, wire, user="read-only")
    task = reader.xapi.Async.VM.hard_shutdown(vm)
    assert client.ended(task)["error_info"][0] == "RBAC_PERMISSION_DENIED"
    assert client.error(reader.xapi.Async.VM.no_such, vm)[0] == "MESSAGE_METHOD_UNKNOWN"
