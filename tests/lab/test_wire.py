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

from lab.errors import Failure
from lab.unbounded import FOREVER, UnboundedBodies, complete
from lab.values import Type, from_wire, show
from lab.wire import Malformed, jsonrpc
from lab.wire import xmlrpc as lab_xmlrpc
from tests.support.lab import Lab

printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
# XAPI reads no empty name of a member
names = printable.filter(lambda name: name and "\r" not in name)
parameters = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31 - 1) | printable | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.lists(parameters, max_size=4))
def test_what_a_client_sends_is_what_is_read(values: list[Any]) -> None:
    body = xmlrpc.client.dumps(tuple(values), "VM.start", allow_none=True).encode()
    assert lab_xmlrpc.parse_call(body) == ("VM.start", values)


@settings(deadline=None)
@given(st.dictionaries(names, printable))
def test_what_is_answered_is_what_a_client_reads(value: dict[str, str]) -> None:
    kind = Type("map", key=Type("string"), item=Type("string"))
    [answer], _method = xmlrpc.client.loads("".join(lab_xmlrpc.success(kind, value)))
    assert answer == {"Status": "Success", "Value": value}


def _call(parameters: str) -> bytes:
    return f"<methodCall><methodName>m</methodName>{parameters}</methodCall>".encode()


def _typed(value: str) -> bytes:
    return _call(f"<params><param><value>{value}</value></param></params>")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no XML",
        b"<methodCall/>",
        b"<methodCall><methodName></methodName><params/></methodCall>",
        b"<a><b></a>",
        b"<call><methodName>m</methodName><params/></call>",
        _call(""),
        _call("<params/><params/>"),
        _call("<params>text</params>"),
        _call("<params><value>a</value></params>"),
        _call("<params><param/></params>"),
        _call("<params><param><value>a</value><value>b</value></param></params>"),
    ],
)
def test_what_is_no_call(body: bytes) -> None:
    with pytest.raises(Malformed):
        lab_xmlrpc.parse_call(body)


@pytest.mark.parametrize(
    "value",
    [
        "text<string>a</string>",
        "<string>a</string><string>b</string>",
        "<string><b/></string>",
        "<text>a</text>",
        "<int/>",
        "<int> 5</int>",
        "<int>5.0</int>",
        "<i8>9223372036854775808</i8>",
        "<boolean/>",
        "<double/>",
        "<double>x</double>",
        "<dateTime.iso8601/>",
        "<base64>!</base64>",
        "<nil>x</nil>",
        "<array><value>a</value></array>",
        "<array><data>a</data></array>",
        "<struct><member><value>a</value></member></struct>",
        "<struct><member><name>a</name></member></struct>",
        "<struct><member><name/><value>a</value></member></struct>",
        "<struct><member><value>a</value><name>a</name></member></struct>",
    ],
)
def test_what_is_no_value(value: str) -> None:
    with pytest.raises(Malformed):
        lab_xmlrpc.parse_call(_typed(value))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", ""),
        (" a ", " a "),
        (" <string> a </string>\n", " a "),
        ("<value/>", ""),
        ("<string><![CDATA[<a>]]></string>", "<a>"),
        ("<i4>0x10</i4>", 16),
        ("<int>-1_000</int>", -1000),
        ("<boolean>1</boolean>", True),
        ("<boolean>true</boolean>", False),
        ("<boolean>2</boolean>", False),
        ("<double>2</double>", 2.0),
        ("<nil/>", None),
        ("<array/>", []),
        ("<array> <data> <value>a</value> </data> </array>", ["a"]),
        ("<struct> <member> <name>a</name> <value/> </member> </struct>", {"a": ""}),
    ],
)
def test_how_a_value_is_read(value: str, read: Any) -> None:
    assert lab_xmlrpc.parse_call(_typed(value)) == ("m", [read])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<base64>YWI=</base64>", "B64(ab)"),
        ("<dateTime.iso8601>20260101T00:00:00Z</dateTime.iso8601>", "D(20260101T00:00:00Z)"),
    ],
)
def test_values_that_are_no_strings(value: str, shown: str) -> None:
    [parameter] = lab_xmlrpc.parse_call(_typed(value))[1]
    with pytest.raises(Failure) as caught:
        from_wire(Type("string"), parameter)
    assert caught.value.description == ["INTERNAL_ERROR", f"Failure(\"Expected string, got '{shown}'\")"]


def test_what_follows_a_call_does_not_count() -> None:
    assert lab_xmlrpc.parse_call(_call("<params/>") + b"\nmore") == ("m", [])


@pytest.mark.parametrize(
    "text", ["", "now", "20260101", "20261301T00:00:00Z", "20260101T25:00:00Z", "20260101T00:00Z", "20260101 00:00:00Z"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Failure) as caught:
        from_wire(Type("datetime"), text)
    assert caught.value.description == ["INTERNAL_ERROR", f"Invalid argument: Clock__Date.of_iso8601: {text}"]


@pytest.mark.parametrize(
    ("body", "parameters", "version"),
    [
        ('{"method": "m", "params": [1], "id": 1}', [1], 1),
        ('{"method": "m", "params": [], "id": "a"}', [], 1),
        ('{"jsonrpc": "2.0", "method": "m", "params": ["a"], "id": 1}', ["a"], 2),
        ('{"jsonrpc": "2.0", "method": "m", "id": 1}', [], 2),
        ('{"jsonrpc": "2.0", "method": "m", "params": null, "id": 1}', [], 2),
        ('{"jsonrpc": "2.0", "method": "m", "params": {"a": 1}, "id": 1}', [{"a": 1}], 2),
    ],
)
def test_calls_in_json(body: str, parameters: list[Any], version: int) -> None:
    call = jsonrpc.parse_call(body.encode())
    assert (call.method, call.parameters, call.version) == ("m", parameters, version)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"method": "m", "params": []}',
        '{"method": "m", "params": [], "id": null}',
        '{"method": "m", "params": [], "id": 1.5}',
        '{"method": "m", "params": [], "id": true}',
        '{"method": "m", "id": 1}',
        '{"method": "m", "params": {"a": 1}, "id": 1}',
        '{"method": "m", "params": null, "id": 1}',
        '{"method": 1, "params": [], "id": 1}',
        '{"jsonrpc": null, "method": "m", "params": [], "id": 1}',
        '{"jsonrpc": "1.0", "method": "m", "params": [], "id": 1}',
        '{"jsonrpc": 2.0, "method": "m", "params": [], "id": 1}',
        '{"jsonrpc": "2.0", "method": "m", "params": "a", "id": 1}',
        '{"jsonrpc": "2.0", "method": "m", "params": []}',
        '{"jsonrpc": "2.0", "method": "m", "params": [9223372036854775808], "id": 1}',
    ],
)
def test_what_is_no_call_in_json(body: str) -> None:
    with pytest.raises(Malformed):
        jsonrpc.parse_call(body.encode())


@pytest.mark.parametrize("version", ['"jsonrpc": "2.0", ', ""])
def test_text_that_xml_cannot_have_is_refused_in_the_first_version(
    server: tuple[Lab, Path | None], version: str
) -> None:
    lab, _authority = server
    if not lab.url.startswith("http:"):
        pytest.skip("the same over TLS")
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(lab.url).netloc)
    connection.request("POST", "/jsonrpc", f'{{{version}"method": "VM.get_all", "params": ["a\\u0001"], "id": 7}}')
    assert connection.getresponse().read().decode() == (
        '{"result":null,"error":["INVALID_VALUE","Invalid UTF-8 string in parameter","S(a\\u0001)"],"id":0}'
    )


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
    assert (answer.getheader("content-type") is None) == (status == 404 or verb == "OPTIONS")
    if verb == "OPTIONS":
        assert answer.getheader("access-control-allow-headers") == "content-type, X-Requested-With"
    link.close()


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        (11, None, "keep-alive"),
        (11, "Keep-Alive", "keep-alive"),
        (11, "close", "close"),
        (10, None, "close"),
        (10, "keep-alive", "keep-alive"),
    ],
)
def test_whether_the_connection_stays_open(
    server: tuple[Lab, Path | None], version: int, asked: str | None, told: str
) -> None:
    lab, authority = server
    if authority:
        pytest.skip("the same over TLS")
    link = http.client.HTTPConnection(urllib.parse.urlsplit(lab.url).netloc, timeout=20)
    link._http_vsn, link._http_vsn_str = version, f"HTTP/1.{version - 10}"  # type: ignore[attr-defined]
    link.request("POST", "/jsonrpc/x", '{"method": "m", "params": [], "id": 1}', {"Connection": asked} if asked else {})
    answer = link.getresponse()
    assert (answer.getheader("connection"), answer.getheader("content-type")) == (told, "application/json")
    assert answer.read() == b'{"result":null,"error":["MESSAGE_METHOD_UNKNOWN","m"],"id":1}'
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
