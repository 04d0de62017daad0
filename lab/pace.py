# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long operations take, and how many a host does at a time.

A lab in memory does everything at once. To show what serialises and what does not, an operation can be made to last:
it is waited for while the operation is held, so others that clash with it wait, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: Operations on VMs that a host does at a time, as many as xenopsd has workers.
WORKERS = 4
#: VM operations that the workers do; they last while a worker has them, not while they queue for one.
WORKED = frozenset({
    "start", "start_on", "clean_shutdown", "hard_shutdown", "shutdown", "clean_reboot", "hard_reboot", "pause",
    "unpause", "suspend", "resume", "resume_on", "checkpoint", "pool_migrate", "migrate_send",
})  # fmt: skip


#: Operations that end what another one is doing with the VM: they need not wait for a worker to be free.
URGENT = frozenset({"hard_shutdown", "hard_reboot"})


class Pace:
    """Seconds by operation; the key is an operation (`vdi_clone`) or one of a class (`VM.clone`)."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._workers: dict[str, asyncio.Semaphore] = {}

    def set(self, seconds: dict[str, float]) -> None:
        """Replace all durations. What is under way ends as if they had been so from its beginning."""
        self.seconds = dict(seconds)
        self._changed.set()
        self._changed = asyncio.Event()

    def of(self, cls: str, name: str) -> float:
        """Seconds that an operation on an object of the class lasts."""
        return self.seconds.get(f"{cls}.{name}", self.seconds.get(name, 0.0))

    async def last(self, cls: str, name: str) -> None:
        """Be as slow as the operation is to be."""
        began = asyncio.get_running_loop().time()
        while (left := began + self.of(cls, name) - asyncio.get_running_loop().time()) > 0:
            waiting = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({waiting}, timeout=left)
            finally:
                waiting.cancel()

    @asynccontextmanager
    async def worker(self, host: str, name: str) -> AsyncIterator[None]:
        """Have one of the host's workers for a VM operation, after queueing for it."""
        if name in URGENT:
            await self.last("VM", name)
            yield
            return
        async with self._workers.setdefault(host, asyncio.Semaphore(WORKERS)):
            await self.last("VM", name)
            yield
