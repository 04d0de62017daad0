# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks and VMs over HTTP: formats, what goes wrong, and where it is told."""

from __future__ import annotations

import base64
import http.client
import io
import os
import shutil
import struct
import subprocess
import tarfile
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import PASSWORD, Lab, new_lab

from .conftest import Client, connect

MIB = 1024**2
BLOCK = 2 * MIB


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with new_lab() as started:
        yield started


@pytest.fixture
def client(lab: Lab) -> Client:
    return connect(lab.url)


@pytest.fixture
def other() -> Iterator[Client]:
    """Another lab, to which things can be carried."""
    with new_lab() as started:
        yield connect(started.url)


def send(
    client: Client, verb: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, **query: Any
) -> Answer:
    """One request with a connection of its own; what came before the connection broke."""
    where = urllib.parse.urlsplit(client.url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    link.putrequest(verb, f"{path}?{urllib.parse.urlencode(query)}")
    for name, text in (headers or {}).items():
        link.putheader(name, text)
    if verb == "PUT" and "Transfer-Encoding" not in (headers or {}):
        link.putheader("Content-Length", str(len(body)))
    link.endheaders()
    try:
        link.send(body)
        answer = link.getresponse()
        found = {name.lower(): text for name, text in answer.getheaders()}
        try:
            content = answer.read()
        except (http.client.HTTPException, OSError):
            content = b""
        return Answer(answer.status, found, content)
    except OSError:
        return Answer(0, {}, b"")
    finally:
        link.close()


def ask(client: Client, verb: str, path: str, body: bytes = b"", **query: Any) -> tuple[Answer, dict[str, Any]]:
    """A request in the client's session with a task; its answer, and the task when it has ended."""
    task = client.xapi.task.create("transfer", "")
    answer = send(client, verb, path, body, session_id=client.session.handle, task_id=task, **query)
    record = client.wait(lambda: client.xapi.task.get_record(task), lambda found: found["status"] != "pending")
    return answer, record


def upload(client: Client, vdi: str, data: bytes, **query: Any) -> dict[str, Any]:
    return ask(client, "PUT", "/import_raw_vdi", data, vdi=vdi, **query)[1]


def download(client: Client, vdi: str, **query: Any) -> bytes:
    answer, record = ask(client, "GET", "/export_raw_vdi", vdi=vdi, **query)
    assert record["status"] == "success", record["error_info"]
    return answer.body


# ---- who may


def test_password_will_do_in_place_of_a_session(client: Client, lab: Lab) -> None:
    disk = client.disk()
    good = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    sessions = len(lab.sessions())
    answer = send(client, "GET", "/export_raw_vdi", headers={"Authorization": f"Basic {good}"}, vdi=disk)
    assert (answer.status, len(answer.body)) == (200, 8 * MIB)
    assert len(lab.sessions()) == sessions


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="}, {"Authorization": "Basic ?"}])
def test_nobody_gets_401_and_a_realm(client: Client, headers: dict[str, str]) -> None:
    answer = send(client, "GET", "/export_raw_vdi", headers=headers, vdi=client.disk())
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="VDI.export_raw"'


def test_a_session_may_come_as_a_cookie(client: Client) -> None:
    answer = send(
        client, "GET", "/export_raw_vdi", headers={"Cookie": f"session_id={client.session.handle}"}, vdi=client.disk()
    )
    assert answer.status == 200


def test_a_session_that_has_ended_is_not_known(client: Client) -> None:
    answer = send(client, "GET", "/export_raw_vdi", vdi=client.disk(), session_id="OpaqueRef:gone")
    assert answer.status == 401


def test_who_may_not_gets_403_and_the_task_ends(client: Client, lab: Lab) -> None:
    operator = connect(lab.url, user="vm-operator")
    answer, task = ask(operator, "PUT", "/import_raw_vdi", b"x", vdi=client.disk())
    assert answer.status == 403
    assert (task["status"], task["error_info"][:2]) == (
        "failure",
        ["RBAC_PERMISSION_DENIED", "http/put_import_raw_vdi"],
    )
    admin = connect(lab.url, user="vm-admin")
    assert ask(admin, "PUT", "/import_raw_vdi", b"x", vdi=client.disk())[1]["status"] == "success"


# ---- what is refused before anything is read


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ({}, 400, ["VDI_MISSING"]),
        ({"sr_uuid": "none"}, 400, ["UUID_INVALID", "SR", "none"]),
        ({"vdi": "DISK", "format": "vmdk"}, 404, ["INTERNAL_ERROR", "Unknown format vmdk"]),
        ({"vdi": "DISK", "format": "vhd", "chunked": "true"}, 404, ["INTERNAL_ERROR", "Cannot handle chunked VHD"]),
        (
            {"sr_id": "SR", "format": "vhd"},
            400,
            ["INTERNAL_ERROR", "Importing a VHD directly into an SR not yet supported"],
        ),
        ({"sr_id": "SR", "format": "tar"}, 400, ["INTERNAL_ERROR", "Not enough info supplied to import"]),
    ],
)
def test_import_that_cannot_begin(client: Client, query: dict[str, str], status: int, error: list[str]) -> None:
    names = {"DISK": client.disk(), "SR": client.sr}
    full: dict[str, Any] = {key: names.get(text, text) for key, text in query.items()}
    answer, task = ask(client, "PUT", "/import_raw_vdi", **full)
    assert (answer.status, answer.body) == (status, b"")
    assert (task["status"], task["error_info"]) == ("failure", error)


def test_http_chunks_are_refused(client: Client) -> None:
    task = client.xapi.task.create("transfer", "")
    query = {"session_id": client.session.handle, "task_id": task, "vdi": client.disk()}
    answer = send(client, "PUT", "/import_raw_vdi", b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}, **query)
    assert answer.status == 404
    assert client.xapi.task.get_error_info(task) == ["INTERNAL_ERROR", "Cannot handle encoding: chunked"]


def test_a_disk_that_nobody_knows_is_found_before_the_task_is(client: Client) -> None:
    task = client.xapi.task.create("transfer", "")
    answer = send(client, "PUT", "/import_raw_vdi", vdi="none", session_id=client.session.handle, task_id=task)
    assert answer.status == 500
    assert b"UUID_INVALID" in answer.body
    assert client.xapi.task.get_status(task) == "pending"


# ---- raw


def test_what_names_only_a_repository_gets_a_new_disk(client: Client) -> None:
    answer, task = ask(client, "PUT", "/import_raw_vdi", b"x" * 5 * MIB, sr_id=client.sr)
    vdi = task["result"].removeprefix("<value>").removesuffix("</value>")
    record = client.xapi.VDI.get_record(vdi)
    assert (record["name_label"], record["virtual_size"], record["SR"]) == ("Imported VDI", str(6 * MIB), client.sr)
    assert answer.headers["connection"] == "close"
    assert "content-length" not in answer.headers
    assert download(client, vdi) == (b"x" * 5 * MIB).ljust(6 * MIB, b"\0")


def test_a_read_only_disk_is_refused_in_the_task_alone(client: Client) -> None:
    disk = client.disk(read_only=True)
    answer, task = ask(client, "PUT", "/import_raw_vdi", b"x", vdi=disk)
    assert answer.status in (0, 200)
    assert (task["status"], task["error_info"]) == ("failure", ["VDI_READONLY", disk])


def test_a_body_that_is_too_short_fails(client: Client) -> None:
    disk, task = client.disk(), client.xapi.task.create("transfer", "")
    where = urllib.parse.urlsplit(client.url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    query = {"session_id": client.session.handle, "task_id": task, "vdi": disk}
    link.putrequest("PUT", f"/import_raw_vdi?{urllib.parse.urlencode(query)}")
    link.putheader("Content-Length", str(MIB))
    link.endheaders(b"x" * 1000)
    assert link.sock
    link.sock.shutdown(1)
    record = client.wait(lambda: client.xapi.task.get_record(task), lambda found: found["status"] != "pending")
    link.close()
    assert record["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]


def test_the_control_domain_has_the_disk_while_it_comes(client: Client) -> None:
    disk, task = client.disk(), client.xapi.task.create("transfer", "")
    where = urllib.parse.urlsplit(client.url)
    link = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    query = {"session_id": client.session.handle, "task_id": task, "vdi": disk}
    link.putrequest("PUT", f"/import_raw_vdi?{urllib.parse.urlencode(query)}")
    link.putheader("Content-Length", str(2 * MIB))
    link.endheaders(b"x" * MIB)
    [vbd] = client.wait(lambda: client.xapi.VDI.get_VBDs(disk), bool)
    record = client.xapi.VBD.get_record(vbd)
    assert client.xapi.VM.get_is_control_domain(record["VM"])
    assert (record["currently_attached"], record["mode"]) == (True, "RW")
    assert client.xapi.VDI.get_current_operations(disk) == {}
    assert client.error(client.xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]
    link.send(b"y" * MIB)
    answer = link.getresponse()
    assert (answer.status, answer.getheader("task-id"), answer.read()) == (200, task, b"")
    link.close()
    client.wait(lambda: client.xapi.task.get_status(task), lambda found: found == "success")
    assert client.xapi.VDI.get_VBDs(disk) == []


def test_a_disk_that_a_guest_reads_cannot_be_written(client: Client) -> None:
    vm, disk = client.vm(), client.disk()
    client.attach(vm, disk, mode="RO")
    client.start(vm)
    assert upload(client, disk, b"x")["error_info"][0] == "INTERNAL_ERROR"
    assert len(download(client, disk)) == 8 * MIB
    client.xapi.VM.hard_shutdown(vm)
    assert upload(client, disk, b"x")["status"] == "success"


def test_a_task_of_its_own_vanishes_with_the_request(client: Client) -> None:
    answer = send(client, "PUT", "/import_raw_vdi", b"x", vdi=client.disk(), session_id=client.session.handle)
    assert answer.status == 200
    assert client.error(client.xapi.task.get_record, answer.headers["task-id"])[0] == "HANDLE_INVALID"


def test_the_path_may_go_on(client: Client) -> None:
    answer, task = ask(client, "GET", "/export_raw_vdi/", vdi=client.xapi.VDI.get_uuid(client.disk()))
    assert (len(answer.body), task["status"], task["result"]) == (8 * MIB, "success", "")


# ---- VHD


def qemu_img(*arguments: object) -> None:
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed")
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


def content() -> bytes:
    """8 MiB with data in the first and in the last block, and a hole between."""
    return os.urandom(MIB) + bytes(6 * MIB) + os.urandom(MIB)


def test_vhd_that_qemu_made_comes_in(client: Client, tmp_path: Path) -> None:
    data, plain, made = content(), tmp_path / "plain", tmp_path / "made.vhd"
    plain.write_bytes(data)
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on", plain, made)
    disk = client.disk()
    task = upload(client, disk, made.read_bytes(), format="vhd")
    assert (task["status"], task["result"]) == ("success", f"<value>{disk}</value>")
    assert download(client, disk) == data


def test_qemu_reads_the_vhd_that_goes_out(client: Client, tmp_path: Path) -> None:
    data, disk = content(), client.disk()
    upload(client, disk, data)
    plain, made = tmp_path / "plain", tmp_path / "made.vhd"
    made.write_bytes(download(client, disk, format="vhd"))
    assert made.stat().st_size < 5 * MIB
    qemu_img("convert", "-f", "vpc", "-O", "raw", "-o", "size=8M", made, plain)
    assert plain.read_bytes()[: 8 * MIB] == data


def test_vhd_with_a_base_has_what_differs(client: Client) -> None:
    data, disk = content(), client.disk()
    upload(client, disk, data)
    snapshot = client.xapi.VDI.snapshot(disk, {})
    upload(client, disk, b"new" * 100)
    delta = download(client, disk, format="vhd", base=client.xapi.VDI.get_uuid(snapshot))
    kind = struct.unpack(">I", delta[60:64])[0]
    assert (kind, len(delta) < 3 * MIB) == (4, True)
    copy = client.xapi.VDI.copy(snapshot, client.sr)
    assert upload(client, copy, delta, format="vhd")["status"] == "success"
    assert download(client, copy) == b"new" * 100 + data[300:]


@pytest.mark.parametrize("data", [b"", b"x" * 4096, b"conectix" + bytes(4096)])
def test_what_is_no_vhd_fails(client: Client, data: bytes) -> None:
    task = upload(client, client.disk(), data, format="vhd")
    assert task["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]


def test_vhd_of_a_larger_disk_fails(client: Client) -> None:
    large, small = client.disk(virtual_size=str(8 * MIB)), client.disk(virtual_size=str(4 * MIB))
    upload(client, large, content())
    task = upload(client, small, download(client, large, format="vhd"), format="vhd")
    assert task["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]


def test_tar_goes_out_and_comes_in(client: Client) -> None:
    data, disk, copy = content(), client.disk(), client.disk()
    upload(client, disk, data)
    archive = download(client, disk, format="tar")
    assert [name for name, _data in entries(archive)] == [
        "vdi/00000000",
        "vdi/00000000.xxhash",
        "vdi/00000007",
        "vdi/00000007.xxhash",
    ]
    assert upload(client, copy, archive, format="tar")["status"] == "success"
    assert download(client, copy) == data


# ---- virtual machines


def machine(client: Client) -> tuple[str, bytes]:
    """A VM with a disk, a CD and a NIC; the disk's content."""
    vm = client.vm(name_label="carried", other_config={"mac_seed": str(uuid.uuid4()), "mine": "yes"}, tags=["a"])
    data, disk = content(), client.disk(name_label="its disk")
    upload(client, disk, data)
    client.attach(vm, disk)
    iso = client.xapi.VDI.get_by_name_label("blank-1.iso")[0]
    client.attach(vm, iso, userdevice="3", type="CD", mode="RO", bootable=False)
    client.nic(vm, MAC="02:00:00:00:00:77")
    return vm, data


def imported(task: dict[str, Any]) -> str:
    """The one VM that an import made."""
    assert task["status"] == "success", task["error_info"]
    text = task["result"].removeprefix("<value><array><data><value>").removesuffix("</value></data></array></value>")
    assert text.startswith("OpaqueRef:"), task["result"]
    return str(text)


def disk_of(client: Client, vm: str) -> str:
    vbds = [client.xapi.VBD.get_record(vbd) for vbd in client.xapi.VM.get_VBDs(vm)]
    return str(next(vbd["VDI"] for vbd in vbds if vbd["type"] == "Disk"))


@pytest.mark.parametrize("compression", ["", "true", "zstd"])
def test_vm_goes_to_another_lab(client: Client, other: Client, compression: str) -> None:
    if compression == "zstd" and not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    vm, data = machine(client)
    query: dict[str, Any] = {"use_compression": compression} if compression else {}
    answer, task = ask(client, "GET", "/export", uuid=client.xapi.VM.get_uuid(vm), **query)
    assert (answer.status, task["status"], task["result"]) == (200, "success", "")
    assert answer.headers["content-disposition"] == 'attachment; filename="export.xva"'
    _answer, done = ask(other, "PUT", "/import", answer.body)
    new = imported(done)
    before, after = client.xapi.VM.get_record(vm), other.xapi.VM.get_record(new)
    for name in ("name_label", "memory_static_max", "VCPUs_max", "tags", "HVM_boot_params", "platform"):
        assert after[name] == before[name], name
    assert after["uuid"] != before["uuid"]
    assert after["other_config"]["mine"] == "yes"
    assert after["other_config"]["mac_seed"] != before["other_config"]["mac_seed"]
    assert (after["power_state"], after["current_operations"]) == ("Halted", {})
    assert download(other, disk_of(other, new)) == data
    assert other.xapi.VDI.get_name_label(disk_of(other, new)) == "its disk"
    [vif] = [other.xapi.VIF.get_record(ref) for ref in after["VIFs"]]
    assert (vif["network"], vif["MAC"] != "02:00:00:00:00:77") == (other.network, True)
    assert done["other_config"]["object_creation"] == "complete"
    other.start(new)


def test_vm_comes_back_to_its_own_lab_as_another_one(client: Client) -> None:
    vm, data = machine(client)
    answer, _task = ask(client, "GET", "/export", ref=vm)
    other_sr = client.xapi.SR.get_by_name_label("Shared storage")[0]
    new = imported(ask(client, "PUT", "/import", answer.body, sr_id=other_sr)[1])
    assert client.xapi.VDI.get_SR(disk_of(client, new)) == other_sr
    assert download(client, disk_of(client, new)) == data
    assert client.xapi.VM.get_uuid(new) != client.xapi.VM.get_uuid(vm)


def test_restore_keeps_uuid_and_mac(client: Client) -> None:
    vm, _data = machine(client)
    record = client.xapi.VM.get_record(vm)
    answer, _task = ask(client, "GET", "/export", ref=vm)
    refused = ask(client, "PUT", "/import", answer.body, restore="true")[1]
    assert refused["error_info"] == ["VM_TO_IMPORT_IS_NOT_NEWER_VERSION", vm, "0", "0"]
    for vdi in [disk_of(client, vm)]:
        client.xapi.VM.destroy(vm)
        client.xapi.VDI.destroy(vdi)
    new = imported(ask(client, "PUT", "/import", answer.body, restore="true")[1])
    after = client.xapi.VM.get_record(new)
    assert (after["uuid"], after["version"]) == (record["uuid"], "1")
    assert client.xapi.VM.get_by_uuid(record["uuid"]) == new
    assert client.xapi.VIF.get_MAC(after["VIFs"][0]) == "02:00:00:00:00:77"
    client.xapi.VM.destroy(new)


def test_running_vm_is_not_exported(client: Client) -> None:
    vm = client.vm()
    client.start(vm)
    answer, task = ask(client, "GET", "/export", ref=vm)
    assert answer.status == 500
    assert task["error_info"] == ["VM_BAD_POWER_STATE", vm, "halted, suspended", "running"]


def entries(archive: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = [(info.name, tar.extractfile(info)) for info in tar.getmembers()]
        return [(name, file.read()) for name, file in files if file]


def packed(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def damaged(archive: bytes) -> bytes:
    """With one byte of the disk's data changed."""
    files = entries(archive)
    name, data = files[1]
    files[1] = (name, b"!" + data[1:])
    return packed(files)


def test_damaged_archives_leave_nothing_behind(client: Client) -> None:
    vm, _data = machine(client)
    archive = ask(client, "GET", "/export", ref=vm)[0].body
    counts = [len(getattr(client.xapi, cls).get_all()) for cls in ("VM", "VDI", "VBD", "VIF", "network")]
    bad = {
        "IMPORT_ERROR_PREMATURE_EOF": archive[: len(archive) // 2],
        "IMPORT_ERROR_UNEXPECTED_FILE": packed([("else.xml", b"<value/>")]),
        "IMPORT_ERROR_GENERIC": packed([("ova.xml", b"no xml")]),
        "VDI_IO_ERROR": damaged(archive),
    }
    for code, body in bad.items():
        task = ask(client, "PUT", "/import", body)[1]
        assert task["error_info"][0] in (code, "VDI_IO_ERROR"), task["error_info"]
    assert counts == [len(getattr(client.xapi, cls).get_all()) for cls in ("VM", "VDI", "VBD", "VIF", "network")]
    assert ask(client, "PUT", "/import", damaged(archive), force="true")[1]["status"] == "success"


def test_the_archive_is_xapis(client: Client) -> None:
    vm, _data = machine(client)
    files = entries(ask(client, "GET", "/export", ref=vm)[0].body)
    assert files[0][0] == "ova.xml"
    names = [name for name, _content in files[1:]]
    directory = names[0].split("/")[0]
    assert directory.startswith("Ref:")
    assert names == [f"{directory}/{part}" for part in ("00000000", "00000000.xxhash", "00000007", "00000007.xxhash")]


def test_metadata_alone_finds_the_disks_that_are_there(client: Client) -> None:
    vm, _data = machine(client)
    client.xapi.VM.snapshot(vm, "before")
    disk = disk_of(client, vm)
    answer, _task = ask(client, "GET", "/export_metadata", ref=vm)
    assert [name for name, _content in entries(answer.body)] == ["ova.xml"]
    assert int(answer.headers["content-length"]) == len(answer.body)
    count = len(client.xapi.VM.get_all())
    dry = ask(client, "PUT", "/import_metadata", answer.body, dry_run="true")[1]
    assert (dry["status"], len(client.xapi.VM.get_all())) == ("success", count)
    new = imported(ask(client, "PUT", "/import_metadata", answer.body)[1])
    assert disk_of(client, new) == disk
    assert client.xapi.VM.get_uuid(new) != client.xapi.VM.get_uuid(vm)
    snapshots = client.xapi.VM.get_snapshots(new)
    assert [client.xapi.VM.get_name_label(snapshot) for snapshot in snapshots] == ["before"]


# ---- several hosts


@pytest.fixture(scope="module")
def pool() -> Iterator[Lab]:
    with new_lab("--hosts", "2") as started:
        yield started


def local_repository(client: Client, host: str) -> str:
    """The repository that only this host sees."""
    pbds = [client.xapi.PBD.get_record(pbd) for pbd in client.xapi.host.get_PBDs(host)]
    own = [pbd["SR"] for pbd in pbds if client.xapi.SR.get_name_label(pbd["SR"]).startswith("Local storage")]
    assert len(own) == 1
    return str(own[0])


def test_a_host_that_does_not_see_the_disk_names_one_that_does(pool: Lab) -> None:
    client = connect(pool.url)
    other = next(host for host in client.xapi.host.get_all() if host != client.host)
    disk = client.disk(SR=local_repository(client, other))
    task = client.xapi.task.create("transfer", "")
    query = {"session_id": client.session.handle, "task_id": task, "vdi": disk, "x": "a b"}
    answer = send(client, "PUT", "/import_raw_vdi", b"data", **query)
    assert (answer.status, client.xapi.task.get_status(task)) == (302, "pending")
    where = urllib.parse.urlsplit(answer.headers["location"])
    own = urllib.parse.urlsplit(pool.url)
    assert (where.hostname, where.port) == (client.xapi.host.get_address(other), own.port)
    assert (where.path, dict(urllib.parse.parse_qsl(where.query))) == ("/import_raw_vdi", query)
    there = Client(client.session, f"http://{where.netloc}", None)
    assert send(there, "PUT", "/import_raw_vdi", b"data", **query).status == 200
    client.wait(lambda: client.xapi.task.get_status(task), lambda found: found == "success")
    vm = client.vm(name_label="there")
    client.attach(vm, disk)
    exported = send(client, "GET", "/export", session_id=client.session.handle, ref=vm)
    assert (exported.status, urllib.parse.urlsplit(exported.headers["location"]).netloc) == (302, where.netloc)


def test_what_no_host_sees_is_told_in_the_task(pool: Lab) -> None:
    client = connect(pool.url)
    other = next(host for host in client.xapi.host.get_all() if host != client.host)
    sr = local_repository(client, other)
    disk = client.disk(SR=sr)
    [pbd] = client.xapi.SR.get_PBDs(sr)
    client.xapi.PBD.unplug(pbd)
    answer, task = ask(client, "PUT", "/import_raw_vdi", b"data", vdi=disk)
    client.xapi.PBD.plug(pbd)
    assert (answer.status, task["error_info"]) == (400, ["NO_HOSTS_AVAILABLE"])


def test_a_disk_that_another_host_writes_is_not_read(pool: Lab) -> None:
    client = connect(pool.url)
    other = next(host for host in client.xapi.host.get_all() if host != client.host)
    vm, disk = client.vm(), client.disk()
    client.attach(vm, disk)
    client.xapi.VM.start_on(vm, other, False, False)
    task = ask(client, "GET", "/export_raw_vdi", vdi=disk)[1]
    assert task["error_info"][0] == "SR_BACKEND_FAILURE_46"
    client.xapi.VM.hard_shutdown(vm)


def test_suspended_vm_goes_with_its_memory(fresh: tuple[Client, Lab]) -> None:
    client, _lab = fresh
    vm = client.vm()
    client.attach(vm, client.disk())
    client.nic(vm)
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_allowed_operations(vm), lambda found: "suspend" in found)
    client.xapi.VM.suspend(vm)
    answer, _task = ask(client, "GET", "/export", ref=vm, preserve_power_state="true")
    new = imported(ask(client, "PUT", "/import", answer.body)[1])
    record = client.xapi.VM.get_record(new)
    assert record["power_state"] == "Suspended"
    assert record["suspend_VDI"] not in ("OpaqueRef:NULL", client.xapi.VM.get_suspend_VDI(vm))
    assert client.xapi.VDI.get_type(record["suspend_VDI"]) == "suspend"
    assert client.xapi.VBD.get_currently_attached(record["VBDs"][0])
    client.xapi.VM.resume(new, False, False)
    assert client.xapi.VM.get_power_state(new) == "Running"
    plain, _task = ask(client, "GET", "/export", ref=vm)
    halted = imported(ask(client, "PUT", "/import", plain.body)[1])
    assert client.xapi.VM.get_power_state(halted) == "Halted"
