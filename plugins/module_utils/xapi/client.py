# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of XAPI over XML-RPC: one login, any number of threads, no surprises.

The standard library's xmlrpc.client instead of the XenAPI SDK, for reasons in docs/decisions/0003-xapi-client.md.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import xmlrpc.client
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xml.parsers.expat import ExpatError

from . import tls
from .errors import ApiFailure, ConnectionLost, Unreachable, WriteRefused
from .tls import Endpoint

#: Sessions are evicted per originator, so ours must not share one with other tools.
ORIGINATOR = "skinnybox"

#: XAPI closes idle connections; a call that writes must never be the one to find out.
IDLE_LIMIT = 10.0

_READS = ("get_", "assert_", "compute_")
_READ_CALLS = frozenset({"event.from", "session.login_with_password", "session.logout"})


def is_read(method: str) -> bool:
    """Whether a XAPI call changes nothing. Async calls count as writes."""
    return method in _READ_CALLS or method.rpartition(".")[2].startswith(_READS)


class _Transport(xmlrpc.client.Transport):
    """Our own connections, and no second attempt: the standard one sends a call again when the connection drops."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._used = 0.0

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if self._connection[1] is not None and time.monotonic() - self._used > IDLE_LIMIT:
            self.close()
        self._used = time.monotonic()
        if self._connection[1] is None:
            self._connection = host, tls.connect(self._endpoint)
        return self._connection[1]  # type: ignore[return-value]

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        return self.single_request(host, handler, request_body, verbose)


class Client:
    """A logged-in conversation with the coordinator of a host pool.

    Use it as a context manager: the session is closed at the end, as XAPI keeps only 500 for each originator.
    """

    def __init__(self, endpoint: Endpoint, read_only: bool = False) -> None:
        self.endpoint = endpoint
        self.read_only = read_only
        self._session = ""
        self._closed = False
        self._login_lock = threading.Lock()
        self._local = threading.local()

    def __enter__(self) -> Client:
        self._login(expired="")
        return self

    def __exit__(self, *_exc: object) -> None:
        # A thread that still listens for events must not log in again.
        self._closed = True
        with suppress(Exception):
            self._send("session.logout", (self._session,))

    @property
    def session(self) -> str:
        """The session's reference, for HTTP transfers."""
        return self._session

    def call(self, method: str, *params: Any) -> Any:
        """Make one call and return its value. 64-bit integers go and come as strings.

        Raises ApiFailure; Unreachable when nothing was sent or the call only reads; ConnectionLost when a call
        that writes may or may not have been carried out; WriteRefused on a read-only client.
        """
        if self.read_only and not is_read(method):
            raise WriteRefused(f"{method} would write, but this session was opened for reading only")
        for _attempt in range(3):
            session = self._session
            try:
                return self._send(method, (session, *params))
            except ApiFailure as failure:
                # XAPI checks the session before it does anything, so the call did not run.
                if failure.code != "SESSION_INVALID" or self._closed:
                    raise
                self._login(expired=session)
        return self._send(method, (self._session, *params))

    def _login(self, expired: str) -> None:
        with self._login_lock:
            if self._session != expired:
                return  # another thread has just logged in
            credentials = (self.endpoint.username, self.endpoint.password, "1.0", ORIGINATOR)
            try:
                self._session = self._send("session.login_with_password", credentials)
            except ApiFailure as failure:
                if failure.code == "HOST_IS_SLAVE" and failure.params:
                    self._go_to(failure.params[0])
                    self._session = self._send("session.login_with_password", credentials)
                elif failure.code == "SESSION_AUTHENTICATION_FAILED":
                    raise Unreachable(
                        f"{self.endpoint.host} does not accept the password of user {self.endpoint.username!r}."
                    ) from None
                else:
                    raise

    def _go_to(self, coordinator: str) -> None:
        """Follow a pool member's word: the SDK does not, and every call but this one would fail."""
        parts = urlsplit(self.endpoint.url)
        host = f"[{coordinator}]" if ":" in coordinator and not coordinator.startswith("[") else coordinator
        netloc = f"{host}:{parts.port}" if parts.port else host
        self.endpoint = replace(self.endpoint, url=urlunsplit((parts.scheme, netloc, "", "", "")))
        self._local = threading.local()

    def _send(self, method: str, params: tuple[Any, ...]) -> Any:
        proxy = self._proxy()
        try:
            answer = getattr(proxy, method)(*params)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as problem:
            proxy("close")()
            connected = not isinstance(problem, (ConnectionRefusedError, ssl.SSLError, socket.gaierror))
            if connected and not is_read(method) and not isinstance(problem, xmlrpc.client.Error):
                raise ConnectionLost(
                    f"The connection to {self.endpoint.host} broke during {method}: whether it was carried out is "
                    "not known."
                ) from problem
            raise Unreachable(tls.why(problem, self.endpoint)) from problem
        if not isinstance(answer, dict) or "Status" not in answer:
            raise Unreachable(f"{self.endpoint.host} does not answer as XAPI does.")
        if answer["Status"] != "Success":
            raise ApiFailure(method, [str(detail) for detail in answer.get("ErrorDescription", ())])
        return answer.get("Value")

    def _proxy(self) -> xmlrpc.client.ServerProxy:
        """A connection of this thread's own: they cannot be shared."""
        if not hasattr(self._local, "proxy"):
            self._local.proxy = xmlrpc.client.ServerProxy(
                self.endpoint.url, transport=_Transport(self.endpoint), allow_none=True
            )
        return self._local.proxy
