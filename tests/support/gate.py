# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gate between a process and a lab that kills the process at one of its writes: before the lab gets it, or after.

It reads what passes in both of XAPI's forms, XML-RPC and JSON-RPC, and uploads.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import IO
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


class Gate(ThreadingTCPServer):
    """Forwards requests and counts the writes. After ``arm`` it kills at the one that was asked for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, lab: Lab) -> None:
        parts = urlsplit(lab.url)
        self.lab, self.target = lab, (parts.hostname, parts.port)
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


class _Handler(StreamRequestHandler):
    """A connection of the process, and one to the lab that lasts as long. What passes stays as it is, byte by byte."""

    server: Gate
    # One packet an answer: otherwise each of them waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with socket.create_connection(self.server.target, timeout=60) as lab, lab.makefile("rb") as answers:
            lab.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            while head := _head_of(self.rfile):
                body = _whole(self.rfile, _length(head) or 0)
                name = _name_of(head, body)
                with self.server.under_way(name):
                    if not self._pass_on(name, head + body, lab, answers):
                        return

    def _pass_on(self, name: str, request: bytes, lab: socket.socket, answers: IO[bytes]) -> bool:
        """Have the lab answer a request; whether another one may follow it."""
        if self.server.killed_at:
            return False
        strikes = self.server.strikes(name)
        if strikes and self.server.point.when == "before":
            self.server.kill(name)
            return False
        lab.sendall(request)
        head = _head_of(answers)
        length = _length(head)
        if strikes:
            # Without a length, the end of the connection ends it.
            answers.read(-1 if length is None else length)
            self.server.kill(name)
            return False
        self.wfile.write(head)
        for piece in _pieces(answers, length):
            self.wfile.write(piece)
        self.wfile.flush()
        return length is not None and not _CLOSES.search(head)


_LENGTH = re.compile(rb"^content-length: *(\d+)", re.I | re.M)
_CLOSES = re.compile(rb"^connection: *close", re.I | re.M)


def _head_of(stream: IO[bytes]) -> bytes:
    """The first line and the headers of a request or an answer, with the empty line; nothing at the stream's end."""
    lines = []
    while line := stream.readline():
        lines.append(line)
        if line == b"\r\n":
            break
    return b"".join(lines)


def _length(head: bytes) -> int | None:
    """How many bytes follow, where that is said."""
    match = _LENGTH.search(head)
    return int(match[1]) if match else None


def _whole(stream: IO[bytes], length: int) -> bytes:
    """So many bytes. Raises ConnectionResetError when there are fewer: the process has died in between."""
    found = stream.read(length)
    if len(found) < length:
        raise ConnectionResetError("the process died in the middle of a request")
    return found


def _pieces(stream: IO[bytes], length: int | None) -> Iterator[bytes]:
    """So many bytes, or all there are, in pieces. Raises ConnectionResetError when there are fewer."""
    left = sys.maxsize if length is None else length
    while left and (piece := stream.read(min(left, 1 << 16))):
        left -= len(piece)
        yield piece
    if left and length is not None:
        raise ConnectionResetError("the lab ended the connection in the middle of an answer")


def _name_of(head: bytes, body: bytes) -> str:
    """The method that a request calls, in XML-RPC or JSON-RPC; of what is no call, HTTP's method and the path."""
    verb, path, _version = head.split(b"\r\n", 1)[0].decode().split(" ")
    if verb != "POST":
        return f"{verb} {urlsplit(path).path}"
    if match := _METHOD.search(body):
        return match[1].decode()
    return str(json.loads(body)["method"])


@contextmanager
def gate_of(lab: Lab) -> Iterator[Gate]:
    """A gate before a lab."""
    with Gate(lab) as gate:
        thread = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield gate
        finally:
            gate.shutdown()
            thread.join()
