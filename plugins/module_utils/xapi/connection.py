# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One kept HTTP connection, and what became of a request on it: the difference decides what may be sent again."""

from __future__ import annotations

import http.client
import select
import time

from . import tls
from .protocols import NotXapi
from .tls import Endpoint

#: XAPI closes idle connections; a call that writes must never be the one to find out.
IDLE_LIMIT = 10.0

#: Seconds that opening a connection may take: a host without power answers nothing at all.
CONNECT_TIMEOUT = 20.0


class NotSent(Exception):
    """Nothing reached the server. ``problem`` says why."""

    def __init__(self, problem: Exception) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Broken(NotSent):
    """The request was sent, in part or whole, and there was no answer: the server may have acted on it."""


class Connection:
    """A connection of one thread. No request is ever sent a second time by itself."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http: http.client.HTTPConnection | None = None
        self._used = 0.0

    def post(self, path: str, content_type: str, body: bytes) -> bytes:
        """Send a request and read the whole answer. Raises NotSent, Broken, NotXapi; Unreachable for a bad ca_path."""
        connection = self._open()
        try:
            connection.request("POST", path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            raise Broken(problem) from problem
        self._used = time.monotonic()
        if response.status != 200:
            self.close()
            raise NotXapi(f"HTTP {response.status} {response.reason}")
        return answer

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _open(self) -> http.client.HTTPConnection:
        if self._http is not None and (time.monotonic() - self._used > IDLE_LIMIT or _is_closed(self._http)):
            self.close()
        if self._http is None:
            seconds = min(CONNECT_TIMEOUT, self.endpoint.timeout)
            connection = tls.connect(self.endpoint, timeout=seconds)
            try:
                connection.connect()
            except TimeoutError as problem:
                connection.close()
                raise NotSent(OSError(f"no connection within {seconds:.0f} seconds")) from problem
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                raise NotSent(problem) from problem
            connection.sock.settimeout(self.endpoint.timeout)
            self._http = connection
        return self._http


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has ended a connection on which nothing is asked: then there is something to read, its end."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
