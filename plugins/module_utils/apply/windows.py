# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many operations of a kind are under way at a time.

XAPI queues what exceeds its own limits, but a queue of a hundred tasks on one SR starves everybody else's operations,
and what is queued cannot be stopped. So only a little more is sent than runs.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Iterator

from ..model.records import HostPool
from .stopping import Stopped

#: xapi lets one disk operation run on an SR at a time; a second one waiting hides the round trip.
PER_SR = 2
#: xenopsd works on four VMs of a host at a time.
PER_HOST = 4
#: Threads beyond this only wait for Python's interpreter lock.
MOST_WORKERS = 64

#: Seconds after which a thread that waits for its turn looks whether the run is to stop.
_GLANCE = 1.0


class Windows:
    """The windows of one run, shared by its threads. Arguments ``sr`` and ``host`` are references."""

    def __init__(
        self, pool: HostPool, stopping: threading.Event, per_host: int = PER_HOST, per_sr: int = PER_SR
    ) -> None:
        self._stopping = stopping
        self._per_host, self._per_sr = per_host, per_sr
        self._hosts = max(1, sum(host.enabled for host in pool.hosts.values()))
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], threading.Semaphore] = {}

    def workers(self, srs: int) -> int:
        """How many threads keep all windows full when disks are made on so many SRs."""
        # Of those at an SR, as many make disks as fill them; two more are between two windows.
        return min(MOST_WORKERS, self._per_host * self._hosts + (2 * self._per_sr + 2) * max(1, srs))

    @contextmanager
    def disk_operation(self, sr: str) -> Iterator[None]:
        """Making, changing or deleting a disk: what xapi does one at a time on an SR. Raises Stopped."""
        with self._turn("disk", sr, self._per_sr):
            yield

    @contextmanager
    def upload(self, sr: str) -> Iterator[None]:
        """Writing a disk's content, which does not keep xapi from making the next disk. Raises Stopped."""
        with self._turn("upload", sr, self._per_sr):
            yield

    @contextmanager
    def vm_operation(self, host: str | None = None) -> Iterator[None]:
        """Starting, stopping or moving a VM; without a host, on the one that XAPI chooses. Raises Stopped."""
        with self._turn("vm", host or "", self._per_host if host else self._per_host * self._hosts):
            yield

    @contextmanager
    def _turn(self, kind: str, ref: str, size: int) -> Iterator[None]:
        with self._lock:
            window = self._windows.setdefault((kind, ref), threading.Semaphore(size))
        while not window.acquire(timeout=_GLANCE):
            if self._stopping.is_set():
                raise Stopped
        try:
            yield
        finally:
            window.release()
