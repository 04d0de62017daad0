# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Async calls, tasks, and waiting for events."""

from __future__ import annotations

import re
import threading
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Lab

from .conftest import Client, connect


def events(client: Client, classes: list[str], token: str, timeout: float = 5.0) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client.xapi.event, "from")(classes, token, timeout)
    return answer


def finished(client: Client, task: str) -> dict[str, Any]:
    record: dict[str, Any] = client.wait(
        lambda: client.xapi.task.get_record(task), lambda found: found["status"] != "pending"
    )
    return record


def test_async_call_answers_in_its_task(client: Client) -> None:
    vm = client.vm()
    record = finished(client, client.xapi.Async.VM.clone(vm, "clone"))
    [clone] = client.xapi.VM.get_by_name_label("clone")
    assert record["status"] == "success"
    assert record["result"] == f"<value>{clone}</value>"
    assert record["progress"] == 1.0
    client.xapi.VM.destroy(clone)


def test_async_error_is_in_the_task_only(client: Client) -> None:
    vm = client.vm()
    record = finished(client, client.xapi.Async.VM.hard_shutdown(vm))
    assert record["status"] == "failure"
    assert record["error_info"] == ["VM_BAD_POWER_STATE", vm, "paused, suspended, running", "halted"]


def test_synchronous_call_has_no_async_form(client: Client) -> None:
    assert client.error(client.xapi.Async.VM.get_power_state, client.vm())[0] == "Fault"


def test_destroyed_task_is_gone(client: Client) -> None:
    task = client.xapi.Async.VM.clone(client.vm(), "x")
    finished(client, task)
    client.xapi.task.destroy(task)
    assert client.error(client.xapi.task.get_status, task) == ["HANDLE_INVALID", "task", task]


def test_first_batch_tells_everything_there_is(client: Client) -> None:
    vm = client.vm()
    batch = events(client, ["vm"], "")
    assert {event["ref"] for event in batch["events"]} == set(client.xapi.VM.get_all())
    [found] = [event for event in batch["events"] if event["ref"] == vm]
    assert (found["operation"], found["class"], found["snapshot"]["name_label"]) == ("add", "vm", "vm")


def test_changes_come_as_one_event_with_the_newest_state(client: Client) -> None:
    vm = client.vm()
    token = events(client, [f"vm/{vm}"], "")["token"]
    client.xapi.VM.set_name_label(vm, "one")
    client.xapi.VM.set_name_label(vm, "two")
    [event] = events(client, [f"vm/{vm}"], token)["events"]
    assert (event["operation"], event["snapshot"]["name_label"]) == ("mod", "two")


def test_deletion_is_told_and_short_lives_are_not(client: Client) -> None:
    vm = client.vm()
    token = events(client, ["vm"], "")["token"]
    client.xapi.VM.destroy(vm)
    client.xapi.VM.destroy(client.vm())
    found = [(event["operation"], event["ref"]) for event in events(client, ["vm"], token)["events"]]
    assert found == [("del", vm)]


def test_waiting_ends_with_the_change(client: Client) -> None:
    vm = client.vm()
    token = events(client, [f"vm/{vm}"], "")["token"]
    other = connect(client.url, client.context)
    later = threading.Timer(0.3, other.xapi.VM.set_name_label, (vm, "changed"))
    later.start()
    began = time.monotonic()
    batch = events(client, [f"vm/{vm}"], token, 20.0)
    assert [event["snapshot"]["name_label"] for event in batch["events"]] == ["changed"]
    assert time.monotonic() - began < 10
    later.join()


def test_timeout_is_no_error(client: Client) -> None:
    token = events(client, ["vm"], "")["token"]
    assert events(client, ["vm"], token, 0.1)["events"] == []


def test_bad_token(client: Client) -> None:
    from_ = getattr(client.xapi.event, "from")
    assert client.error(from_, ["vm"], "bogus", 0.1) == ["EVENT_FROM_TOKEN_PARSE_FAILURE", "bogus"]


def test_relations_change_at_both_ends(client: Client) -> None:
    vm, disk = client.vm(), client.disk()
    token = events(client, [f"vm/{vm}", f"vdi/{disk}"], "")["token"]
    vbd = client.attach(vm, disk)
    found = {
        event["class"]: event["snapshot"]["VBDs"]
        for event in events(client, [f"vm/{vm}", f"vdi/{disk}"], token)["events"]
    }
    assert found == {"vm": [vbd], "vdi": [vbd]}


# ---- tasks of clients


@pytest.mark.parametrize("status", ["pending", "cancelling"])
def test_task_that_has_not_ended_is_marked_to_go(client: Client, status: str) -> None:
    task = client.xapi.task.create("a", "b")
    client.xapi.task.set_status(task, status)
    client.xapi.task.destroy(task)
    assert client.xapi.task.get_current_operations(task) == {"task": "destroy"}
    assert client.error(client.xapi.task.destroy, task) == [
        "MAP_DUPLICATE_KEY", "task", "current_operations", task, "task",
    ]  # fmt: skip
    # it goes with the next sweep after its end, or when it is destroyed again
    client.xapi.task.set_status(task, "success")
    assert client.xapi.task.get_status(task) == "success"
    client.xapi.task.destroy(task)
    assert client.error(client.xapi.task.get_status, task) == ["HANDLE_INVALID", "task", task]


def test_calls_about_tasks_and_events_have_no_task(client: Client) -> None:
    task = client.xapi.task.create("a", "b")
    before = client.xapi.task.get_all()
    dummy = client.xapi.Async.task.cancel(task)
    assert re.fullmatch(r"DummyRef:\|[0-9a-f-]{36}\|Async\.task\.cancel", dummy)
    assert client.error(client.xapi.task.get_status, dummy) == ["HANDLE_INVALID", "task", dummy]
    assert client.xapi.task.get_all() == before
    assert client.xapi.Async.event.register(["pool"]).startswith("DummyRef:")


def test_client_fills_its_task_in_by_hand(client: Client) -> None:
    task = client.xapi.task.create("label", "description")
    client.xapi.task.set_progress(task, 0.25)
    client.xapi.task.set_result(task, "<value>x</value>")
    client.xapi.task.set_error_info(task, ["A", "b"])
    client.xapi.task.set_status(task, "failure")
    record = client.xapi.task.get_record(task)
    assert (record["progress"], record["result"], record["error_info"], record["status"]) == (
        0.25, "<value>x</value>", ["A", "b"], "failure",
    )  # fmt: skip
    assert str(record["finished"]) == "19700101T00:00:00Z"
    assert task in client.xapi.session.get_tasks(client.session.handle)
    client.xapi.task.destroy(task)
    assert task not in client.xapi.session.get_tasks(client.session.handle)


def test_cancel_only_asks(client: Client) -> None:
    task = client.xapi.task.create("label", "")
    client.xapi.task.cancel(task)
    assert list(client.xapi.task.get_current_operations(task).values()) == ["cancel"]
    assert client.xapi.task.get_status(task) == "pending"
    assert client.xapi.task.get_allowed_operations(task) == []


# ---- event.from, further


def test_counts_are_of_all_classes(client: Client) -> None:
    counts = events(client, ["pool"], "", 0.0)["valid_ref_counts"]
    assert int(counts["vm"]) == len(client.xapi.VM.get_all())
    assert int(counts["session"]) >= 1
    assert "message" not in counts and "event" not in counts


def test_changes_of_sessions_and_secrets_are_told_nobody(client: Client) -> None:
    secret = client.xapi.secret.create({"value": "x", "other_config": {}})
    found = events(client, ["session", "secret", "user"], "", 0.1)
    assert found["events"] == []
    client.xapi.secret.destroy(secret)


def test_additions_come_before_changes_and_those_before_deletions(client: Client) -> None:
    gone, changed = client.vm(), client.vm()
    token = events(client, ["*"], "", 0.0)["token"]
    client.xapi.VM.destroy(gone)
    client.xapi.VM.set_name_label(changed, "changed")
    client.xapi.network.create({"name_label": "new", "name_description": "", "MTU": "1500", "other_config": {}})
    order = [event["operation"] for event in events(client, ["*"], token)["events"]]
    assert order == sorted(order, key=("add", "mod", "del").index)
    assert {"add", "mod", "del"} == set(order)


def test_messages_have_a_count_of_their_own_in_the_token(client: Client) -> None:
    before = events(client, ["message"], "", 0.0)["token"]
    uuid = client.xapi.pool.get_uuid(client.pool)
    message = client.xapi.message.create("NAME", "1", "Pool", uuid, "body")
    batch = events(client, ["message"], before)
    [event] = batch["events"]
    assert (event["class"], event["operation"], event["ref"], event["id"]) == ("message", "add", message, "0")
    assert event["snapshot"]["body"] == "body"
    assert batch["token"].split(",")[1] > before.split(",")[1]
    client.xapi.message.destroy(message)
    [event] = events(client, ["message"], batch["token"])["events"]
    assert (event["operation"], event["ref"]) == ("del", message)


def test_injected_event_is_after_its_token(client: Client) -> None:
    token = client.xapi.event.inject("VM", client.vm())
    found = events(client, ["VM"], token)
    assert found["token"] > token
    assert len(found["events"]) == 1
    assert client.error(client.xapi.event.inject, "vm", client.vm())[0] == "HANDLE_INVALID"


def test_logout_ends_waiting(client: Client) -> None:
    """Without the SDK, which would log in again by itself."""
    session = connect(client.url, client.context).session.handle
    answers: list[Any] = []

    def ask() -> None:
        with xmlrpc.client.ServerProxy(client.url, context=client.context) as server:
            answers.append(getattr(server.event, "from")(session, ["task"], token, 20.0))

    with xmlrpc.client.ServerProxy(client.url, context=client.context) as server:
        answer: Any = getattr(server.event, "from")(session, ["task"], "", 0.0)
        token = answer["Value"]["token"]
        waiting = threading.Thread(target=ask)
        waiting.start()
        server.session.logout(session)
    waiting.join(timeout=15)
    assert [answer["ErrorDescription"] for answer in answers] == [["SESSION_INVALID", session]]


# ---- event.next


def test_next_needs_a_registration(client: Client) -> None:
    other = connect(client.url, client.context)
    assert other.error(other.xapi.event.next)[0] == "SESSION_NOT_REGISTERED"


def test_next_tells_every_change_in_order(client: Client) -> None:
    other = connect(client.url, client.context)
    other.xapi.event.register(["vm"])
    first = int(other.xapi.event.get_current_id())
    vm = client.vm()
    client.xapi.VM.set_name_label(vm, "one")
    client.xapi.VM.set_name_label(vm, "two")
    client.xapi.VM.destroy(vm)
    found: list[dict[str, Any]] = []
    while not any(event["operation"] == "del" for event in found):
        found += other.xapi.event.next()
    mine = [event for event in found if event["ref"] == vm]
    assert [mine[0]["operation"], mine[-1]["operation"]] == ["add", "del"]
    names = [event["snapshot"]["name_label"] for event in mine if event["operation"] == "mod"]
    assert list(dict.fromkeys(names)) == ["vm", "one", "two"]
    assert [int(event["id"]) for event in found] == list(range(first, first + len(found)))
    other.xapi.event.unregister(["vm"])
    other.xapi.event.register(["pool"])
    client.vm()
    client.xapi.pool.set_name_description(client.pool, "changed")
    assert {event["class"] for event in other.xapi.event.next()} == {"pool"}


def test_events_beyond_the_queue_are_lost(client: Client) -> None:
    other = connect(client.url, client.context)
    other.xapi.event.register(["vm"])
    vm = client.vm()
    text = "x" * 200_000
    for number in range(60):
        client.xapi.VM.set_name_description(vm, f"{number}{text}")
    assert other.error(other.xapi.event.next) == ["EVENTS_LOST"]
    client.xapi.VM.set_name_description(vm, "")
    assert [event["ref"] for event in other.xapi.event.next()] == [vm]


# ---- cancelling what takes long


@pytest.mark.parametrize("name", ["start", "clone"])
def test_what_takes_long_can_be_cancelled(server: tuple[Lab, Path | None], client: Client, name: str) -> None:
    lab, _authority = server
    vm = client.vm()
    lab.pace(**{name: 30.0})
    begin = {"start": lambda: client.xapi.Async.VM.start(vm, False, False)}
    begin["clone"] = lambda: client.xapi.Async.VM.clone(vm, "clone that never comes")
    try:
        task = begin[name]()
        client.wait(lambda: client.xapi.task.get_allowed_operations(task), lambda found: found == ["cancel"])
        assert client.xapi.VM.get_current_operations(vm) == {task: name}
        client.xapi.task.cancel(task)
        record = finished(client, task)
    finally:
        lab.pace()
    assert (record["status"], record["error_info"]) == ("cancelled", ["TASK_CANCELLED", task])
    assert record["allowed_operations"] == []
    assert client.xapi.VM.get_current_operations(vm) == {}
    assert client.xapi.VM.get_power_state(vm) == "Halted"
    assert client.xapi.VM.get_by_name_label("clone that never comes") == []
    client.start(vm)
