# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gate between a process and a lab that kills the process at its n-th write: before the lab gets it, or after it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from .lab import Lab

_METHOD = re.compile(rb"<methodName>([^<]+)</methodName>")
#: Calls that leave no trace in the host pool: between two of them nothing changes for the next run.
_TRACELESS = re.compile(r"^(session|event|task)\.|\.(get_|assert_)")


class Gate(ThreadingHTTPServer):
    """Forwards requests. After ``arm`` it counts writes and kills at the one that was asked for."""

    daemon_threads = True

    def __init__(self, lab: Lab) -> None:
        self.lab, self.target = lab, urlsplit(lab.url).netloc
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._under_way = 0
        self.arm(0, "before")

    def arm(self, point: int, mode: str) -> Future[int]:
        """Kill at write number ``point`` (from 1), ``before`` or ``after`` it; the process id goes into the future.

        With ``after`` only those calls count that go on after their answer.
        """
        self.point, self.mode = point, mode
        self.count, self.killed_at = 0, ""
        self.process: Future[int] = Future()
        return self.process

    def handle_error(self, request: object, client_address: object) -> None:
        """The connections of a process that is killed break; that is the point of it."""

    def strikes(self, name: str) -> bool:
        """Count a request; whether it is the one at which the process dies."""
        if _TRACELESS.search(name) or (self.mode == "after" and not name.startswith(("Async.", "PUT"))):
            return False
        with self._lock:
            self.count += 1
            return self.count == self.point

    @contextmanager
    def under_way(self, name: str) -> Iterator[None]:
        """Note that a request is with the lab, for as long as it is; waiting for events does not count."""
        counts = name != "event.from"
        with self._idle:
            self._under_way += counts
        try:
            yield
        finally:
            with self._idle:
                self._under_way -= counts
                self._idle.notify_all()

    def settle(self) -> None:
        """Wait until the lab has ended what a killed process had begun: requests, then asynchronous calls."""
        with self._idle:
            assert self._idle.wait_for(lambda: self._under_way == 0, timeout=60)
        xapi, token = self.lab.xapi, ""
        # A task that the process made itself, for an upload that never began, stays pending for good.
        while any(
            record["status"] == "pending" and record["name_label"].startswith("Async.")
            for record in xapi.task.get_all_records().values()
        ):
            token = xapi.event.__getattr__("from")(["task"], token, 5.0)["token"]

    def kill(self, name: str) -> None:
        """End the process with all that it started, as when the controller loses its power."""
        doomed = family(self.process.result(timeout=20))
        # Noted first: who waits for the process looks at it as soon as it is dead.
        self.killed_at = name
        for process in doomed:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def family(process: int) -> list[int]:
    """A process and its descendants, also those in sessions of their own (Ansible's workers are)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found


class _Handler(BaseHTTPRequestHandler):
    server: Gate
    protocol_version = "HTTP/1.1"
    # One packet an answer: otherwise each of them waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._forward(b"", "GET")

    def do_POST(self) -> None:
        body = self._body()
        match = _METHOD.search(body)
        self._forward(body, match[1].decode() if match else "")

    def do_PUT(self) -> None:
        self._forward(self._body(), "PUT")

    def _body(self) -> bytes:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the process died in the middle of a request")
        return body

    def _forward(self, body: bytes, name: str) -> None:
        with self.server.under_way(name):
            self._pass_on(body, name)

    def _pass_on(self, body: bytes, name: str) -> None:
        if self.server.killed_at:
            self.close_connection = True
            return
        strikes = name != "GET" and self.server.strikes(name)
        if strikes and self.server.mode == "before":
            self._die(name)
            return
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            connection.request(self.command, self.path, body, {"Content-Type": "text/xml"} if body else {})
            answer = connection.getresponse()
            if strikes:
                answer.read()
                self._die(name)
            else:
                self._answer(answer)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    def _die(self, name: str) -> None:
        self.server.kill(name)
        self.close_connection = True

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        length = answer.getheader("Content-Length")
        # A disk's data goes out without a length: the end of the connection ends it.
        self.send_header(*(("Connection", "close") if length is None else ("Content-Length", length)))
        self.end_headers()
        while piece := answer.read(1 << 16):
            self.wfile.write(piece)

    def log_message(self, *arguments: object) -> None:
        """Not to the console."""


@contextmanager
def gate_of(lab: Lab) -> Iterator[Gate]:
    """A gate before a lab."""
    with Gate(lab) as gate:
        thread = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield gate
        finally:
            gate.shutdown()
            thread.join()
