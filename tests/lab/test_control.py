# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's own channel: the log of calls and faults on demand."""

from __future__ import annotations

import http.client
import time
import urllib.parse
import xmlrpc.client
from typing import Any

import pytest

from tests.support.lab import PASSWORD, Lab

from .conftest import VM, Client


def test_calls_are_counted_reads_and_writes_apart(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.reset_calls()
    client.xapi.VM.get_all()
    vm = client.vm()
    client.xapi.VM.get_record(vm)
    found = lab.calls()
    assert found["reads"] == {"VM.get_all": 1, "VM.get_record": 1}
    assert found["writes"] == {"VM.create": 1}
    assert [entry["method"] for entry in found["log"]] == ["VM.get_all", "VM.create", "VM.get_record"]
    assert {entry["originator"] for entry in found["log"]} == {"tests of the lab"}


def test_failed_calls_are_logged_with_their_code(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.reset_calls()
    client.error(client.xapi.VM.get_record, "x")
    assert [entry["outcome"] for entry in lab.calls()["log"]] == ["HANDLE_INVALID"]


def test_nth_call_fails_as_ordered(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.fault(method="VDI.create", nth=2, error=["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""])
    client.disk()
    assert client.error(client.disk)[0] == "SR_BACKEND_FAILURE_44"
    client.disk()


def test_fault_of_a_call_befalls_its_task(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vm = client.vm()
    lab.fault(method="VM.start", error=["HOST_NOT_ENOUGH_FREE_MEMORY", "1", "0"])
    task = client.xapi.Async.VM.start(vm, False, False)
    record = client.wait(lambda: client.xapi.task.get_record(task), lambda found: found["status"] != "pending")
    assert (record["status"], record["error_info"]) == ("failure", ["HOST_NOT_ENOUGH_FREE_MEMORY", "1", "0"])
    client.start(vm)


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_connection_drops_before_or_after_the_call(fresh: tuple[Client, Lab], when: str, made: int) -> None:
    client, lab = fresh
    before = len(client.xapi.VM.get_all())
    lab.fault(method="VM.create", drop=when)
    # not by the SDK: Python's XML-RPC client sends a call again when the connection ends without an answer
    where = urllib.parse.urlsplit(lab.url)
    link = http.client.HTTPConnection(where.hostname or "", where.port)
    link.request("POST", "/", xmlrpc.client.dumps((client.session.handle, VM), "VM.create"))
    with pytest.raises(OSError):
        link.getresponse()
    link.close()
    assert len(client.xapi.VM.get_all()) == before + made


def test_latency(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.fault(method="VM.get_all", latency=0.3)
    began = time.monotonic()
    client.xapi.VM.get_all()
    assert time.monotonic() - began >= 0.3


def test_a_fault_that_is_none_is_refused(fresh: tuple[Client, Lab]) -> None:
    _client, lab = fresh
    with pytest.raises(OSError, match="400"):
        lab.fault(what="ever")


def test_a_call_hangs_until_the_faults_are_cleared(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    vm = client.vm()
    lab.fault(method="VM.start", hang=True)
    task = client.xapi.Async.VM.start(vm, False, False)
    other = client.xapi.Async.VM.start(client.vm(), False, False)
    client.wait(lambda: client.xapi.task.get_status(other), lambda found: found == "success")
    assert client.xapi.task.get_status(task) == "pending"
    lab.clear_faults()
    client.wait(lambda: client.xapi.task.get_status(task), lambda found: found == "success")


def test_sessions_expire_all_or_by_originator(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    assert lab.expire_sessions("somebody else") == 0
    client.xapi.VM.get_all()
    handle = client.session.handle
    assert lab.expire_sessions("tests of the lab") == 1
    link: Any = xmlrpc.client.ServerProxy(lab.url)
    assert link.VM.get_all(handle)["ErrorDescription"] == ["SESSION_INVALID", handle]
    client.session.xenapi.login_with_password("root", PASSWORD, "1.0", "one more")
    assert lab.expire_sessions() >= 1
    assert link.VM.get_all(client.session.handle)["ErrorDescription"][0] == "SESSION_INVALID"


def test_a_repository_is_as_full_as_asked(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    uuid = client.xapi.SR.get_uuid(client.sr)
    before = client.xapi.SR.get_record(client.sr)
    lab.fill(uuid, 5 * 1024**2)
    record = client.xapi.SR.get_record(client.sr)
    assert int(record["physical_size"]) - int(record["physical_utilisation"]) == 5 * 1024**2
    assert record["physical_size"] == before["physical_size"]
    lab.fill(uuid, None)
    assert client.xapi.SR.get_record(client.sr)["physical_utilisation"] == before["physical_utilisation"]


def test_a_guest_that_does_not_boot_never_reports(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    broken, sound = client.vm(), client.vm()
    client.nic(broken), client.nic(sound)
    lab.fail_boot(client.xapi.VM.get_uuid(broken))
    client.start(broken)
    client.start(sound)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(sound), lambda found: found != "OpaqueRef:NULL")
    assert client.xapi.VM.get_power_state(broken) == "Running"
    assert client.xapi.VM.get_guest_metrics(broken) == "OpaqueRef:NULL"
    lab.fail_boot(client.xapi.VM.get_uuid(broken), fails=False)
    client.xapi.VM.hard_reboot(broken)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(broken), lambda found: found != "OpaqueRef:NULL")


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("srs/none", {"free": 1}, "404"),
        ("vms/none", {"boot": "fails"}, "404"),
        ("pace", {"vdi_create": "slow"}, "400"),
        ("pace", [1], "400"),
    ],
)
def test_what_makes_no_sense_is_refused(server: tuple[Lab, object], what: str, body: object, status: str) -> None:
    lab, _authority = server
    if lab.url.startswith("https"):
        pytest.skip("the channel is the same over TLS")
    with pytest.raises(OSError, match=status):
        lab._control("PUT", what, body)


def test_calls_are_counted_by_originator_beyond_what_the_log_keeps(fresh: tuple[Client, Lab]) -> None:
    client, lab = fresh
    lab.reset_calls()
    client.xapi.VM.get_all()
    client.vm()
    assert lab.calls()["originators"] == {"tests of the lab": 2}
