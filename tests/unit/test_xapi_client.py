# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import socket
import ssl
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.client import Client, _at, is_read
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.connection import _is_closed
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import (
    ApiFailure,
    ConnectionLost,
    LoginRefused,
    Unreachable,
    WriteRefused,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.protocols import JsonRpc, NotXapi
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.retry import Patience, delays
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.tasks import _VALUE
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.tls import (
    Endpoint,
    endpoint_url,
    normal_fingerprint,
    why,
)
from tests.support.waiting import attempts


@pytest.mark.parametrize("method", ["VM.get_all_records", "VM.assert_can_boot_here", "event.from", "session.logout"])
def test_calls_that_change_nothing(method: str) -> None:
    assert is_read(method)


@pytest.mark.parametrize(
    "method", ["VM.start", "Async.VM.clone", "VM.set_tags", "task.create", "pool.add_to_other_config", "event.inject"]
)
def test_calls_that_write(method: str) -> None:
    assert not is_read(method)


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
    """Answers each call by a function, in the protocol in which it was made; None cuts the connection."""

    daemon_threads = True

    def __init__(self, answer: Any, address: tuple[str, int]) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []
        #: paths to which calls were posted, in order
        self.paths: list[str] = []
        self.speaks_json = True
        #: called before JSON is refused
        self.before_refusal: Callable[[], Any] = lambda: None
        self.closes = False
        super().__init__(address, _Handler)

    def methods(self) -> list[str]:
        return [call[0] for call in self.calls]


class _Handler(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body, server = self.rfile.read(int(self.headers["Content-Length"])), self.server
        server.paths.append(self.path)
        if self.path == "/jsonrpc" and not server.speaks_json:
            server.before_refusal()
            self._reply(404, b"<html/>")
            return
        if self.path == "/jsonrpc":
            call = json.loads(body)
            method, params = call["method"], call["params"]
        else:
            params, method = xmlrpc.client.loads(body)
        server.calls.append((method, *params))
        answer = server.answer(method, params)
        if answer is None:
            self.close_connection = True
        elif isinstance(answer, bytes):
            self._reply(200, answer)
        else:
            self._reply(200, as_json(answer) if self.path == "/jsonrpc" else as_xml(answer))

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        # Without a word in the answer, as a server does whose idle connections are at their end.
        self.close_connection = self.close_connection or self.server.closes

    def log_message(self, *arguments: object) -> None:
        """Not to the console."""


def as_xml(answer: Any) -> bytes:
    return xmlrpc.client.dumps((answer,), methodresponse=True).encode()


def as_json(answer: dict[str, Any]) -> bytes:
    """The same answer in JSON-RPC 2.0."""
    if answer["Status"] == "Success":
        return json.dumps({"jsonrpc": "2.0", "result": answer["Value"], "id": 1}).encode()
    code, *params = answer["ErrorDescription"]
    return json.dumps({"jsonrpc": "2.0", "error": {"code": 1, "message": code, "data": params}, "id": 1}).encode()


@contextmanager
def scripted(answer: Any, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[tuple[Scripted, Endpoint]]:
    with Scripted(answer, address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, Endpoint(f"http://{address[0]}:{server.server_address[1]}", "root", "secret")
        server.shutdown()
        thread.join()


def success(value: Any) -> dict[str, Any]:
    return {"Status": "Success", "Value": value}


def failure(*details: str) -> dict[str, Any]:
    return {"Status": "Failure", "ErrorDescription": list(details)}


def logged_in(answer: Any) -> Any:
    """Logins succeed, with a session of a new number each; all else is answered by the function."""
    numbers = itertools.count(1)

    def answer_all(method: str, params: Any) -> Any:
        return (
            success(f"session {next(numbers)}") if method == "session.login_with_password" else answer(method, params)
        )

    return answer_all


LOGIN = "session.login_with_password"


def test_a_write_whose_connection_breaks_is_not_sent_again() -> None:
    def answer(method: str, params: Any) -> Any:
        return success("done") if method == "VM.get_all" else None

    with scripted(logged_in(answer)) as (server, endpoint), Client(endpoint) as client:
        with pytest.raises(ConnectionLost, match=r"broke during VM\.start: whether it was carried out is not known"):
            client.call("VM.start", "vm", False, False)
        assert server.methods().count("VM.start") == 1
        assert client.call("VM.get_all") == "done"


def test_a_write_that_was_answered_with_rubbish_is_not_known_to_have_run() -> None:
    with scripted(logged_in(lambda *_: b"<html/>")) as (server, endpoint), Client(endpoint) as client:
        with pytest.raises(ConnectionLost, match=r"to VM\.start is not XAPI's"):
            client.call("VM.start", "vm", False, False)
        assert server.methods().count("VM.start") == 1
        with pytest.raises(Unreachable, match="does not answer as XAPI does"):
            client.call("VM.get_all")


def test_a_write_does_not_go_over_a_connection_that_the_server_has_closed() -> None:
    with scripted(logged_in(lambda *_: success("done"))) as (server, endpoint):
        server.closes = True
        with Client(endpoint) as client:
            assert any(_is_closed_by_server(client) for _ in attempts())
            for _ in range(3):
                assert client.call("VM.start", "vm", False, False) == "done"
                assert any(_is_closed_by_server(client) for _ in attempts())
        assert server.methods() == [LOGIN, *["VM.start"] * 3, "session.logout"]


def _is_closed_by_server(client: Client) -> bool:
    """Its end has reached us."""
    connection = client._local.connection._http
    return connection is None or _is_closed(connection)


def test_a_read_whose_connection_breaks_is_made_again() -> None:
    broken = iter([True, True, False])

    def answer(method: str, params: Any) -> Any:
        return None if method == "VM.get_all" and next(broken) else success("done")

    with scripted(logged_in(answer)) as (server, endpoint), Client(endpoint) as client:
        assert client.call("VM.get_all") == "done"
        assert client.generation == 1
        assert server.methods() == [LOGIN, "VM.get_all", "VM.get_all", LOGIN, "VM.get_all"]


def test_a_server_that_stays_away_is_given_up_when_the_patience_ends() -> None:
    def answer(method: str, params: Any) -> Any:
        return None if method == "VM.get_all" else success("done")

    with scripted(logged_in(answer)) as (server, endpoint), Client(endpoint, patience=1) as client:
        with pytest.raises(Unreachable, match=endpoint.host):
            client.call("VM.get_all")
        assert server.methods().count("VM.get_all") > 2


def test_nothing_is_waited_for_when_the_run_is_to_stop() -> None:
    with scripted(logged_in(lambda *_: failure("OTHER_OPERATION_IN_PROGRESS", "VM", "a", "clone", "t"))) as (
        server,
        endpoint,
    ), Client(endpoint) as client:  # fmt: skip
        threading.Timer(0.2, client.stopping.set).start()
        with pytest.raises(ApiFailure, match="another operation"):
            client.call("VM.start", "vm", False, False)
        before = len(server.calls)
        with pytest.raises(ApiFailure, match="another operation"):
            client.call("VM.start", "vm", False, False)
        assert len(server.calls) == before + 1


def test_what_may_pass_is_tried_again_and_what_may_not_is_not() -> None:
    answers = iter(
        [failure("TOO_MANY_PENDING_TASKS"), failure("HOST_STILL_BOOTING"), success("done"), failure("VDI_IN_USE", "x")]
    )
    with scripted(logged_in(lambda *_: next(answers))) as (server, endpoint), Client(endpoint) as client:
        assert client.call("VM.start", "vm", False, False) == "done"
        with pytest.raises(ApiFailure, match="the disk is in use"):
            client.call("VM.start", "vm", False, False)
        assert server.methods().count("VM.start") == 4
        answers = iter([failure("OTHER_OPERATION_IN_PROGRESS", "VM", "a", "clone", "t")])
        with pytest.raises(ApiFailure):
            client.call("VM.assert_can_boot_here", "vm", "host")  # who asks wants to know how it is now
        answers = iter([failure("HOST_STILL_BOOTING"), success("done")])
        assert client.call("VM.get_all") == "done"


def test_waits_get_longer_and_end() -> None:
    waits = list(itertools.islice(delays(), 12))
    assert all(longest / 2 <= wait <= longest for wait, longest in zip(waits[:5], (0.5, 1, 2, 4, 8), strict=True))
    assert all(7.5 <= wait <= 15 for wait in waits[6:])
    assert len(set(waits)) == len(waits)
    assert not Patience(0, threading.Event()).wait()
    patience = Patience(0.01, threading.Event())
    assert patience.wait()
    assert not patience.wait()


def test_an_expired_session_is_renewed_once_and_the_call_repeated() -> None:
    def answer(method: str, params: Any) -> Any:
        return failure("SESSION_INVALID", params[0]) if params[0] == "session 1" else success("done")

    with scripted(logged_in(answer)) as (server, endpoint), Client(endpoint) as client:
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(lambda _: client.call("VM.start", "vm"), range(8))) == {"done"}
        assert client.generation == 1
    assert server.methods().count(LOGIN) == 2
    assert [call[1] for call in server.calls if call[0] == "VM.start"].count("session 2") == 8


def test_a_closed_client_does_not_log_in_again() -> None:
    def answer(method: str, params: Any) -> Any:
        return failure("SESSION_INVALID", "x") if method == "VM.get_all" else success("x")

    with scripted(answer) as (server, endpoint):
        with Client(endpoint) as client:
            pass
        with pytest.raises(ApiFailure, match="the session has expired"):
            client.call("VM.get_all")
        assert server.methods().count(LOGIN) == 1


def test_a_wrong_password_is_tried_once() -> None:
    with scripted(lambda *_: failure("SESSION_AUTHENTICATION_FAILED", "root", "no")) as (server, endpoint):
        with pytest.raises(Unreachable, match=r"does not accept the password of user 'root'\.$"), Client(endpoint):
            pass
        assert server.methods() == [LOGIN]


def test_a_password_that_is_changed_meanwhile_is_tried_once() -> None:
    answers = iter([success("session")])

    def answer(method: str, params: Any) -> Any:
        if method == LOGIN:
            return next(answers, failure("SESSION_AUTHENTICATION_FAILED", "root", "no"))
        return failure("SESSION_INVALID", "session")

    with scripted(answer) as (server, endpoint), Client(endpoint) as client:
        with pytest.raises(LoginRefused):
            client.call("VM.start", "vm")
        assert server.methods().count(LOGIN) == 2


def test_a_server_that_refuses_is_not_waited_for_at_the_beginning() -> None:
    with scripted(lambda *_: success("x")) as (_server, endpoint):
        pass
    with pytest.raises(Unreachable, match="refuses the connection"), Client(endpoint):
        pass


def test_a_host_that_never_takes_the_connection() -> None:
    """Its queue of connections is full, so that the next one gets no answer, as from a host without power."""
    with socket.socket() as server, socket.socket() as one, socket.socket() as two:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for other in (one, two):
            other.setblocking(False)
            other.connect_ex(server.getsockname())
        endpoint = Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}", "root", "secret", timeout=1)
        with (
            pytest.raises(Unreachable, match=r"cannot be reached: no connection within 1 seconds\.$"),
            Client(endpoint),
        ):
            pass


def test_a_pool_member_sends_us_to_its_coordinator() -> None:
    with scripted(lambda *_: success("session")) as (coordinator, endpoint):
        port = coordinator.server_address[1]
        with scripted(lambda *_: failure("HOST_IS_SLAVE", "127.0.0.1"), ("127.0.0.2", port)) as (member, other):
            with Client(other) as client:
                client.call("VM.get_all")
                assert client.endpoint.url == endpoint.url
            assert member.methods() == [LOGIN]
        assert coordinator.methods()[:2] == [LOGIN, "VM.get_all"]


def test_hosts_that_send_us_to_each_other() -> None:
    with scripted(lambda *_: failure("HOST_IS_SLAVE", "127.0.0.2")) as (one, endpoint):
        port = one.server_address[1]
        with (
            scripted(lambda *_: failure("HOST_IS_SLAVE", "127.0.0.1"), ("127.0.0.2", port)),
            pytest.raises(Unreachable, match="do not agree which of them is the coordinator"),
            Client(endpoint),
        ):
            pass


def test_a_coordinator_that_hands_over_is_followed() -> None:
    with scripted(logged_in(lambda *_: success("done"))) as (new, _endpoint):
        port = new.server_address[1]
        with scripted(logged_in(lambda *_: failure("HOST_IS_SLAVE", "127.0.0.1")), ("127.0.0.2", port)) as (old, other):
            with Client(other) as client:
                assert client.call("VM.start", "vm") == "done"
                assert client.call("VM.start", "vm") == "done"
            assert old.methods() == [LOGIN, "VM.start"]
        assert new.methods() == [LOGIN, "VM.start", "VM.start", "session.logout"]


def test_a_coordinator_that_is_gone_is_looked_for_at_the_other_hosts() -> None:
    """The member at .3 still names the dead one at first, as long as no other was chosen."""
    words = iter([failure("HOST_IS_SLAVE", "127.0.0.2")] * 2)
    with scripted(logged_in(lambda *_: success("done"))) as (new, endpoint):
        port = new.server_address[1]
        with scripted(lambda *_: next(words, failure("HOST_IS_SLAVE", "127.0.0.1")), ("127.0.0.3", port)):
            with scripted(logged_in(lambda *_: success("before")), ("127.0.0.2", port)) as (old, other):
                old.closes = True
                client = Client(other).__enter__()
                client.addresses = ("127.0.0.2", "127.0.0.3")
                assert client.call("VM.get_all") == "before"
                assert any(_is_closed_by_server(client) for _ in attempts())
            assert client.call("VM.start", "vm") == "done"
            assert client.endpoint.url == endpoint.url
        assert new.methods() == [LOGIN, "VM.start"]


@pytest.mark.parametrize(
    ("address", "url"), [("fd00::7", "http://[fd00::7]:8080"), ("10.0.0.7", "http://10.0.0.7:8080")]
)
def test_the_address_of_another_host(address: str, url: str) -> None:
    assert _at(Endpoint("http://127.0.0.9:8080", "root", "secret"), address).url == url


def test_a_reading_client_refuses_to_write_before_anything_is_sent() -> None:
    with scripted(lambda *_: success("x")) as (server, endpoint), Client(endpoint, read_only=True) as client:
        with pytest.raises(WriteRefused, match=r"VM\.start would write"):
            client.call("VM.start", "vm")
        with pytest.raises(WriteRefused, match=r"VM\.start writes"):
            client.read("VM.start", "vm")
        client.call("VM.get_all")
    assert server.methods() == [LOGIN, "VM.get_all", "session.logout"]


def test_reading_goes_over_json_rpc() -> None:
    def answer(method: str, params: Any) -> Any:
        if method == "VM.get_record":
            return failure("HANDLE_INVALID", "VM", params[1])
        return failure("SESSION_INVALID", params[0]) if params[0] == "session 1" else success({"vm": {"size": 1 << 40}})

    with scripted(logged_in(answer)) as (server, endpoint), Client(endpoint) as client:
        assert client.read("VM.get_all_records") == {"vm": {"size": 1 << 40}}
        with pytest.raises(ApiFailure, match="that was there a moment ago is gone"):
            client.read("VM.get_record", "vm")
    assert server.paths == ["/RPC2", "/jsonrpc", "/RPC2", "/jsonrpc", "/jsonrpc", "/RPC2"]


def test_a_server_without_json_rpc_is_asked_over_xml_rpc_from_then_on() -> None:
    with scripted(logged_in(lambda *_: success({"vm": {"size": "1"}}))) as (server, endpoint):
        server.speaks_json = False
        with Client(endpoint) as client:
            for _ in range(2):
                assert client.read("VM.get_all_records") == {"vm": {"size": "1"}}
        assert server.paths == ["/RPC2", "/jsonrpc", "/RPC2", "/RPC2", "/RPC2"]


def test_many_threads_find_out_at_once_that_a_server_speaks_no_json() -> None:
    together = threading.Barrier(4, timeout=60)

    with scripted(logged_in(lambda *_: success("done"))) as (server, endpoint):
        server.speaks_json, server.before_refusal = False, together.wait
        with Client(endpoint) as client, ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda _: client.read("VM.get_all"), range(4))) == ["done"] * 4


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"jsonrpc": "2.0", "id": 1}', b"\xff"])
def test_json_that_is_not_xapis(body: bytes) -> None:
    with pytest.raises(NotXapi):
        JsonRpc().decode("VM.get_all", body)


@pytest.mark.parametrize("rubbish", [b"<html/>", b"", b"not xml at all", {"hello": "world"}, "text"])
def test_a_server_that_is_not_xapi(rubbish: Any) -> None:
    with (
        scripted(lambda *_: rubbish) as (_server, endpoint),
        pytest.raises(Unreachable, match="does not answer as XAPI does"),
        Client(endpoint),
    ):
        pass
