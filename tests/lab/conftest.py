# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab as a client sees it: the same tests over XML-RPC (the XenAPI SDK), XML-RPC with TLS, and JSON-RPC."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.parse
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.support.jsonrpc import JsonSession
from tests.support.lab import PASSWORD, Lab, new_lab

VM: dict[str, Any] = {
    "name_label": "vm", "name_description": "", "user_version": "1", "is_a_template": False,
    "affinity": "OpaqueRef:NULL", "memory_static_max": "268435456", "memory_dynamic_max": "268435456",
    "memory_dynamic_min": "268435456", "memory_static_min": "134217728", "VCPUs_params": {}, "VCPUs_max": "1",
    "VCPUs_at_startup": "1", "actions_after_shutdown": "destroy", "actions_after_reboot": "restart",
    "actions_after_crash": "restart", "PV_bootloader": "", "PV_kernel": "", "PV_ramdisk": "", "PV_args": "",
    "PV_bootloader_args": "", "PV_legacy_args": "", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "cd"},
    "platform": {}, "PCI_bus": "", "other_config": {}, "recommendations": "",
}  # fmt: skip
#: a PV guest, which needs no agent to be shut down, suspended or moved
PV: dict[str, Any] = {"HVM_boot_policy": "", "HVM_boot_params": {}}
VDI: dict[str, Any] = {
    "name_label": "disk", "virtual_size": str(8 * 1024**2), "type": "user", "sharable": False, "read_only": False,
    "other_config": {},
}  # fmt: skip
VBD: dict[str, Any] = {
    "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False, "other_config": {},
    "qos_algorithm_type": "", "qos_algorithm_params": {},
}  # fmt: skip
VIF: dict[str, Any] = {
    "device": "0", "MAC": "", "MTU": "1500", "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {},
}  # fmt: skip


class Client:
    """A session, and short ways to make objects with it."""

    def __init__(self, session: Any, url: str, context: ssl.SSLContext | None) -> None:
        self.session, self.url, self.context = session, url, context
        self.xapi = session.xenapi
        self.pool = self.xapi.pool.get_all()[0]
        self.host = self.xapi.pool.get_master(self.pool)
        self.sr = self.xapi.pool.get_default_SR(self.pool)
        self.network = self.xapi.network.get_by_name_label("Management")[0]

    def vm(self, **changes: Any) -> str:
        return str(self.xapi.VM.create({**VM, **changes}))

    def disk(self, **changes: Any) -> str:
        return str(self.xapi.VDI.create({**VDI, "SR": self.sr, **changes}))

    def attach(self, vm: str, vdi: str, **changes: Any) -> str:
        return str(self.xapi.VBD.create({**VBD, "VM": vm, "VDI": vdi, **changes}))

    def nic(self, vm: str, **changes: Any) -> str:
        return str(self.xapi.VIF.create({**VIF, "VM": vm, "network": self.network, **changes}))

    def start(self, vm: str) -> None:
        self.xapi.VM.start(vm, False, False)

    def wait(self, ask: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 20.0) -> Any:
        """Ask again, at every event, until the answer is as wanted."""
        token, end = "", time.monotonic() + seconds
        while True:
            found = ask()
            if wanted(found):
                return found
            assert time.monotonic() < end, f"still {found!r} after {seconds} s"
            token = getattr(self.xapi.event, "from")(["*"], token, 1.0)["token"]

    def put(self, path: str, data: bytes, **query: str) -> http.client.HTTPResponse:
        """Upload with the session in the query. Redirects are not followed."""
        return self._http("PUT", path, data, query)

    def get(self, path: str, **query: str) -> http.client.HTTPResponse:
        """Download with the session in the query. Redirects are not followed."""
        return self._http("GET", path, None, query)

    def _http(self, verb: str, path: str, data: bytes | None, query: dict[str, str]) -> http.client.HTTPResponse:
        parts = urllib.parse.urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=60, context=self.context)
            if self.context
            else http.client.HTTPConnection(host, port, timeout=60)
        )
        connection.request(verb, f"{path}?{urllib.parse.urlencode({'session_id': self.session.handle, **query})}", data)
        return connection.getresponse()

    def upload(self, vdi: str, data: bytes) -> dict[str, Any]:
        """Write data at the beginning of a disk; the upload's task when it has ended."""
        task = self.xapi.task.create("upload", "")
        answer = self.put("/import_raw_vdi", data, vdi=vdi, task_id=task)
        assert answer.status == 200
        return self.ended(task)

    def content(self, vdi: str) -> bytes:
        """What a disk holds, without the zeros at its end; from whichever host sees it."""
        answer = self.get("/export_raw_vdi", vdi=vdi)
        if answer.status == 302:
            location = answer.headers["Location"]
            with urllib.request.urlopen(location, timeout=60, context=self.context) as elsewhere:
                data: bytes = elsewhere.read()
            return data.rstrip(b"\0")
        assert answer.status == 200
        return answer.read().rstrip(b"\0")

    def ended(self, task: str) -> dict[str, Any]:
        """The record of a task when it has ended."""
        self.wait(lambda: self.xapi.task.get_status(task), lambda status: status != "pending")
        record: dict[str, Any] = self.xapi.task.get_record(task)
        return record

    def error(self, call: Any, *arguments: Any, **more: Any) -> list[str]:
        """The description of the error that a call answers; a test fails when there is none."""
        with pytest.raises(XenAPI.Failure) as failure:
            call(*arguments, **more)
        details: list[str] = failure.value.details
        return details


def connect(url: str, context: ssl.SSLContext | None = None, wire: str = "http", user: str = "root") -> Client:
    """A new session with a lab; wire is ``http``, ``https`` (both XML-RPC) or ``json``."""
    session: Any
    if wire == "json":
        session = JsonSession(url, context)
    else:
        session = XenAPI.Session(url, transport=xmlrpc.client.SafeTransport(context=context) if context else None)
    session.xenapi.login_with_password(user, PASSWORD, "1.0", "tests of the lab")
    return Client(session, url, context)


@pytest.fixture(scope="module", params=["http", "https", "json"])
def wire(request: pytest.FixtureRequest) -> str:
    """How the tests of a module speak with the lab: XML-RPC over HTTP, XML-RPC over TLS, JSON-RPC over HTTP."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, wire: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, Path | None]]:
    """A lab in memory; its authority's certificate when it speaks TLS. A module's LAB has arguments for the lab."""
    authority = tmp_path_factory.mktemp("tls") / "ca.pem" if wire == "https" else None
    with new_lab(*getattr(request.module, "LAB", ()), ca=authority) as lab:
        yield lab, authority


@pytest.fixture
def client(server: tuple[Lab, Path | None], wire: str) -> Client:
    """A new session with the server, which checks its certificate."""
    lab, authority = server
    return connect(lab.url, ssl.create_default_context(cafile=str(authority)) if authority else None, wire)


@pytest.fixture
def fresh() -> Iterator[tuple[Client, Lab]]:
    """A lab of one's own, whose guests have an agent."""
    with new_lab("--agent") as lab:
        yield connect(lab.url), lab
