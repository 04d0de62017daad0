# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks: made for Async calls and by clients, ended with a result or an error."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from lab import rbac
from lab.errors import Failure
from lab.values import NULL, Type
from lab.wire import xmlrpc
from lab.world import Call, World, now

#: Tasks kept; beyond that the oldest finished ones go.
KEPT = 200
#: A finished task is gone after this many seconds, one that never ends after those.
LIFETIME, LONGEST = 3900, 86400
FINISHED = ("success", "failure", "cancelled")
#: Key of current_operations for a task that is to vanish some time after its end.
DOOM = "task"


def create(world: World, label: str, description: str, session: str, subtask_of: str = NULL) -> str:
    """A pending task. Its session owns it until it is destroyed."""
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


def require_own(call: Call, task: str) -> None:
    """Everyone may touch the tasks of their own sessions. Raises HANDLE_INVALID and RBAC_PERMISSION_DENIED."""
    call.db.get("task", task)
    mine = call.db.find("session", call.session)
    owner = next((session for session in call.db.all("session") if task in session["tasks"]), None)
    if not mine or not owner or owner["auth_user_sid"] != mine["auth_user_sid"]:
        rbac.check(call.world, call.session, rbac.ANY_TASK)


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


@contextlib.asynccontextmanager
async def cancellable(call: Call) -> AsyncIterator[None]:
    """While this lasts, task.cancel ends the call. Raises TASK_CANCELLED then."""
    task, running = call.task, asyncio.current_task()
    if running is None or not call.db.exists("task", task):
        yield
        return
    call.world.cancellable[task] = running
    call.db.set("task", task, allowed_operations=["cancel"])
    try:
        yield
    except asyncio.CancelledError:
        if not cancelled(call.world, task):
            raise
        if hasattr(running, "uncancel"):  # of Python 3.11: the cancellation was meant for what the call does
            running.uncancel()
        raise Failure("TASK_CANCELLED", task) from None
    finally:
        del call.world.cancellable[task]
        if call.db.exists("task", task):
            call.db.set("task", task, allowed_operations=[])


def finish(world: World, task: str, status: str, **changes: object) -> None:
    """End a task if it is pending."""
    record = world.database.find("task", task)
    if record and record["status"] == "pending":
        changes.update(status=status, finished=now(), progress=1.0, allowed_operations=[])
        world.database.set("task", task, **changes)


def remove_doomed(world: World) -> None:
    """Remove tasks that somebody destroyed before their end, and that have ended since."""
    for record in world.database.all("task"):
        if record["status"] in FINISHED and "destroy" in record["current_operations"].values():
            remove(world, record.ref)


def remove(world: World, task: str) -> None:
    """Remove a task, from its session as well."""
    for session in world.database.all("session"):
        if task in session["tasks"]:
            world.database.set("session", session.ref, tasks=[ref for ref in session["tasks"] if ref != task])
    world.database.delete("task", task)


def _collect(world: World) -> None:
    """Drop tasks that are too old, and the oldest finished ones when there are too many."""
    stale = [record for record in world.database.all("task") if record["created"] < now() - LONGEST]
    finished = [record for record in world.database.all("task") if record["status"] in FINISHED]
    finished.sort(key=lambda record: float(record["finished"]))
    surplus = len(world.database.tables["task"].records) - KEPT + 1
    for number, record in enumerate(finished):
        if number < surplus or record["finished"] < now() - LIFETIME:
            stale.append(record)
    for ref in {record.ref for record in stale}:
        remove(world, ref)
