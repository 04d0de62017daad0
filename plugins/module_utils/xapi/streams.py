# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk contents over HTTP: XAPI's raw import and export.

The server answers 200 before it reads a byte, so only the task says whether an upload worked; it redirects to a
host that sees the SR, and only the query string survives that (xapi's import_raw_vdi handler).
"""

from __future__ import annotations

import http.client
from contextlib import contextmanager, suppress
from typing import Iterator
from urllib.parse import urlencode, urlsplit

from . import tls
from .client import Client
from .errors import ApiFailure, ConnectionLost, TaskTimeout, Unreachable, WriteRefused, XapiError
from .tasks import Tasks

_REDIRECTS = 3

#: Seconds that an upload's task may still take to fail after its connection broke.
BROKEN_PATIENCE = 5.0


def import_chunked(client: Client, tasks: Tasks, vdi: str, body: bytes, label: str, timeout: float = 600.0) -> None:
    """Write framed extents (see seed.chunked) into a VDI; what they leave out stays as it is.

    `vdi` is a reference, `label` names the task, `timeout` is seconds. Raises ApiFailure with the task's error;
    ConnectionLost, after which the same may be written again.
    """
    if client.read_only:
        raise WriteRefused("import_raw_vdi would write, but this session was opened for reading only")
    task = client.call("task.create", label, "")
    query = {"vdi": vdi, "format": "raw", "chunked": "true", "task_id": task}
    response, problem = _put(client, query, body, timeout)
    try:
        # A task that nobody works on never ends: without a connection it gets only a moment to report its cause.
        tasks.wait(task, "import_raw_vdi", BROKEN_PATIENCE if problem else timeout)
    except TaskTimeout:
        if problem is None:
            raise
        with suppress(XapiError):
            client.call("task.set_status", task, "failure")
        raise ConnectionLost(f"The upload broke off: {tls.why(problem, client.endpoint)}") from problem
    finally:
        # Kept open until here: the server answers before it has read what it was sent.
        if response:
            response.close()


def _put(
    client: Client, query: dict[str, str], body: bytes, timeout: float
) -> tuple[http.client.HTTPResponse | None, Exception | None]:
    """Send the body. The response holds the connection, which must live as long as the server reads.

    A broken connection is returned, not raised: the task knows the cause better.
    """
    host = None
    for _attempt in range(_REDIRECTS):
        connection = tls.connect(client.endpoint, host, timeout)
        try:
            path = "/import_raw_vdi?" + urlencode({**query, "session_id": client.session})
            connection.request("PUT", path, body=body, headers={"Content-Length": str(len(body))})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            return None, problem
        if response.status == 200:
            return response, None
        response.close()
        if response.status != 302:
            # 401 among them: the session has expired.
            return None, http.client.HTTPException(f"HTTP {response.status} {response.reason}")
        host = urlsplit(response.getheader("Location") or "").netloc or None
    return None, OSError("redirected too often")


@contextmanager
def export_raw(client: Client, vdi: str) -> Iterator[ExportReader]:
    """Open a VDI's content as a stream. Leaving early closes the connection. Raises Unreachable, ApiFailure."""
    host = None
    for _attempt in range(_REDIRECTS):
        connection = tls.connect(client.endpoint, host)
        path = "/export_raw_vdi?" + urlencode({"vdi": vdi, "format": "raw", "session_id": client.session})
        try:
            connection.request("GET", path)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            raise Unreachable(tls.why(problem, client.endpoint)) from problem
        if response.status == 302:
            host = urlsplit(response.getheader("Location") or "").netloc or None
            connection.close()
            continue
        if response.status != 200:
            connection.close()
            raise ApiFailure("export_raw_vdi", [f"HTTP_{response.status}", response.reason])
        try:
            yield ExportReader(response, client)
        finally:
            connection.close()
        return
    raise Unreachable(f"{client.endpoint.host} redirected the export too often.")


class ExportReader:
    """Reads forwards in an export; what is skipped is read and thrown away."""

    def __init__(self, response: http.client.HTTPResponse, client: Client) -> None:
        self._response = response
        self._client = client
        self._position = 0

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset that is not before the end of the last read. Short at the end of the disk."""
        if offset < self._position:
            raise ValueError("an export can only be read forwards")
        while self._position < offset:
            skipped = len(self._take(min(1 << 20, offset - self._position)))
            if not skipped:
                return b""
        return self._take(length)

    def _take(self, length: int) -> bytes:
        try:
            data = self._response.read(length)
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable(tls.why(problem, self._client.endpoint)) from problem
        self._position += len(data)
        return data
