# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A XAPI session over JSON-RPC in the shape of the XenAPI SDK's, so that one test can run over either protocol."""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import urllib.parse
from typing import Any

import XenAPI

#: how long a call may take, in seconds
PATIENCE = 120.0


class JsonSession:
    """As XenAPI.Session: ``session.xenapi.VM.start(...)`` puts the session's reference in front of the parameters.

    Errors are XenAPI.Failure. Integers come back as decimal text, as they do over XML-RPC. A session that ended is
    not renewed.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None = None, version: str = "2.0") -> None:
        self._address, self._context, self._version = urllib.parse.urlsplit(url), context, version
        self._connection = self._connect()
        self._numbers = itertools.count(1)
        self.handle = ""
        self.xenapi = _Name(self, "")

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._context:
            return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)

    def login_with_password(self, *arguments: Any) -> None:
        """Log in as the SDK does: user, password, API version, originator. Raises XenAPI.Failure."""
        self.handle = self.request("session.login_with_password", list(arguments))

    def request(self, method: str, parameters: list[Any]) -> Any:
        """One call as it goes over the wire, with its session if it needs one. Raises XenAPI.Failure."""
        body = {"method": method, "params": parameters, "id": next(self._numbers)}
        if self._version == "2.0":
            body["jsonrpc"] = "2.0"
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/jsonrpc", json.dumps(body), headers)
        answer = json.loads(self._connection.getresponse().read())
        assert answer["id"] == body["id"], "the answer to another call"
        error = answer.get("error")
        if isinstance(error, dict):
            raise XenAPI.Failure([error["message"], *error["data"]])
        if error:
            raise XenAPI.Failure(error)
        return as_xmlrpc(answer["result"])


def as_xmlrpc(value: Any) -> Any:
    """A value of a JSON answer as an XML-RPC client has it: integers are text there."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return [as_xmlrpc(item) for item in value]
    if isinstance(value, dict):
        return {key: as_xmlrpc(item) for key, item in value.items()}
    return value


class _Name:
    """A class or call of the API, spelled out attribute by attribute."""

    def __init__(self, session: JsonSession, name: str) -> None:
        self._session, self._name = session, name

    def __getattr__(self, name: str) -> _Name:
        return _Name(self._session, f"{self._name}.{name}" if self._name else name)

    def __call__(self, *arguments: Any) -> Any:
        if self._name == "login_with_password":
            return self._session.login_with_password(*arguments)
        return self._session.request(self._name, [self._session.handle, *arguments])
