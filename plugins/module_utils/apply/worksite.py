# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all steps need at hand: the client, its tasks, and how much may run at once."""
from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator

from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.tasks import Tasks

#: xapi lets one disk operation run on an SR at a time; a second one waiting hides the round trip.
DISK_OPERATIONS_PER_SR = 2
#: xenopsd starts four VMs of a host at a time.
STARTS_PER_HOST = 4
#: Instances worked on at once: enough to keep the windows above filled.
WORKERS = 8


@dataclass
class Worksite:
    """Shared by all threads of one run."""

    client: Client
    tasks: Tasks
    pool: HostPool
    starts: threading.Semaphore = field(init=False)
    _disk_windows: dict[str, threading.Semaphore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hosts = sum(host.enabled for host in self.pool.hosts.values())
        self.starts = threading.Semaphore(STARTS_PER_HOST * max(1, hosts))

    def disk_window(self, sr: str) -> threading.Semaphore:
        """The window of disk operations on an SR, by its reference."""
        return self._disk_windows.setdefault(sr, threading.Semaphore(DISK_OPERATIONS_PER_SR))


@contextmanager
def worksite(client: Client, pool: HostPool) -> Iterator[Worksite]:
    """A worksite whose task listener ends with the block."""
    with Tasks(client) as tasks:
        yield Worksite(client, tasks, pool)
