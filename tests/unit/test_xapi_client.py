# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl
import threading
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.client import Client, is_read
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import (
    ApiFailure,
    ConnectionLost,
    Unreachable,
    WriteRefused,
    explain,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.tasks import _VALUE
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.tls import (
    Endpoint,
    endpoint_url,
    normal_fingerprint,
    why,
)


@pytest.mark.parametrize("method", ["VM.get_all_records", "VM.assert_can_boot_here", "event.from", "session.logout"])
def test_calls_that_change_nothing(method: str) -> None:
    assert is_read(method)


@pytest.mark.parametrize(
    "method", ["VM.start", "Async.VM.clone", "VM.set_tags", "task.create", "pool.add_to_other_config", "event.inject"]
)
def test_calls_that_write(method: str) -> None:
    assert not is_read(method)


def test_error_codes_in_plain_words() -> None:
    assert explain("SR_FULL", []) == "the SR is full"
    assert explain("VM_BAD_POWER_STATE", ["OpaqueRef:1", "halted", "running"]) == "the VM is running, it must be halted"
    assert explain("SOMETHING_NEW", ["a", ""]) == "XAPI answered SOMETHING_NEW: a"
    assert explain("VM_BAD_POWER_STATE", []) == "the VM is"
    assert str(ApiFailure("VM.start", ["HOST_OFFLINE", "x"])) == "the host is offline (HOST_OFFLINE from VM.start)"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("xen1.example.com", "https://xen1.example.com"),
        ("xen1.example.com:8443", "https://xen1.example.com:8443"),
        ("http://127.0.0.1:80/x", "http://127.0.0.1:80"),
        ("[fd00::1]:443", "https://[fd00::1]:443"),
    ],
)
def test_hostnames_become_urls(given: str, url: str) -> None:
    assert endpoint_url(given) == url


@pytest.mark.parametrize("given", ["", "ftp://xen1", "https://"])
def test_hostnames_that_are_none(given: str) -> None:
    with pytest.raises(Unreachable, match=r"^hostname: "):
        endpoint_url(given)


def test_fingerprints_in_their_usual_spellings() -> None:
    digits = "ab" * 32
    for text in (digits, f"sha256:{digits}", f"SHA-256={digits.upper()}", ":".join(["AB"] * 32)):
        assert normal_fingerprint(text) == digits
    for text in ("", "ab", f"sha1:{'ab' * 20}", digits + "0"):
        with pytest.raises(Unreachable, match=r"^fingerprint: "):
            normal_fingerprint(text)


def test_a_task_result_is_unwrapped() -> None:
    for text in ("<value>OpaqueRef:1</value>", "<value><string>OpaqueRef:1</string></value>\n"):
        match = _VALUE.match(text)
        assert match
        assert match["value"] == "OpaqueRef:1"


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "xen1 refuses the connection"),
        (TimeoutError(), "xen1 did not answer within 60 seconds"),
        (OSError(113, "No route to host"), "xen1 cannot be reached: No route to host."),
        (ssl.SSLCertVerificationError("bad"), "The certificate of xen1 is not accepted"),
        (ssl.SSLError(1, "x"), "No TLS conversation with xen1"),
        (xmlrpc.client.ProtocolError("xen1", 500, "Oops", {}), "xen1 does not answer as XAPI does"),
    ],
)
def test_why_there_is_no_conversation(problem: Exception, words: str) -> None:
    sentence = why(problem, Endpoint("https://xen1", "root", "secret"))
    assert words in sentence
    assert "secret" not in sentence


# A server of a few lines, as a lab would not misbehave in these ways ------------------------------------------


class Scripted(ThreadingHTTPServer):
    """Answers each XML-RPC call by a function; None cuts the connection."""

    daemon_threads = True

    def __init__(self, answer: Any, address: tuple[str, int]) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        params, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((method, *params))
        answer = self.server.answer(method, params)
        if answer is None:
            self.close_connection = True
            return
        body = answer if isinstance(answer, bytes) else xmlrpc.client.dumps((answer,), methodresponse=True).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Not to the console."""


@contextmanager
def scripted(answer: Any, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[tuple[Scripted, Endpoint]]:
    with Scripted(answer, address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, Endpoint(f"http://{address[0]}:{server.server_address[1]}", "root", "secret", timeout=5)
        server.shutdown()
        thread.join()


def success(value: Any) -> dict[str, Any]:
    return {"Status": "Success", "Value": value}


def failure(*details: str) -> dict[str, Any]:
    return {"Status": "Failure", "ErrorDescription": list(details)}


def test_a_write_whose_connection_breaks_is_not_sent_again() -> None:
    def answer(method: str, params: Any) -> Any:
        return success("session") if method.startswith("session") else None

    with scripted(answer) as (server, endpoint), Client(endpoint) as client:
        with pytest.raises(ConnectionLost, match=r"broke during VM\.start: whether it was carried out is not known"):
            client.call("VM.start", "vm", False, False)
        assert [call[0] for call in server.calls].count("VM.start") == 1
        with pytest.raises(Unreachable):
            client.call("VM.get_all")


def test_an_expired_session_is_renewed_once_and_the_call_repeated() -> None:
    sessions = iter(["one", "two"])

    def answer(method: str, params: Any) -> Any:
        if method == "session.login_with_password":
            return success(next(sessions))
        if params[0] == "one":
            return failure("SESSION_INVALID", "one")
        return success("done")

    with scripted(answer) as (server, endpoint), Client(endpoint) as client:
        assert client.call("VM.start", "vm") == "done"
    assert [call[:2] for call in server.calls if call[0] == "VM.start"] == [("VM.start", "one"), ("VM.start", "two")]


def test_a_closed_client_does_not_log_in_again() -> None:
    def answer(method: str, params: Any) -> Any:
        return failure("SESSION_INVALID", "x") if method == "VM.get_all" else success("x")

    with scripted(answer) as (server, endpoint):
        with Client(endpoint) as client:
            pass
        with pytest.raises(ApiFailure, match="the session has expired"):
            client.call("VM.get_all")
        assert [call[0] for call in server.calls].count("session.login_with_password") == 1


def test_a_wrong_password_is_tried_once() -> None:
    with scripted(lambda *_: failure("SESSION_AUTHENTICATION_FAILED", "root", "no")) as (server, endpoint):
        with pytest.raises(Unreachable, match=r"does not accept the password of user 'root'\.$"), Client(endpoint):
            pass
        assert len([call for call in server.calls if "login" in call[0]]) == 1


def test_a_pool_member_sends_us_to_its_coordinator() -> None:
    with scripted(lambda *_: success("session")) as (coordinator, endpoint):
        port = coordinator.server_address[1]
        with scripted(lambda *_: failure("HOST_IS_SLAVE", "127.0.0.1"), ("127.0.0.2", port)) as (member, other):
            with Client(other) as client:
                client.call("VM.get_all")
                assert client.endpoint.url == endpoint.url
            assert [call[0] for call in member.calls] == ["session.login_with_password"]
        assert [call[0] for call in coordinator.calls][:2] == ["session.login_with_password", "VM.get_all"]


def test_a_coordinator_with_an_ipv6_address() -> None:
    client = Client(Endpoint("http://127.0.0.9:8080", "root", "secret"))
    client._go_to("fd00::7")
    assert client.endpoint.url == "http://[fd00::7]:8080"


def test_a_reading_client_refuses_to_write_before_anything_is_sent() -> None:
    with scripted(lambda *_: success("x")) as (server, endpoint), Client(endpoint, read_only=True) as client:
        with pytest.raises(WriteRefused, match=r"VM\.start would write"):
            client.call("VM.start", "vm")
        client.call("VM.get_all")
    assert [call[0] for call in server.calls] == ["session.login_with_password", "VM.get_all", "session.logout"]


@pytest.mark.parametrize("rubbish", [b"<html/>", b"", b"not xml at all", {"hello": "world"}, "text"])
def test_a_server_that_is_not_xapi(rubbish: Any) -> None:
    with (
        scripted(lambda *_: rubbish) as (_server, endpoint),
        pytest.raises(Unreachable, match="does not answer as XAPI does"),
        Client(endpoint),
    ):
        pass
