# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes to calls and answers to bytes; uploads without a length."""

from __future__ import annotations

import http.client
import urllib.parse
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.unbounded import FOREVER, UnboundedBodies, complete
from lab.values import Type, show
from lab.wire import Malformed, jsonrpc
from lab.wire import xmlrpc as lab_xmlrpc
from tests.support.lab import Lab

printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
parameters = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31 - 1) | printable | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.lists(parameters, max_size=4))
def test_what_a_client_sends_is_what_is_read(values: list[Any]) -> None:
    body = xmlrpc.client.dumps(tuple(values), "VM.start", allow_none=True).encode()
    assert lab_xmlrpc.parse_call(body) == ("VM.start", values)


@settings(deadline=None)
@given(st.dictionaries(printable, printable))
def test_what_is_answered_is_what_a_client_reads(value: dict[str, str]) -> None:
    kind = Type("map", key=Type("string"), item=Type("string"))
    [answer], _method = xmlrpc.client.loads("".join(lab_xmlrpc.success(kind, value)))
    assert answer == {"Status": "Success", "Value": value}


@pytest.mark.parametrize(
    "body", [b"", b"no XML", b"<methodCall/>", b"<methodCall><methodName></methodName></methodCall>", b"<a><b></a>"]
)
def test_what_is_no_call(body: bytes) -> None:
    with pytest.raises(Malformed):
        lab_xmlrpc.parse_call(body)


def test_values_in_error_texts() -> None:
    assert show([1, "a", None, {"k": True}, 1.5]) == "[I(1);S(a);N;{k:B(true)};F(1.5)]"


def test_json_error_in_both_versions() -> None:
    second = jsonrpc.parse_call(b'{"jsonrpc": "2.0", "method": "m", "params": [], "id": 1}')
    assert jsonrpc.failure(second, ["CODE", "p"]) == [
        '{"jsonrpc":"2.0","error":{"code":1,"message":"CODE","data":["p"]},"id":1}'
    ]
    first = jsonrpc.parse_call(b'{"method": "m", "params": [], "id": 1}')
    assert jsonrpc.failure(first, ["CODE", "p"]) == ['{"result":null,"error":["CODE","p"],"id":1}']


HEAD = b"PUT /import_raw_vdi?vdi=x HTTP/1.1\r\nHost: a\r\n"


def test_upload_without_a_length_gets_one() -> None:
    found = complete(HEAD + b"\r\nbody")
    assert f"content-length: {FOREVER}\r\n".encode() in found
    assert found.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: 3\r\n\r\nabc",
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
    ],
)
def test_other_requests_stay_as_they_are(head: bytes) -> None:
    assert complete(head) == head


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), max_size=10))
def test_requests_may_come_in_pieces(sizes: list[int]) -> None:
    class Inner:
        received = b""

        def data_received(self, data: bytes) -> None:
            self.received += data

    inner, request = Inner(), HEAD + b"\r\nbody"
    protocol = UnboundedBodies(inner)  # type: ignore[arg-type]
    for size in sizes:
        protocol.data_received(request[:size])
        request = request[size:]
    protocol.data_received(request)
    assert inner.received == complete(HEAD + b"\r\nbody")


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/nothing", 404),
        ("GET", "/vncsnapshot?uuid=x", 404),
        ("PUT", "/nothing", 403),
        ("DELETE", "/", 501),
        ("HEAD", "/", 501),
        ("OPTIONS", "/jsonrpc", 200),
    ],
)
def test_what_no_handler_is_for(server: tuple[Lab, Path | None], verb: str, path: str, status: int) -> None:
    lab, authority = server
    if authority:
        pytest.skip("the same over TLS")
    where = urllib.parse.urlsplit(lab.url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    link.request(verb, path, headers={"Access-Control-Request-Headers": "content-type"})
    answer = link.getresponse()
    assert answer.status == status
    if verb == "OPTIONS":
        assert answer.getheader("access-control-allow-headers") == "content-type, X-Requested-With"
    link.close()


@pytest.mark.parametrize("path", ["/", "/jsonrpc"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [({"Content-Length": str(301 * 1024)}, b" " * 301 * 1024), ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n")],
)
def test_bodies_of_calls_have_a_length_and_a_limit(
    server: tuple[Lab, Path | None], path: str, headers: dict[str, str], body: bytes
) -> None:
    lab, authority = server
    if authority:
        pytest.skip("the same over TLS")
    where = urllib.parse.urlsplit(lab.url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    link.putrequest("POST", path)
    for name, text in headers.items():
        link.putheader(name, text)
    link.endheaders()
    link.send(body)
    assert link.getresponse().status == 500
    link.close()
