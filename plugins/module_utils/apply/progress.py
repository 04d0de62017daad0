# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run has come, while it runs: as a task in XAPI, which its clients show, and as lines in a file.

The file is read by the action plugin of the module, when the module runs on the controller itself.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

from ..plan.actions import VmPoolPlan
from ..xapi.client import Client
from ..xapi.errors import XapiError
from .outcome import Outcome, State
from .own_tasks import end_left_tasks, own_task

#: Name of the environment variable with the path of the file.
FILE = "SKINNYBOX_PROGRESS"

#: Seconds between two reports; what is done sooner is not reported on.
INTERVAL = 2.0


class Progress:
    """The progress of one VM pool. Its methods may be called by any thread."""

    def __init__(self, vm_pool: str, total: int) -> None:
        self._vm_pool, self._total = vm_pool, total
        self._counts = dict.fromkeys(State, 0)
        self._last = ""
        self._lock = threading.Lock()

    def add(self, outcome: Outcome) -> None:
        """Note that an action has ended."""
        with self._lock:
            self._counts[outcome.state] += 1
            if outcome.state is State.DONE:
                self._last = f"{outcome.name} {outcome.steps[-1] if outcome.steps else 'done'}"

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return sum(self._counts.values()) / self._total if self._total else 1.0

    def __str__(self) -> str:
        with self._lock:
            parts = [f"{self._counts[State.DONE]} of {self._total} done"]
            if failed := self._counts[State.FAILED]:
                parts.append(f"{failed} failed")
            if self._last:
                parts.append(f"last {self._last}")
            return f"{self._vm_pool}: {', '.join(parts)}"


@contextmanager
def reported(
    client: Client, plans: Sequence[VmPoolPlan], title_of: Callable[[str], str]
) -> Iterator[Callable[[Outcome], None]]:
    """Report on the progress of plans from now on; yields what is to be called with each outcome.

    ``title_of`` says what is locked, for the name of a VM pool: nobody else has tasks of that title.
    """
    all_progress = {plan.vm_pool: Progress(plan.vm_pool, len(plan.changes)) for plan in plans if plan.changes}
    tasks = {vm_pool: task for vm_pool in all_progress if (task := _create_task(client, title_of(vm_pool)))}
    closed = threading.Event()
    reporter = threading.Thread(
        target=_report, args=(client, all_progress, tasks, closed), name="skinnybox-progress", daemon=True
    )
    reporter.start()
    try:
        yield lambda outcome: all_progress[outcome.vm_pool].add(outcome)
    finally:
        closed.set()
        reporter.join(INTERVAL)
        for vm_pool in all_progress:
            # By name: also a task whose making got no answer.
            end_left_tasks(client, title_of(vm_pool))


def _create_task(client: Client, title: str) -> str:
    """A task that shows the progress; empty when XAPI refuses: nobody fails for want of it."""
    with suppress(XapiError):
        return str(client.call("task.create", own_task(title), "Instances are being brought about"))
    return ""


def _report(
    client: Client, all_progress: Mapping[str, Progress], tasks: Mapping[str, str], closed: threading.Event
) -> None:
    said: dict[str, str] = {}
    while not closed.wait(INTERVAL):
        for vm_pool, progress in all_progress.items():
            line = str(progress)
            if said.get(vm_pool) == line:
                continue
            said[vm_pool] = line
            _write({"vm_pool": vm_pool, "fraction": progress.fraction, "text": line})
            if task := tasks.get(vm_pool):
                with suppress(XapiError):
                    client.call("task.set_progress", task, progress.fraction)


def _write(entry: Mapping[str, object]) -> None:
    """Append a line of JSON to the file, if there is one."""
    if path := os.environ.get(FILE):
        with suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
