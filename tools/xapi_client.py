# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator's scripts do over XAPI: disks with data, attachments, NICs. Nothing here is Skinnybox's.

session is a XenAPI.Session that is logged in; xapi is its `xenapi`; sizes and offsets are bytes.
"""

from __future__ import annotations

import http.client
import os
import ssl
import struct
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

MIB = 1 << 20
#: How much of an image is read at a time.
PIECE = 2 * MIB
#: What comes before a piece of data in an upload: its offset and its length.
HEADER = struct.Struct("<QI")

#: What gives the pieces of a disk, offset and data, as often as it is called.
Content = Callable[[], Iterable[tuple[int, bytes]]]


def default_sr(xapi: Any) -> str:
    """Where disks go that nobody has another place for."""
    pool = next(iter(xapi.pool.get_all_records().values()))
    return pool["default_SR"]


def management_network(xapi: Any) -> str:
    """The network of the hosts' management interface."""
    pif = next(record for record in xapi.PIF.get_all_records().values() if record["management"])
    return pif["network"]


def create_disk(xapi: Any, name: str, size: int, sr: str | None = None) -> str:
    """Make an empty disk."""
    return xapi.VDI.create(
        {
            "name_label": name,
            "SR": sr or default_sr(xapi),
            "virtual_size": str(size),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {},
        }
    )


def attach(xapi: Any, vm: str, vdi: str, position: str, mode: str = "RW", kind: str = "Disk") -> str:
    """Attach a disk to a halted VM, as its own disk or (kind CD) in a drive."""
    return xapi.VBD.create(
        {
            "VM": vm,
            "VDI": vdi,
            "userdevice": position,
            "bootable": position == "0",
            "mode": mode,
            "type": kind,
            "empty": False,
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
    )


def add_nic(xapi: Any, vm: str, network: str, device: str = "0") -> str:
    """Give a halted VM a NIC."""
    return xapi.VIF.create(
        {
            "device": device,
            "network": network,
            "VM": vm,
            "MAC": "",
            "MTU": "1500",
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
    )


def pieces(image: Path) -> Iterator[tuple[int, bytes]]:
    """Offset and data of what is not a hole in a file, a few MiB at a time."""
    with image.open("rb") as file:
        end, size = 0, os.fstat(file.fileno()).st_size
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            for offset in range(start, end, PIECE):
                yield offset, os.pread(file.fileno(), min(PIECE, end - offset), offset)


def upload(session: Any, url: str, vdi: str, content: Content, context: ssl.SSLContext | None = None) -> None:
    """Write to a disk, in XAPI's chunked framing. Raises RuntimeError when XAPI could not."""
    parts = urllib.parse.urlsplit(url)
    task = session.xenapi.task.create("Import of a disk", "")
    query = {"session_id": session.handle, "task_id": task, "vdi": vdi, "format": "raw", "chunked": "true"}
    connection = (
        http.client.HTTPSConnection(parts.netloc, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc)
    )
    length = sum(HEADER.size + len(data) for _offset, data in content()) + HEADER.size
    connection.putrequest("PUT", "/import_raw_vdi?" + urllib.parse.urlencode(query))
    connection.putheader("Content-Length", str(length))
    connection.endheaders()
    for offset, data in content():
        connection.send(HEADER.pack(offset, len(data)))
        connection.send(data)
    connection.send(HEADER.pack(0, 0))
    connection.getresponse().read()
    connection.close()
    await_task(session.xenapi, task)


def await_task(xapi: Any, task: str) -> None:
    """Wait for a task's end, and destroy it. XAPI says only there whether an upload worked; RuntimeError if not."""
    token = ""
    while True:
        batch = getattr(xapi.event, "from")([f"task/{task}"], token, 30.0)
        token = batch["token"]
        for event in batch["events"]:
            record = event.get("snapshot", {})
            if record.get("status") in (None, "pending"):
                continue
            xapi.task.destroy(task)
            if record["status"] != "success":
                raise RuntimeError(f"{record['name_label']} failed: {' '.join(record['error_info'])}")
            return
