# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asynchronous calls: many tasks at once, one event loop that sees them end.

One ``event.from`` subscription serves all threads, and ended tasks are destroyed behind everybody's back, so an
asynchronous call costs its caller one round trip. XAPI forgets ended tasks after an hour and may forget any above
200, so a task that is gone is an unknown result, never a success.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any, Mapping

from .client import Client
from .errors import ApiFailure, ConnectionLost, TaskLost, TaskTimeout, XapiError
from .retry import Patience, may_pass

#: Seconds that one event.from may block; the listener ends at the latest after this.
POLL = 5.0

#: Seconds without an event after which a waiting thread looks at its task itself: deletions can be missed.
LOOK_AGAIN = 30.0

#: Seconds that running tasks still get once everything is to stop.
GRACE = 30.0

#: Ended tasks kept for a thread that has not said yet that it waits for them. Others' tasks are among them.
_KEPT = 1000

_UNENDED = ("pending", "cancelling")
_VALUE = re.compile(r"^\s*<value>(?:<string>)?(?P<value>.*?)(?:</string>)?</value>\s*$", re.DOTALL)
_GONE: Mapping[str, Any] = {"status": "gone"}


class _Waiter:
    """A thread that waits for a task."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.record: Mapping[str, Any] = {}
        self.look = time.monotonic() + LOOK_AGAIN  # when the thread looks at its task itself

    def end(self, record: Mapping[str, Any]) -> None:
        self.record = record
        self.ended.set()


class Tasks:
    """Runs calls as XAPI tasks. Use it as a context manager around the threads that do.

    Once the client is stopping, tasks that run still get :data:`GRACE` seconds to end.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._waiters: dict[str, _Waiter] = {}
        self._ended: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._closed = threading.Event()
        self._unneeded: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._sweeper: threading.Thread | None = None

    def __enter__(self) -> Tasks:
        return self

    def __exit__(self, *_exc: object) -> None:
        # The listener is not joined: it may sit in event.from for as long as POLL, and nobody needs what it would say.
        self._closed.set()
        if self._sweeper:
            self._unneeded.put("")
            self._sweeper.join(POLL)

    def run(self, method: str, *params: Any, timeout: float = 3600.0) -> str:
        """Run ``Async.<method>`` and return its result: a reference, or an empty string for void.

        `timeout` is seconds. Raises ApiFailure with the task's error, TaskTimeout (the task was asked to
        cancel), ConnectionLost and TaskLost (whether it ran is not known, and it does not run any more).
        """
        patience = Patience(self._client.patience, self._client.stopping)
        while True:
            try:
                return self._run(method, params, timeout)
            except ApiFailure as failure:
                if not may_pass(failure) or not patience.wait():
                    raise

    def _run(self, method: str, params: tuple[Any, ...], timeout: float) -> str:
        self._start_threads()
        try:
            task = self._client.call(f"Async.{method}", *params)
        except ConnectionLost:
            self._outlive_strays(f"Async.{method}", timeout)
            raise
        return self.wait(task, method, timeout)

    def wait(self, task: str, method: str, timeout: float) -> str:
        """Wait for a task of ours, destroy it, and return its result. Raises as :meth:`run` does."""
        self._start_threads()
        try:
            record = self._wait(task, timeout)
        finally:
            self._unneeded.put(task)
        if record["status"] == "success":
            match = _VALUE.match(record["result"])
            return match["value"] if match else record["result"]
        if record is _GONE:
            raise TaskLost(f"XAPI has forgotten the task of {method}: whether it was carried out is not known.")
        if record["status"] in _UNENDED:
            with suppress(XapiError):
                self._client.call("task.cancel", task)
            raise TaskTimeout(f"{method} did not end within {timeout:.0f} seconds (task {record['uuid']}).")
        raise ApiFailure(method, record["error_info"] or ["TASK_CANCELLED", task])

    def _wait(self, task: str, timeout: float) -> Mapping[str, Any]:
        """The record of a task at its end, or as it is after `timeout` seconds."""
        waiter = _Waiter()
        with self._lock:
            if task in self._ended:
                return self._ended.pop(task)
            self._waiters[task] = waiter
        try:
            deadline = time.monotonic() + timeout
            while not waiter.ended.wait(1.0):
                now = time.monotonic()
                if self._client.stopping.is_set():
                    deadline = min(deadline, now + GRACE)
                if now < min(deadline, waiter.look):
                    continue
                record = self._look(task)
                if record["status"] not in _UNENDED or now >= deadline:
                    return record
                waiter.look = now + LOOK_AGAIN
            return waiter.record
        finally:
            with self._lock:
                del self._waiters[task]

    def _look(self, task: str) -> Mapping[str, Any]:
        try:
            record: Mapping[str, Any] = self._client.read("task.get_record", task)
            return record
        except ApiFailure as failure:
            if failure.code != "HANDLE_INVALID":
                raise
            return _GONE

    def _outlive_strays(self, name: str, timeout: float) -> None:
        """Wait until no task of this name runs that nobody waits for: one may be that of a call whose answer was lost.

        Only then can a look at the world tell whether the call was carried out.
        """
        with self._lock:
            known = set(self._waiters)
        for task in self._client.read("task.get_by_name_label", name):
            if task not in known:
                self._wait(task, timeout)

    def _start_threads(self) -> None:
        with self._lock:
            if self._sweeper is None:
                threading.Thread(target=self._listen, name="skinnybox-events", daemon=True).start()
                self._sweeper = threading.Thread(target=self._sweep, name="skinnybox-tasks", daemon=True)
                self._sweeper.start()

    def _sweep(self) -> None:
        """Destroy the tasks that nobody needs any more."""
        while task := self._unneeded.get():
            with suppress(XapiError):
                self._client.call("task.destroy", task)

    def _listen(self) -> None:
        token, generation = "", self._client.generation
        while not self._closed.is_set():
            if generation != self._client.generation:
                # Another login, perhaps at another coordinator: its tokens count anew.
                token, generation = "", self._client.generation
            with self._lock:
                waited_for = set() if token else set(self._waiters)
            try:
                batch = self._client.read("event.from", ["task"], token, POLL)
            except XapiError:
                # A token of before the break may have missed deletions: begin again from all that is there. Who
                # waits meanwhile looks by itself.
                token = ""
                self._closed.wait(1.0)
                continue
            token = batch["token"]
            with self._lock:
                for event in batch["events"]:
                    self._note(event)
                # The first batch is of all tasks there are: those that are not in it may have ended unseen.
                for task in waited_for.difference(event["ref"] for event in batch["events"]):
                    if task in self._waiters:
                        self._waiters[task].look = 0.0

    def _note(self, event: Mapping[str, Any]) -> None:
        ref, is_gone = event["ref"], event["operation"] == "del"
        record = _GONE if is_gone else event["snapshot"]
        if not is_gone and record["status"] in _UNENDED:
            return
        if ref in self._waiters:
            self._waiters[ref].end(record)
        elif is_gone:
            self._ended.pop(ref, None)
        else:
            self._ended[ref] = record
            if len(self._ended) > _KEPT:
                self._ended.popitem(last=False)
