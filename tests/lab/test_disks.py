# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks: who may attach them, clones and snapshots, space, import and export."""

from __future__ import annotations

import http.client
import struct
import urllib.parse
from collections.abc import Iterable

import pytest

from .conftest import Client

MIB = 1024**2
BLOCK = 2 * MIB


def connection(client: Client) -> http.client.HTTPConnection:
    """A connection of one's own to the server."""
    where = urllib.parse.urlsplit(client.url)
    assert where.hostname
    if client.context:
        return http.client.HTTPSConnection(where.hostname, where.port, context=client.context, timeout=30)
    return http.client.HTTPConnection(where.hostname, where.port, timeout=30)


def transfer(client: Client, method: str, path: str, body: Iterable[bytes] | bytes = b"", **query: str) -> bytes:
    """One HTTP transfer on a connection of its own, with a task; answers the body."""
    link = connection(client)
    link.putrequest(method, f"{path}?{urllib.parse.urlencode(query)}")
    if isinstance(body, bytes):
        link.putheader("Content-Length", str(len(body)))
    link.endheaders()
    try:
        for piece in [body] if isinstance(body, bytes) else body:
            link.send(piece)
        answer = link.getresponse()
        assert answer.status == 200
        return answer.read()
    except (http.client.HTTPException, OSError):
        return b""
    finally:
        link.close()


def upload(client: Client, vdi: str, body: Iterable[bytes] | bytes, **query: str) -> dict[str, object]:
    """Import and wait for the task; its record."""
    task = client.xapi.task.create("upload", "")
    transfer(client, "PUT", "/import_raw_vdi", body, session_id=client.session.handle, task_id=task, vdi=vdi, **query)
    record: dict[str, object] = client.wait(
        lambda: client.xapi.task.get_record(task), lambda found: found["status"] != "pending"
    )
    return record


def download(client: Client, vdi: str) -> bytes:
    return transfer(client, "GET", "/export_raw_vdi", session_id=client.session.handle, vdi=vdi)


def chunk(offset: int, data: bytes) -> bytes:
    return struct.pack("<QI", offset, len(data)) + data


END = struct.pack("<QI", 0, 0)


def used(client: Client, vdi: str) -> int:
    client.xapi.SR.scan(client.sr)
    return int(client.xapi.VDI.get_physical_utilisation(vdi))


# ---- sharing


def test_many_may_read_a_disk_and_nobody_writes_it_then(client: Client) -> None:
    disk = client.disk()
    readers = [client.vm() for _number in range(3)]
    for vm in readers:
        client.attach(vm, disk, mode="RO")
        client.start(vm)
    writer = client.vm()
    vbd = client.attach(writer, disk)
    assert client.error(client.xapi.VM.start, writer, False, False) == ["VDI_IN_USE", disk]
    client.xapi.VBD.set_mode(vbd, "RO")
    client.start(writer)


def test_nobody_reads_what_another_writes(client: Client) -> None:
    disk, writer, reader = client.disk(), client.vm(), client.vm()
    client.attach(writer, disk)
    client.attach(reader, disk, mode="RO")
    client.start(writer)
    assert client.error(client.xapi.VM.start, reader, False, False) == ["VDI_IN_USE", disk]


def test_sharable_disk_may_be_written_by_two(client: Client) -> None:
    disk = client.disk(sharable=True)
    for vm in (client.vm(), client.vm()):
        client.attach(vm, disk)
        client.start(vm)


def test_read_only_disk_in_a_running_hvm_guest_cannot_be_plugged(fresh: tuple[Client, object]) -> None:
    client, _lab = fresh
    vm = client.vm()
    client.start(vm)
    client.wait(lambda: client.xapi.VM.get_guest_metrics(vm), lambda ref: ref != "OpaqueRef:NULL")
    vbd = client.attach(vm, client.disk(), mode="RO", userdevice="1")
    assert client.error(client.xapi.VBD.plug, vbd) == ["DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd]
    writable = client.attach(vm, client.disk(), userdevice="2")
    client.xapi.VBD.plug(writable)
    assert client.xapi.VBD.get_device(writable) == "xvdc"


def test_destroying_a_disk_of_a_halted_vm_removes_its_vbd_unasked(client: Client) -> None:
    vm, disk = client.vm(), client.disk()
    client.attach(vm, disk)
    client.xapi.VDI.destroy(disk)
    assert client.xapi.VM.get_VBDs(vm) == []


def test_attached_disk_cannot_be_destroyed(client: Client) -> None:
    vm, disk = client.vm(), client.disk()
    client.attach(vm, disk, mode="RO")
    client.start(vm)
    assert client.error(client.xapi.VDI.destroy, disk) == ["VDI_IN_USE", disk, "destroy"]
    assert client.xapi.VDI.get_allowed_operations(disk) == ["snapshot", "clone", "copy"]


def test_devices_are_unique_whatever_they_are_called(client: Client) -> None:
    vm, disk = client.vm(), client.disk()
    client.attach(vm, disk, userdevice="0")
    for name in ("0", "hda", "xvda", "00"):
        with pytest.raises(Exception, match="DEVICE_ALREADY_EXISTS"):
            client.attach(vm, disk, userdevice=name)
    second = client.attach(vm, disk, userdevice="autodetect")
    assert client.xapi.VBD.get_userdevice(second) == "1"


# ---- data and space


def test_upload_as_a_whole_and_download(client: Client) -> None:
    disk, data = client.disk(), bytes(range(256)) * 40000
    record = upload(client, disk, data[: 8 * MIB])
    assert (record["status"], record["error_info"]) == ("success", [])
    assert record["result"] == f"<value>{disk}</value>"
    assert download(client, disk) == data[: 8 * MIB]


def test_short_upload_leaves_the_rest(client: Client) -> None:
    disk = client.disk()
    assert upload(client, disk, b"x" * 4 * MIB)["status"] == "success"
    assert upload(client, disk, b"y" * MIB)["status"] == "success"
    assert download(client, disk) == b"y" * MIB + b"x" * 3 * MIB + bytes(4 * MIB)


def test_too_long_an_upload_fails_in_the_task_only(client: Client) -> None:
    record = upload(client, client.disk(), b"x" * 9 * MIB)
    assert (record["status"], record["error_info"]) == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])


def test_upload_in_chunks_without_a_length(client: Client) -> None:
    disk = client.disk()
    record = upload(client, disk, iter([chunk(5 * MIB, b"abc"), chunk(0, b"xyz"), END]), chunked="true")
    assert record["status"] == "success"
    found = download(client, disk)
    assert (found[:3], found[5 * MIB : 5 * MIB + 3], len(found)) == (b"xyz", b"abc", 8 * MIB)


def test_upload_in_chunks_that_breaks_off_fails(client: Client) -> None:
    record = upload(client, client.disk(), chunk(0, b"abc")[:-1], chunked="true")
    assert record["status"] == "failure"


def test_upload_needs_a_session(client: Client) -> None:
    link = connection(client)
    link.request("PUT", "/import_raw_vdi?vdi=x&session_id=OpaqueRef:NULL", b"")
    assert link.getresponse().status == 401
    link.close()


def test_disk_takes_the_blocks_that_were_written(client: Client) -> None:
    disk = client.disk(virtual_size=str(64 * MIB))
    assert used(client, disk) < 100 * 1024
    upload(client, disk, iter([chunk(0, b"a"), chunk(30 * MIB, b"b"), END]), chunked="true")
    assert 2 * BLOCK < used(client, disk) < 2 * BLOCK + 100 * 1024


def test_size_is_rounded_up_to_whole_blocks(client: Client) -> None:
    assert client.xapi.VDI.get_virtual_size(client.disk(virtual_size="1")) == str(BLOCK)
    assert client.xapi.VDI.get_virtual_size(client.disk(virtual_size=str(BLOCK + 1))) == str(2 * BLOCK)


def test_clone_costs_nothing_and_is_independent(client: Client) -> None:
    disk = client.disk()
    upload(client, disk, b"one" * 1000)
    clone = client.xapi.VDI.clone(disk, {})
    assert used(client, clone) < 100 * 1024
    upload(client, disk, b"two" * 1000)
    assert download(client, clone)[:3] == b"one"
    assert download(client, disk)[:3] == b"two"


def test_clones_of_an_idle_disk_share_one_base(client: Client) -> None:
    disk = client.disk()
    upload(client, disk, b"x" * MIB)
    clones = [client.xapi.VDI.clone(disk, {}) for _number in range(3)]
    bases = {client.xapi.VDI.get_sm_config(vdi)["vhd-parent"] for vdi in [disk, *clones]}
    assert len(bases) == 1
    base = client.xapi.VDI.get_by_uuid(bases.pop())
    assert not client.xapi.VDI.get_managed(base)
    for vdi in [disk, *clones]:
        client.xapi.VDI.destroy(vdi)
    client.wait(client.xapi.VDI.get_all, lambda found: base not in found)


def test_snapshot_knows_what_it_is_of(client: Client) -> None:
    disk = client.disk()
    snapshot = client.xapi.VDI.snapshot(disk, {})
    assert client.xapi.VDI.get_snapshot_of(snapshot) == disk
    assert client.xapi.VDI.get_snapshots(disk) == [snapshot]


def test_copy_is_complete_and_on_the_other_repository(client: Client) -> None:
    disk = client.disk()
    upload(client, disk, b"content" * 1000)
    [shared] = client.xapi.SR.get_by_name_label("Shared storage")
    copy = client.xapi.VDI.copy(disk, shared)
    assert client.xapi.VDI.get_SR(copy) == shared
    assert download(client, copy) == download(client, disk)


def test_repository_counts_the_sum_of_its_disks(client: Client) -> None:
    client.xapi.SR.scan(client.sr)
    records = [r for r in client.xapi.VDI.get_all_records().values() if r["SR"] == client.sr]
    found = client.xapi.SR.get_record(client.sr)
    assert int(found["physical_utilisation"]) == sum(int(record["physical_utilisation"]) for record in records)


def test_scan_makes_read_only_disks_writable_again(client: Client) -> None:
    disk = client.disk(read_only=True)
    client.xapi.SR.scan(client.sr)
    assert not client.xapi.VDI.get_read_only(disk)


def test_repository_of_the_tools_takes_no_disks(client: Client) -> None:
    [sr] = client.xapi.SR.get_by_name_label("XenServer Tools")
    assert client.error(lambda: client.disk(SR=sr)) == ["SR_OPERATION_NOT_SUPPORTED", sr]
