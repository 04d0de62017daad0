# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asynchronous calls: many tasks at once, one event loop that sees them end.

One ``event.from`` subscription serves all threads; a call for each task would be a hundred calls for a hundred
starts. XAPI forgets ended tasks after an hour and may forget any above 200, so an unknown task is an unknown
result, never a success.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from typing import Any, Mapping

from .client import Client
from .errors import ApiFailure, TaskTimeout, XapiError

#: Seconds that one event.from may block; the listener ends at the latest after this.
POLL = 5.0

#: How often in a row, a second apart, event.from may fail before the results are given up for lost.
PATIENCE = 30

_VALUE = re.compile(r"^\s*<value>(?:<string>)?(?P<value>.*?)(?:</string>)?</value>\s*$", re.DOTALL)


class Tasks:
    """Runs calls as XAPI tasks. Use it as a context manager around the threads that do."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._changed = threading.Condition()
        self._waited: dict[str, Mapping[str, Any] | None] = {}
        self._lost: XapiError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Tasks:
        return self

    def __exit__(self, *_exc: object) -> None:
        # Not joined: it may sit in event.from for as long as POLL, and nobody needs what it would still say.
        self._stop.set()

    def run(self, method: str, *params: Any, timeout: float = 3600.0) -> str:
        """Run ``Async.<method>`` and return its result: a reference, or an empty string for void.

        `timeout` is seconds. Raises ApiFailure with the task's error, TaskTimeout (the task was asked to
        cancel), ConnectionLost.
        """
        task = self._client.call(f"Async.{method}", *params)
        try:
            record = self._wait(task, method, timeout)
        finally:
            with suppress(XapiError):
                self._client.call("task.destroy", task)
        if record["status"] == "success":
            match = _VALUE.match(record["result"])
            return match["value"] if match else record["result"]
        raise ApiFailure(method, record["error_info"] or ["TASK_CANCELLED", task])

    def _wait(self, task: str, method: str, timeout: float) -> Mapping[str, Any]:
        with self._changed:
            # Registered before it is looked at, so that an end in between is not missed.
            self._waited[task] = None
            self._start_thread()
        try:
            record = self._client.call("task.get_record", task)
            with self._changed:
                if record["status"] == "pending":
                    self._changed.wait_for(lambda: self._waited[task] or self._lost, timeout)
                    if self._lost and not self._waited[task]:
                        raise self._lost
                    record = self._waited[task] or record
        finally:
            with self._changed:
                del self._waited[task]
        if record["status"] in ("pending", "cancelling"):
            with suppress(XapiError):
                self._client.call("task.cancel", task)
            raise TaskTimeout(f"{method} did not end within {timeout:.0f} seconds (task {record['uuid']}).")
        return record

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, name="skinnybox-events", daemon=True)
            self._thread.start()

    def _listen(self) -> None:
        token, failures = "", 0
        while not self._stop.is_set():
            try:
                batch = self._client.call("event.from", ["task"], token, POLL)
            except XapiError as problem:
                # A token of before the break may have missed deletions: begin again from all that is there.
                token, failures = "", failures + 1
                if failures > PATIENCE:
                    with self._changed:
                        self._lost = problem
                        self._changed.notify_all()
                    return
                self._stop.wait(1.0)
                continue
            token, failures = batch["token"], 0
            with self._changed:
                for event in batch["events"]:
                    self._note(event)
                self._changed.notify_all()

    def _note(self, event: Mapping[str, Any]) -> None:
        ref = event["ref"]
        if ref not in self._waited:
            return
        if event["operation"] == "del":
            self._waited[ref] = {
                "status": "failure",
                "error_info": ["HANDLE_INVALID", "task", ref],
                "result": "",
                "uuid": "",
            }
        elif event["snapshot"]["status"] not in ("pending", "cancelling"):
            self._waited[ref] = event["snapshot"]
