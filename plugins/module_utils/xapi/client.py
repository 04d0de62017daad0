# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of XAPI: one login, any number of threads, no surprises.

The standard library's xmlrpc.client instead of the XenAPI SDK, for reasons in docs/decisions/xapi-client.md.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from . import tls
from .connection import Broken, Connection, NotSent
from .errors import ApiFailure, ConnectionLost, LoginRefused, Unreachable, WriteRefused, XapiError
from .protocols import JsonRpc, NotXapi, Wire, XmlRpc
from .retry import PATIENCE, Patience, may_pass
from .tls import Endpoint

#: Sessions are evicted per originator, so ours must not share one with other tools.
ORIGINATOR = "skinnybox"

#: How often a pool member may send a login on to its coordinator: each of them may have been told another one.
_HOPS = 3

_READS = ("get_", "assert_", "compute_")
_READ_CALLS = frozenset({"event.from", "session.login_with_password", "session.logout"})


def is_read(method: str) -> bool:
    """Whether a XAPI call changes nothing. Async calls count as writes."""
    return method in _READ_CALLS or method.rpartition(".")[2].startswith(_READS)


@dataclass(frozen=True, eq=False)
class _Conversation:
    """With whom the client talks and by which session. Compared by identity: each login makes a new one."""

    endpoint: Endpoint
    session: str


class Client:
    """A logged-in conversation with the coordinator of a host pool.

    Use it as a context manager: the session is closed at the end, as XAPI keeps only 500 for each originator.

    A first login fails at once. Later the client survives for `patience` seconds what passes: a connection that
    breaks, an expired session, a coordinator that restarts or hands over to another host, and XAPI's codes for "not
    now". Only a call that writes and may have been carried out is never repeated.
    """

    def __init__(self, endpoint: Endpoint, read_only: bool = False, patience: float = PATIENCE) -> None:
        self.read_only = read_only
        self.patience = patience
        #: Set by whoever wants the run to end: no call waits for better times any more.
        self.stopping = threading.Event()
        #: Addresses of all hosts of the pool, one of which becomes its coordinator when this one is lost.
        self.addresses: tuple[str, ...] = ()
        #: Grows with each login: tasks and event tokens of before may mean nothing any more.
        self.generation = 0
        self._now = _Conversation(endpoint, "")
        self._closed = False
        self._lock = threading.Lock()
        self._local = threading.local()
        self._json: Wire = JsonRpc()
        self._xml: Wire = XmlRpc()

    def __enter__(self) -> Client:
        self._now = self._log_in(self.endpoint)
        return self

    def __exit__(self, *_exc: object) -> None:
        # A thread that still listens for events must not log in again.
        self._closed = True
        with suppress(Exception):
            self._exchange(self._now.endpoint, self._xml, "session.logout", (self.session,))

    @property
    def endpoint(self) -> Endpoint:
        """Where the coordinator answers."""
        return self._now.endpoint

    @property
    def session(self) -> str:
        """The session's reference, for HTTP transfers."""
        return self._now.session

    def call(self, method: str, *params: Any) -> Any:
        """Make one call over XML-RPC and return its value. 64-bit integers go and come as strings.

        Raises ApiFailure; Unreachable when surely nothing was carried out; ConnectionLost when a call that writes may
        or may not have been; WriteRefused on a read-only client.
        """
        if self.read_only and not is_read(method):
            raise WriteRefused(f"{method} would write, but this session was opened for reading only")
        return self._converse(self._xml, method, params)

    def read(self, method: str, *params: Any) -> Any:
        """Make one call that only reads, over JSON-RPC where the server speaks it: large answers come much faster.

        Integers come as numbers, or as strings from a server that does not. Raises ApiFailure, Unreachable.
        """
        if not is_read(method):
            raise WriteRefused(f"{method} writes: it is no call for reading")
        wire = self._json
        try:
            return self._converse(wire, method, params)
        except _NotSpoken:
            if wire is self._xml:
                raise
        self._json = self._xml
        return self._converse(self._xml, method, params)

    def _converse(self, wire: Wire, method: str, params: tuple[Any, ...]) -> Any:
        """Make one call, again where that is safe, for as long as the patience lasts."""
        patience = Patience(self.patience, self.stopping)
        attempt = -1
        while True:
            now, attempt = self._now, attempt + 1
            try:
                return self._exchange(now.endpoint, wire, method, (now.session, *params))
            except ApiFailure as failure:
                # XAPI checks session and coordinator before it does anything, so the call did not run.
                if failure.code in ("SESSION_INVALID", "HOST_IS_SLAVE") and not self._closed:
                    self._recover(attempt, now, patience, failure)
                elif not self._passes(method, failure) or not patience.wait():
                    raise
            except _NotSpoken:
                raise
            except Unreachable as problem:
                if self._closed or not now.session:
                    raise
                # A kept connection may just have been at its end: the first attempt is made anew as it is.
                if attempt:
                    self._recover(attempt, now, patience, problem)

    def _passes(self, method: str, failure: ApiFailure) -> bool:
        """Whether to wait for better times. Who asks how things are wants to know that they are not good now."""
        return failure.code == "HOST_STILL_BOOTING" if is_read(method) else may_pass(failure)

    def _recover(self, attempt: int, lost: _Conversation, patience: Patience, reason: XapiError) -> None:
        """Log in again: where the reason says, where we were, or at another host, which knows its coordinator.

        That none of them lets us in says nothing yet: XAPI may be starting, a new coordinator may not be chosen. From
        the third attempt on this waits first, and raises the reason when the patience has ended; LoginRefused at once.
        """
        if attempt > 1 and not patience.wait():
            raise reason
        named = reason.params[:1] if isinstance(reason, ApiFailure) and reason.code == "HOST_IS_SLAVE" else ()
        here = urlsplit(lost.endpoint.url).hostname or ""
        with self._lock:
            if self._now is not lost:
                return  # another thread has just done it
            for address in dict.fromkeys((*named, here, *self.addresses)):
                try:
                    self._now = self._log_in(_at(lost.endpoint, address))
                except LoginRefused:
                    raise
                except (Unreachable, ApiFailure):
                    continue
                self.generation += 1
                return

    def _log_in(self, endpoint: Endpoint) -> _Conversation:
        """Log in at a host or at the coordinator that it names: the SDK does not follow, and no other call would work.

        A refused login is never tried again: each wrong password costs XAPI five seconds.
        """
        credentials = (endpoint.username, endpoint.password, "1.0", ORIGINATOR)
        for _hop in range(_HOPS):
            try:
                session = self._exchange(endpoint, self._xml, "session.login_with_password", credentials)
            except ApiFailure as failure:
                if failure.code == "SESSION_AUTHENTICATION_FAILED":
                    raise LoginRefused(
                        f"{endpoint.host} does not accept the password of user {endpoint.username!r}."
                    ) from None
                if failure.code != "HOST_IS_SLAVE" or not failure.params:
                    raise
                endpoint = _at(endpoint, failure.params[0])
            else:
                return _Conversation(endpoint, session)
        raise Unreachable(
            f"The hosts of the pool do not agree which of them is the coordinator; {endpoint.host} is none."
        )

    def _exchange(self, endpoint: Endpoint, wire: Wire, method: str, params: tuple[Any, ...]) -> Any:
        """Send a call once. Raises ApiFailure, Unreachable, ConnectionLost."""
        connection = self._connection(endpoint)
        try:
            return wire.decode(method, connection.post(wire.path, wire.content_type, wire.encode(method, params)))
        except Broken as broken:
            if is_read(method):
                raise Unreachable(tls.why(broken.problem, endpoint)) from broken
            raise ConnectionLost(
                f"The connection to {endpoint.host} broke during {method}: whether it was carried out is not known."
            ) from broken
        except NotSent as unsent:
            raise Unreachable(tls.why(unsent.problem, endpoint)) from unsent
        except NotXapi as strange:
            if is_read(method):
                raise _NotSpoken(tls.why(strange, endpoint)) from strange
            raise ConnectionLost(
                f"What {endpoint.host} answered to {method} is not XAPI's ({strange}): whether it was carried out is "
                "not known."
            ) from strange

    def _connection(self, endpoint: Endpoint) -> Connection:
        """A connection of this thread's own: they cannot be shared."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.endpoint != endpoint:
            if connection is not None:
                connection.close()
            connection = self._local.connection = Connection(endpoint)
        return connection


class _NotSpoken(Unreachable):
    """What answers does not speak XAPI, or not in this protocol: waiting does not help."""


def _at(endpoint: Endpoint, address: str) -> Endpoint:
    """The endpoint at the address of another host of its pool."""
    parts = urlsplit(endpoint.url)
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address
    netloc = f"{host}:{parts.port}" if parts.port else host
    return replace(endpoint, url=urlunsplit((parts.scheme, netloc, "", "", "")))
