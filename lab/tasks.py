# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks: made for Async calls and by clients, ended with a result or an error."""

from __future__ import annotations

from lab.errors import Failure
from lab.values import NULL, Type
from lab.wire import xmlrpc
from lab.world import World, now

#: Tasks kept; beyond that the oldest finished ones go.
KEPT = 200
#: A finished task is gone after this many seconds.
LIFETIME = 3900
FINISHED = ("success", "failure", "cancelled")


def create(world: World, label: str, description: str, session: str, subtask_of: str = NULL) -> str:
    """A pending task."""
    _collect(world)
    task = world.database.create(
        "task",
        {
            "name_label": label,
            "name_description": description,
            "created": now(),
            "status": "pending",
            "resident_on": world.coordinator,
            "type": "<none/>",
            "allowed_operations": [],
            "subtask_of": subtask_of,
        },
    )
    record = world.database.find("session", session)
    if record:
        world.database.set("session", session, tasks=[*record["tasks"], task])
    return task


def succeed(world: World, task: str, kind: Type, value: object) -> None:
    """End a task well; its result is the value as XML-RPC writes it."""
    text = "<value></value>" if kind.kind == "void" else xmlrpc.dump_value(kind, value)
    finish(world, task, "success", result=text)


def fail(world: World, task: str, failure: Failure) -> None:
    """End a task with an error, or as cancelled."""
    status = "cancelled" if failure.code == "TASK_CANCELLED" else "failure"
    finish(world, task, status, error_info=failure.description)


def progress(world: World, task: str, fraction: float) -> None:
    record = world.database.find("task", task)
    if record and record["status"] == "pending":
        world.database.set("task", task, progress=fraction)


def cancelled(world: World, task: str) -> bool:
    """Whether someone asked to cancel the task."""
    record = world.database.find("task", task)
    return record is not None and "cancel" in record["current_operations"].values()


def finish(world: World, task: str, status: str, **changes: object) -> None:
    """End a task; one that was destroyed meanwhile vanishes now."""
    record = world.database.find("task", task)
    if record is None:
        return
    changes.update(status=status, finished=now(), progress=1.0, current_operations={}, allowed_operations=[])
    world.database.set("task", task, **changes)
    forget_in_session(world, task)
    if task in world.doomed_tasks:
        world.doomed_tasks.discard(task)
        world.database.delete("task", task)


def forget_in_session(world: World, task: str) -> None:
    for session in world.database.all("session"):
        if task in session["tasks"]:
            world.database.set("session", session.ref, tasks=[ref for ref in session["tasks"] if ref != task])


def _collect(world: World) -> None:
    """Drop finished tasks that are too old or too many."""
    finished = [record for record in world.database.all("task") if record["status"] in FINISHED]
    finished.sort(key=lambda record: record["finished"])
    surplus = len(world.database.tables["task"].records) - KEPT + 1
    for number, record in enumerate(finished):
        if number < surplus or record["finished"] < now() - LIFETIME:
            world.database.delete("task", record.ref)
