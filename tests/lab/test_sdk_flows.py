# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the examples of the XenAPI SDK do, call by call, with the SDK itself: nothing in them knows of the lab."""

from __future__ import annotations

import ssl
import tarfile
import tempfile
import urllib.parse
import urllib.request
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.support.lab import PASSWORD, Lab, new_lab

MIB = 1024**2


@pytest.fixture(scope="module", params=["http", "https"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    ca = tmp_path_factory.mktemp("tls") / "ca.pem" if request.param == "https" else None
    with new_lab("--agent", "--hosts", "2", ca=ca) as lab:
        yield lab


@pytest.fixture
def session(lab: Lab) -> Iterator[Any]:
    transport = xmlrpc.client.SafeTransport(context=lab.context) if lab.context else None
    session = XenAPI.Session(lab.url, transport=transport)
    session.login_with_password("root", PASSWORD, "1.0", "example")
    yield session
    session.xenapi.session.logout()


def wait_for_task(session: Any, task: str) -> str:
    """Poll as the examples do; the task's result without its tags."""
    while session.xenapi.task.get_status(task) == "pending":
        pass
    record = session.xenapi.task.get_record(task)
    session.xenapi.task.destroy(task)
    assert record["status"] == "success", record["error_info"]
    return str(record["result"]).removeprefix("<value>").removesuffix("</value>")


def http(lab: Lab, verb: str, path: str, query: dict[str, str], data: bytes | None = None) -> bytes:
    """A transfer, which may end at another host of the pool."""
    request = urllib.request.Request(f"{lab.url}/{path}?{urllib.parse.urlencode(query)}", data=data, method=verb)
    with urllib.request.urlopen(request, timeout=60, context=lab.context) as answer:
        body: bytes = answer.read()
    return body


def provision(session: Any, label: str) -> str:
    """A VM from a template, as provision.py makes it: the disks go to the pool's default repository."""
    xapi = session.xenapi
    pif = next(pif for pif in xapi.PIF.get_all_records().values() if pif["currently_attached"])
    templates = {
        ref: record
        for ref, record in xapi.VM.get_all_records().items()
        if record["is_a_template"] and record["name_label"].startswith("Debian")
    }
    [template, *_] = sorted(templates)
    vm = xapi.VM.clone(template, label)
    fields = {"device": "0", "network": pif["network"], "VM": vm, "MAC": "", "MTU": "1500", "other_config": {}}
    xapi.VIF.create({**fields, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    xapi.VM.set_PV_args(vm, "noninteractive")
    sr = xapi.pool.get_default_SR(xapi.pool.get_all()[0])
    uuid = xapi.SR.get_uuid(sr)
    config = xapi.VM.get_other_config(vm)
    config["disks"] = config["disks"].replace('sr=""', f'sr="{uuid}"')
    xapi.VM.set_other_config(vm, config)
    xapi.VM.provision(vm)
    return str(vm)


def test_login_is_refused_with_a_wrong_password_and_the_reason_is_in_details(lab: Lab) -> None:
    transport = xmlrpc.client.SafeTransport(context=lab.context) if lab.context else None
    session = XenAPI.Session(lab.url, transport=transport)
    with pytest.raises(XenAPI.Failure) as failure:
        session.xenapi.login_with_password("root", "wrong", "1.0", "example")
    assert failure.value.details[0] == "SESSION_AUTHENTICATION_FAILED"


def test_list_all_objects_as_exportimport_and_watch_all_events_do(session: Any) -> None:
    """Every class, every record; then all as events."""
    classes = ("host", "VM", "SR", "VDI", "VBD", "VIF", "PBD", "PIF", "network", "pool", "task", "SM", "message")
    for name in classes:
        proxy = getattr(session.xenapi, name)
        assert set(proxy.get_all()) == set(proxy.get_all_records())
    answer = session.xenapi.event_from(["*"], "", 1.0)
    seen = {event["class"] for event in answer["events"]}
    assert {"pool", "host", "vm", "sr", "vdi", "pbd", "pif", "network"} <= seen


def test_provision_start_wait_for_the_address_and_destroy(session: Any) -> None:
    xapi = session.xenapi
    vm = provision(session, "provisioned")
    disks = [xapi.VBD.get_VDI(vbd) for vbd in xapi.VM.get_VBDs(vm)]
    assert not xapi.VM.get_is_a_template(vm) and len(disks) == 1
    xapi.VM.start(vm, False, True)
    while xapi.VM.get_guest_metrics(vm) == "OpaqueRef:NULL":
        xapi.event_from(["vm"], "", 0.1)
    addresses = xapi.VM_guest_metrics.get_networks(xapi.VM.get_guest_metrics(vm))
    assert addresses["0/ip"]
    xapi.VM.clean_shutdown(vm)
    assert xapi.VM.get_power_state(vm) == "Halted"
    xapi.VM.destroy(vm)
    for vdi in disks:
        xapi.VDI.destroy(vdi)


def test_power_states_in_a_circle(session: Any) -> None:
    """As powercycle.py: halted, running, suspended, running, paused, running, halted, each step seen as an event."""
    xapi = session.xenapi
    vm, states = provision(session, "cycle"), []
    token = xapi.event_from(["vm"], "", 1.0)["token"]
    steps = [
        lambda: xapi.VM.start(vm, False, False),
        lambda: xapi.VM.suspend(vm),
        lambda: xapi.VM.resume(vm, False, False),
        lambda: xapi.VM.pause(vm),
        lambda: xapi.VM.unpause(vm),
        lambda: xapi.VM.clean_reboot(vm),
        lambda: xapi.VM.clean_shutdown(vm),
    ]
    for step in steps:
        wait_for_agent(xapi, vm)
        step()
        answer = xapi.event_from(["vm"], token, 1.0)
        token = answer["token"]
        states += [event["snapshot"]["power_state"] for event in answer["events"] if event["ref"] == vm]
    assert states == ["Running", "Suspended", "Running", "Paused", "Running", "Running", "Halted"]


def wait_for_agent(xapi: Any, vm: str) -> None:
    while xapi.VM.get_power_state(vm) == "Running" and xapi.VM.get_guest_metrics(vm) == "OpaqueRef:NULL":
        pass


def test_clone_snapshot_and_revert_in_tasks(session: Any) -> None:
    xapi = session.xenapi
    vm = provision(session, "original")
    clone = wait_for_task(session, xapi.Async.VM.clone(vm, "a clone"))
    assert xapi.VM.get_name_label(clone) == "a clone"
    snapshot = wait_for_task(session, xapi.Async.VM.snapshot(vm, "a snapshot", []))
    assert xapi.VM.get_snapshot_of(snapshot) == vm and xapi.VM.get_is_a_snapshot(snapshot)
    xapi.VM.set_name_label(vm, "changed")
    wait_for_task(session, xapi.Async.VM.revert(snapshot))
    assert xapi.VM.get_name_label(vm) == "original"
    copy = wait_for_task(session, xapi.Async.VM.copy(vm, "a copy", "OpaqueRef:NULL"))
    assert len(xapi.VM.get_VBDs(copy)) == 1


def test_disk_is_uploaded_and_downloaded(lab: Lab, session: Any) -> None:
    """As import_raw.py and export_raw.py: the task tells how it went."""
    xapi = session.xenapi
    fields = {
        "name_label": "raw", "SR": xapi.pool.get_default_SR(xapi.pool.get_all()[0]), "virtual_size": str(4 * MIB),
        "type": "user", "sharable": False, "read_only": False, "other_config": {},
    }  # fmt: skip
    vdi, data = xapi.VDI.create(fields), bytes(range(256)) * 4096
    task = xapi.task.create("import", "")
    http(lab, "PUT", "import_raw_vdi", {"session_id": session.handle, "task_id": task, "vdi": vdi}, data)
    wait_for_task(session, task)
    found = http(lab, "GET", "export_raw_vdi", {"session_id": session.handle, "vdi": vdi, "format": "raw"})
    assert found == data + bytes(4 * MIB - len(data))


def test_vm_is_exported_and_imported(lab: Lab, session: Any) -> None:
    xapi = session.xenapi
    vm = provision(session, "exported")
    data = http(lab, "GET", "export", {"session_id": session.handle, "uuid": xapi.VM.get_uuid(vm)})
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        with tarfile.open(file.name) as archive:
            assert archive.getnames()[0] == "ova.xml"
    task = xapi.task.create("import of a VM", "")
    http(lab, "PUT", "import", {"session_id": session.handle, "task_id": task}, data)
    while xapi.task.get_status(task) == "pending":
        pass
    record = xapi.task.get_record(task)
    assert record["status"] == "success", record["error_info"]
    [imported] = [ref for ref in xapi.VM.get_by_name_label("exported") if ref != vm]
    assert imported in record["result"]
    assert xapi.VM.get_uuid(imported) != xapi.VM.get_uuid(vm)
    assert len(xapi.VM.get_VBDs(imported)) == len(xapi.VM.get_VIFs(imported)) == 1


def test_running_vm_moves_to_the_other_host_and_back(session: Any) -> None:
    """As vm_migrate.py, in tasks."""
    xapi = session.xenapi
    vm = provision(session, "moving")
    xapi.VM.start(vm, False, False)
    wait_for_agent(xapi, vm)
    first = xapi.VM.get_resident_on(vm)
    second = next(ref for ref in xapi.host.get_all() if ref != first)
    for target in (second, first):
        wait_for_task(session, xapi.Async.VM.pool_migrate(vm, target, {"live": "true"}))
        assert xapi.VM.get_resident_on(vm) == target


def test_certificate_is_checked_by_the_standard_library(lab: Lab) -> None:
    if lab.context is None:
        pytest.skip("this lab does not speak TLS")
    transport = xmlrpc.client.SafeTransport(context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        XenAPI.Session(lab.url, transport=transport).login_with_password("root", PASSWORD)
