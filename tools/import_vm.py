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
import ssl
import sys
from pathlib import Path
from typing import Any

import XenAPI
from xapi_client import MIB, add_nic, attach, create_disk, management_network, pieces, upload


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--image", required=True, type=Path)
    parser.add_argument("--template", default="Debian Bookworm 12")
    parser.add_argument("--memory", default=1024, type=int, help="MiB")
    parser.add_argument("--vcpus", default=2, type=int)
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
    root = create_disk(xapi, f"{arguments.name} root", arguments.image.stat().st_size)
    upload(session, arguments.url, root, lambda: pieces(arguments.image), context)
    template = xapi.VM.get_by_name_label(arguments.template)[0]
    vm = xapi.VM.clone(template, f"{arguments.name} (import)")
    xapi.VM.remove_from_other_config(vm, "disks")
    xapi.VM.provision(vm)
    size = str(arguments.memory * MIB)
    xapi.VM.set_memory_limits(vm, size, size, size, size)
    xapi.VM.set_VCPUs_max(vm, str(arguments.vcpus))
    xapi.VM.set_VCPUs_at_startup(vm, str(arguments.vcpus))
    second = create_disk(xapi, f"{arguments.name} boot CD", arguments.second_disk * MIB)
    for position, vdi in (("0", root), ("1", second)):
        attach(xapi, vm, vdi, position)
    add_nic(xapi, vm, management_network(xapi))
    xapi.VM.set_name_label(vm, arguments.name)
    return vm


if __name__ == "__main__":
    sys.exit(main())
