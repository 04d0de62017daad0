# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Async calls, tasks, and waiting for events."""

from __future__ import annotations

import threading
import time
from typing import Any

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
