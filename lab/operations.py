# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations in progress: while one runs on an object, others that would clash wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from lab import tasks
from lab.errors import Failure
from lab.pace import WORKED
from lab.world import Call

#: Seconds that a call waits for a clashing operation to end before it gets OTHER_OPERATION_IN_PROGRESS.
PATIENCE = 7200.0
IN_PROGRESS = "OTHER_OPERATION_IN_PROGRESS"
Check = Callable[[], Failure | None]


async def wait_for(call: Call, check: Check, patience: float = PATIENCE) -> None:
    """Return when check finds nothing wrong; raise what it finds unless waiting may help."""
    end = asyncio.get_running_loop().time() + patience
    while failure := check():
        left = end - asyncio.get_running_loop().time()
        if failure.code != IN_PROGRESS or left <= 0:
            raise failure
        await call.db.changed(left)


@contextlib.asynccontextmanager
async def operation(call: Call, cls: str, ref: str, name: str, check: Check) -> AsyncIterator[None]:
    """Hold an operation on an object. Raises what check finds, after waiting where that may help."""
    await wait_for(call, check)
    mark(call, cls, ref, name)
    try:
        if cls != "VM" or name not in WORKED:
            async with tasks.cancellable(call):
                await call.world.pace.last(cls, name)
        yield
    finally:
        unmark(call, cls, ref)


def mark(call: Call, cls: str, ref: str, name: str) -> None:
    call.db.put(cls, ref, "current_operations", call.task, name)
    call.world.refresh(cls, ref)
    call.world.settle()


def unmark(call: Call, cls: str, ref: str) -> None:
    if call.db.exists(cls, ref):
        call.db.drop(cls, ref, "current_operations", call.task)
        call.world.refresh(cls, ref)
        if cls == "VBD":
            # what its disk allows depends on what is done with its VBDs
            call.world.refresh("VDI", call.db.get("VBD", ref)["VDI"])
        call.world.settle()


def clash(call: Call, cls: str, ref: str, ignored: tuple[str, ...] = ()) -> Failure | None:
    """OTHER_OPERATION_IN_PROGRESS when another task does anything with the object that is not ignored."""
    for task, name in call.db.get(cls, ref)["current_operations"].items():
        if task != call.task and name not in ignored:
            return Failure(IN_PROGRESS, cls, ref, name, task)
    return None
