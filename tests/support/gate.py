# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gate between a process and a lab that kills the process at one of its writes: before the lab gets it, or after.

It reads what passes in both of XAPI's forms, XML-RPC and JSON-RPC, and uploads.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from .lab import Lab

_METHOD = re.compile(rb"<methodName>([^<]+)</methodName>")
#: Reads; sessions and events; and what is told by the clock and not by the work: how far a task is, and that an ended
#: one can be forgotten (XAPI does so by itself, and nobody looks at it any more).
_NO_WRITE = re.compile(r"^(session|event)\.|\.(get_|assert_|compute_)|^task\.(set_progress|destroy)$|^GET ")


@dataclass(frozen=True)
class Point:
    """A moment at which a process dies: at the ``nth`` call (from 1) of one name, or with no name of all writes."""

    call: str
    nth: int
    when: str  # before or after the lab has carried it out; the process never gets the answer

    def __str__(self) -> str:
        return f"{self.when} {self.call or 'write'} number {self.nth}"


#: No call has this number: nobody dies.
NEVER = Point("", 0, "before")


def is_write(name: str) -> bool:
    """Whether a call may leave something in the host pool. Calls have XAPI's names, uploads ``PUT /<handler>``."""
    return not _NO_WRITE.search(name)


class Gate(ThreadingHTTPServer):
    """Forwards requests and counts the writes. After ``arm`` it kills at the one that was asked for."""

    daemon_threads = True

    def __init__(self, lab: Lab) -> None:
        self.lab, self.target = lab, urlsplit(lab.url).netloc
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._under_way = 0
        self.arm(NEVER)

    def arm(self, point: Point) -> Future[int]:
        """Count anew, and kill at that point; the process id goes into the future."""
        self.point = point
        self.writes: Counter[str] = Counter()
        self.killed_at = ""
        self.process: Future[int] = Future()
        return self.process

    def handle_error(self, request: object, client_address: object) -> None:
        """The connections of a process that is killed break; that is the point of it."""

    def strikes(self, name: str) -> bool:
        """Count a request; whether it is the one at which the process dies."""
        if not is_write(name):
            return False
        with self._lock:
            self.writes[name] += 1
            if self.point.call:
                return name == self.point.call and self.writes[name] == self.point.nth
            return self.writes.total() == self.point.nth

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
        doomed = family(self.process.result(timeout=60))
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
        self._forward(b"", f"GET {self._path}")

    def do_POST(self) -> None:
        body = self._body()
        self._forward(body, _name_of(body))

    def do_PUT(self) -> None:
        self._forward(self._body(), f"PUT {self._path}")

    @property
    def _path(self) -> str:
        return urlsplit(self.path).path

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
        strikes = self.server.strikes(name)
        if strikes and self.server.point.when == "before":
            self._die(name)
            return
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        headers = {"Content-Type": self.headers["Content-Type"]} if "Content-Type" in self.headers else {}
        try:
            connection.request(self.command, self.path, body, headers)
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
        for header in ("Content-Type", "Location"):
            if value := answer.getheader(header):
                self.send_header(header, value)
        self.end_headers()
        while piece := answer.read(1 << 16):
            self.wfile.write(piece)

    def log_message(self, *arguments: object) -> None:
        """Not to the console."""


def _name_of(body: bytes) -> str:
    """The method that a request calls, in XML-RPC or JSON-RPC."""
    if match := _METHOD.search(body):
        return match[1].decode()
    return str(json.loads(body)["method"])


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
