# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""task: made, changed, cancelled and destroyed by clients; everyone their own, operators of the pool any."""

from __future__ import annotations

from typing import Any

from lab import generated, tasks
from lab.registry import Handler, implements
from lab.world import Call


@implements("task.create")
def create(call: Call, label: str, description: str) -> str:
    return tasks.create(call.world, label, description, call.session)


@implements("task.destroy")
def destroy(call: Call, task: str) -> None:
    """A task that has not ended is only marked. Raises MAP_DUPLICATE_KEY when it is already."""
    tasks.require_own(call, task)
    if call.db.get("task", task)["status"] in tasks.FINISHED:
        tasks.remove(call.world, task)
    else:
        generated.add_key(call, "task", task, "current_operations", tasks.DOOM, "destroy")


@implements("task.cancel")
def cancel(call: Call, task: str) -> None:
    """Only asks, even a task that has ended: one that can ends itself as cancelled, others go on."""
    tasks.require_own(call, task)
    call.db.set("task", task, current_operations={call.task: "cancel"})
    running = call.world.cancellable.get(task)
    if running:
        running.cancel()
    for subtask in call.db.get("task", task)["subtasks"]:
        cancel(call, subtask)


def _setter(name: str) -> Handler:
    def set_value(call: Call, task: str, value: Any) -> None:
        tasks.require_own(call, task)
        call.db.set("task", task, **{name: value})

    return set_value


for _name in ("status", "progress", "result", "error_info", "other_config"):
    implements(f"task.set_{_name}")(_setter(_name))


@implements("task.add_to_other_config")
def add_to_other_config(call: Call, task: str, key: str, value: str) -> None:
    tasks.require_own(call, task)
    generated.add_key(call, "task", task, "other_config", key, value)


@implements("task.remove_from_other_config")
def remove_from_other_config(call: Call, task: str, key: str) -> None:
    tasks.require_own(call, task)
    call.db.drop("task", task, "other_config", key)
