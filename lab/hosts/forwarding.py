# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls that the coordinator passes on to the host that has to do the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.errors import Failure
from lab.hosts import membership
from lab.values import NULL
from lab.world import Call, World


@asynccontextmanager
async def on_host(call: Call, host: str) -> AsyncIterator[None]:
    """Do something on a host; what has no host (NULL) is done right here.

    Raises HOST_OFFLINE or CANNOT_CONTACT_HOST when it cannot be asked, and the latter when it dies in the middle.
    """
    if host == NULL:
        yield
        return
    membership.require_reachable(call.world, host)
    task = asyncio.current_task()
    assert task
    work = call.world.work_of_hosts.setdefault(host, set())
    work.add(task)
    try:
        yield
    except asyncio.CancelledError:
        if task in work:
            # not the host's death, but the end of the caller or of the lab
            raise
        _go_on(task)
        raise Failure("CANNOT_CONTACT_HOST", host) from None
    finally:
        work.discard(task)


def _go_on(task: asyncio.Task[object]) -> None:
    """The cancellation was meant for the work on the host, not for the call."""
    uncancel = getattr(task, "uncancel", None)
    if uncancel:
        uncancel()


def lose_work(world: World, host: str) -> None:
    """Whatever the host is doing ends."""
    work = world.work_of_hosts.pop(host, set())
    tasks = list(work)
    work.clear()
    for task in tasks:
        task.cancel()
