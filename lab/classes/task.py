# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""task: made, changed, cancelled and destroyed by clients."""

from __future__ import annotations

from lab import generated, tasks
from lab.registry import implements
from lab.world import Call


@implements("task.create")
def create(call: Call, label: str, description: str) -> str:
    return tasks.create(call.world, label, description, call.session)


@implements("task.destroy")
def destroy(call: Call, task: str) -> None:
    if call.db.get("task", task)["status"] == "pending" and task != call.task:
        call.world.doomed_tasks.add(task)
        return
    tasks.forget_in_session(call.world, task)
    call.db.delete("task", task)


@implements("task.cancel")
def cancel(call: Call, task: str) -> None:
    """Only asks: a task that looks ends itself as cancelled, others go on."""
    if call.db.get("task", task)["status"] == "pending":
        call.db.put("task", task, "current_operations", call.task, "cancel")


@implements("task.set_status")
def set_status(call: Call, task: str, status: str) -> None:
    if status in tasks.FINISHED and call.db.get("task", task)["status"] not in tasks.FINISHED:
        tasks.finish(call.world, task, status)
        return
    call.db.set("task", task, status=status)


@implements("task.set_progress")
def set_progress(call: Call, task: str, fraction: float) -> None:
    call.db.set("task", task, progress=fraction)


@implements("task.set_result")
def set_result(call: Call, task: str, text: str) -> None:
    call.db.set("task", task, result=text)


@implements("task.set_error_info")
def set_error_info(call: Call, task: str, description: list[str]) -> None:
    call.db.set("task", task, error_info=description)


@implements("task.set_other_config")
def set_other_config(call: Call, task: str, value: dict[str, str]) -> None:
    call.db.set("task", task, other_config=value)


@implements("task.add_to_other_config")
def add_to_other_config(call: Call, task: str, key: str, value: str) -> None:
    generated.add_key(call, "task", task, "other_config", key, value)


@implements("task.remove_from_other_config")
def remove_from_other_config(call: Call, task: str, key: str) -> None:
    call.db.drop("task", task, "other_config", key)
