# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What QEMU's guest agent tells, in the words of VM_guest_metrics."""

from __future__ import annotations

import ipaddress
from typing import Any

from lab.hypervisor import Domain, GuestReport
from lab.hypervisor.channel import Channel

#: Seconds that a guest has for an answer once its agent has answered before.
PATIENCE = 30.0
#: What the lab does with any guest whose agent answers.
FEATURES = {"feature-shutdown": "1", "feature-reboot": "1"}


async def addresses(agent: Channel, domain: Domain, timeout: float) -> dict[int, list[str]]:
    """The guest's own addresses on each of the domain's NICs, without link-local ones. Raises ChannelError."""
    interfaces = await agent.execute("guest-network-get-interfaces", timeout=timeout)
    return assign(interfaces, domain)


def assign(interfaces: list[dict[str, Any]], domain: Domain) -> dict[int, list[str]]:
    """Sort an answer of guest-network-get-interfaces by the domain's NICs, which are known by their MAC address."""
    devices = {nic.mac.lower(): nic.device for nic in domain.nics}
    found: dict[int, list[str]] = {}
    for interface in interfaces:
        device = devices.get(interface.get("hardware-address", "").lower())
        if device is None:
            continue
        listed = [entry["ip-address"] for entry in interface.get("ip-addresses", [])]
        found[device] = [address for address in listed if not ipaddress.ip_address(address).is_link_local]
    return {device: listed for device, listed in found.items() if listed}


async def operating_system(agent: Channel) -> dict[str, str]:
    """The guest's system, as VM_guest_metrics.os_version has it. Raises ChannelError."""
    told = await agent.execute("guest-get-osinfo", timeout=PATIENCE)
    major, _dot, minor = told.get("version-id", "").partition(".")
    return {
        "name": told.get("pretty-name", ""),
        "distro": told.get("id", ""),
        "uname": told.get("kernel-release", ""),
        "major": major,
        "minor": minor,
    }


def report(own: dict[int, list[str]], reachable: str, port: int, system: dict[str, str]) -> GuestReport:
    """The report of a guest: its first NIC is reached at a loopback address, and the port for SSH is told."""
    networks: dict[str, str] = {}
    other = dict(FEATURES)
    for device, listed in sorted(own.items()):
        four = [address for address in listed if ":" not in address]
        six = [address for address in listed if ":" in address]
        if four:
            other[f"lab-inside-{device}"] = four[0]
            four = four if networks else [reachable]
            networks[f"{device}/ip"] = four[0]
        networks |= {f"{device}/ipv4/{number}": address for number, address in enumerate(four)}
        networks |= {f"{device}/ipv6/{number}": address for number, address in enumerate(six)}
    other["lab-ssh-port"] = str(port)
    version = {"major": "1", "minor": "0", "micro": "0", "build": "1"}
    return GuestReport(networks=networks, os_version=system, other=other, pv_drivers_version=version)
