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
FEATURES = {"feature-poweroff": "1", "feature-reboot": "1", "feature-shutdown": "1", "feature-suspend": "1"}


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
        # A bridge or a VLAN in the guest has the same MAC address as the NIC below it.
        found.setdefault(device, []).extend(
            address for address in listed if not ipaddress.ip_address(address).is_link_local
        )
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


def primary(own: dict[int, list[str]]) -> tuple[int, str] | None:
    """The NIC by which the guest is reached and its IPv4 address there: the first that has one."""
    for device, listed in sorted(own.items()):
        for address in listed:
            if ":" not in address:
                return device, address
    return None


def report(own: dict[int, list[str]], reachable: str, port: int, system: dict[str, str]) -> GuestReport:
    """The report of a guest. Its primary address is told as the loopback address at which it is reached."""
    networks: dict[str, str] = {}
    other = FEATURES | {"lab-ssh-port": str(port)}
    found = primary(own)
    for device, listed in sorted(own.items()):
        four = [address for address in listed if ":" not in address]
        six = [address for address in listed if ":" in address]
        if found and device == found[0]:
            other["lab-inside"] = found[1]
            four[0] = reachable
        if four:
            networks[f"{device}/ip"] = four[0]
        networks |= {f"{device}/ipv4/{number}": address for number, address in enumerate(four)}
        networks |= {f"{device}/ipv6/{number}": address for number, address in enumerate(six)}
    version = {"major": "1", "minor": "0", "micro": "0", "build": "1"}
    return GuestReport(networks=networks, os_version=system, other=other, pv_drivers_version=version)
