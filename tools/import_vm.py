# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a VM from a raw disk image through XAPI, as an administrator would, start it, print its address.

The VM gets the image as its root disk, a small empty second disk and a NIC. A VM of that name that is there
already is left as it is, and started when it is halted.

    python tools/import_vm.py --url https://… --password-file F --name golden --image disk.raw
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import struct
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import XenAPI

MIB = 1 << 20
PIECE = 2 * MIB


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--image", required=True, type=Path)
    parser.add_argument("--template", default="Debian Bookworm 12")
    parser.add_argument("--memory", default=1024, type=int, help="MiB")
    parser.add_argument("--second-disk", default=64, type=int, help="MiB")
    parser.add_argument("--ca-file", help="certificate to trust")
    arguments = parser.parse_args()
    context = ssl.create_default_context(cafile=arguments.ca_file)
    transport = XenAPI.xmlrpclib.SafeTransport(context=context) if arguments.url.startswith("https") else None
    session = XenAPI.Session(arguments.url, transport=transport)
    session.xenapi.login_with_password("root", arguments.password_file.read_text().strip(), "1.0", "import_vm")
    try:
        vm = find(session, arguments.name) or make(session, arguments, context)
        if session.xenapi.VM.get_power_state(vm) == "Halted":
            session.xenapi.VM.start(vm, False, False)
        print(await_address(session, vm))
    finally:
        session.xenapi.session.logout()
    return 0


def await_address(session: Any, vm: str) -> str:
    """The address that the guest's agent reports, as soon as it does. Ends with a message when the guest goes off."""
    token = ""
    while True:
        batch = getattr(session.xenapi.event, "from")(["vm", "vm_guest_metrics"], token, 30.0)
        token = batch["token"]
        metrics = session.xenapi.VM.get_guest_metrics(vm)
        if metrics != "OpaqueRef:NULL":
            address = session.xenapi.VM_guest_metrics.get_networks(metrics).get("0/ip")
            if address:
                return address
        if session.xenapi.VM.get_power_state(vm) != "Running":
            raise SystemExit(f"VM {session.xenapi.VM.get_name_label(vm)} went off while booting; see its console")


def find(session: Any, name: str) -> str | None:
    """The VM of that name, unless it is a template."""
    vms = [vm for vm in session.xenapi.VM.get_by_name_label(name) if not session.xenapi.VM.get_is_a_template(vm)]
    return vms[0] if vms else None


def make(session: Any, arguments: argparse.Namespace, context: ssl.SSLContext) -> str:
    """Clone the template and give the clone disks and a NIC."""
    xapi = session.xenapi
    pool = next(iter(xapi.pool.get_all_records().values()))
    root = create_disk(xapi, pool["default_SR"], f"{arguments.name} root", arguments.image.stat().st_size)
    upload(session, arguments, context, root)
    template = xapi.VM.get_by_name_label(arguments.template)[0]
    vm = xapi.VM.clone(template, f"{arguments.name} (import)")
    xapi.VM.remove_from_other_config(vm, "disks")
    xapi.VM.provision(vm)
    size = str(arguments.memory * MIB)
    xapi.VM.set_memory_limits(vm, size, size, size, size)
    second = create_disk(xapi, pool["default_SR"], f"{arguments.name} boot CD", arguments.second_disk * MIB)
    for position, vdi in (("0", root), ("1", second)):
        attach(xapi, vm, vdi, position)
    management = next(pif for pif in xapi.PIF.get_all_records().values() if pif["management"])
    add_nic(xapi, vm, management["network"])
    xapi.VM.set_name_label(vm, arguments.name)
    return vm


def create_disk(xapi: Any, sr: str, name: str, size: int) -> str:
    """Make an empty disk of that many bytes."""
    return xapi.VDI.create(
        {
            "name_label": name,
            "SR": sr,
            "virtual_size": str(size),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {},
        }
    )


def attach(xapi: Any, vm: str, vdi: str, position: str) -> None:
    """Attach a disk read-write."""
    xapi.VBD.create(
        {
            "VM": vm,
            "VDI": vdi,
            "userdevice": position,
            "bootable": position == "0",
            "mode": "RW",
            "type": "Disk",
            "empty": False,
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
    )


def add_nic(xapi: Any, vm: str, network: str) -> None:
    """Give the VM its first NIC."""
    xapi.VIF.create(
        {
            "device": "0",
            "network": network,
            "VM": vm,
            "MAC": "",
            "MTU": "1500",
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        }
    )


def upload(session: Any, arguments: argparse.Namespace, context: ssl.SSLContext, vdi: str) -> None:
    """Send the image's data, without its holes, in XAPI's chunked framing."""
    parts = urllib.parse.urlsplit(arguments.url)
    task = session.xenapi.task.create(f"Import of {arguments.image.name}", "")
    query = {"session_id": session.handle, "task_id": task, "vdi": vdi, "format": "raw", "chunked": "true"}
    connection = (
        http.client.HTTPSConnection(parts.netloc, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc)
    )
    size = sum(12 + len(data) for _offset, data in pieces(arguments.image)) + 12
    connection.putrequest("PUT", "/import_raw_vdi?" + urllib.parse.urlencode(query))
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    for offset, data in pieces(arguments.image):
        connection.send(struct.pack("<QI", offset, len(data)))
        connection.send(data)
    connection.send(struct.pack("<QI", 0, 0))
    connection.getresponse().read()
    connection.close()
    await_task(session, task)


def pieces(image: Path) -> Iterator[tuple[int, bytes]]:
    """Offset and data of what is not a hole, a few MiB at a time."""
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


def await_task(session: Any, task: str) -> None:
    """Wait for the task's end; XAPI says only there whether an upload worked."""
    token = ""
    while True:
        batch = getattr(session.xenapi.event, "from")([f"task/{task}"], token, 30.0)
        token = batch["token"]
        for event in batch["events"]:
            record = event.get("snapshot", {})
            if record.get("status") not in (None, "pending"):
                session.xenapi.task.destroy(task)
                if record["status"] != "success":
                    raise SystemExit(f"import failed: {' '.join(record['error_info'])}")
                return


if __name__ == "__main__":
    sys.exit(main())
