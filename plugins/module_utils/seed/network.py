# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network configuration of an instance: netplan's YAML or systemd-networkd's .network files.

The guest's NIC names are not known, so a NIC is matched by its MAC. The first NIC has the lowest route metric
and with it the default route. Sources: netplan's YAML reference, systemd.network(5).
"""

from __future__ import annotations

import ipaddress
import json
import typing

from ..model.identity import NETPLAN, Identity, Ipv4, Ipv6, Nic
from .tree import File

NETPLAN_FILE = "etc/netplan/50-skinnybox.yaml"
INTERFACES_FILE = "etc/network/interfaces"
_FIRST_METRIC = 100


def networkd_file(index: int) -> str:
    """Return the path of the systemd-networkd file of the NIC with this index."""
    return f"etc/systemd/network/05-skinnybox-{index}.network"


def network_files(identity: Identity) -> list[File]:
    """Return the network configuration of an instance for the way its guest is configured."""
    if identity.network == NETPLAN:
        return [File(NETPLAN_FILE, render_netplan(identity.nics).encode(), 0o600)]
    files = [
        File(networkd_file(index), render_networkd(nic, index).encode()) for index, nic in enumerate(identity.nics)
    ]
    # Debian's ifupdown would configure the same NICs a second time by what the golden VM had.
    return [*files, File(INTERFACES_FILE, b"auto lo\niface lo inet loopback\n")]


def render_netplan(nics: typing.Sequence[Nic]) -> str:
    """Return netplan YAML for all NICs (netplan 0.104 of Ubuntu 22.04 and later)."""
    lines = ["# Written by Skinnybox for this instance.", "network:", "  version: 2", "  renderer: networkd"]
    if nics:
        lines.append("  ethernets:")
    for index, nic in enumerate(nics):
        lines += [f"    skinnybox{index}:", *(f"      {line}" for line in _netplan_nic(nic, index))]
    return "\n".join(lines) + "\n"


def _netplan_nic(nic: Nic, index: int) -> typing.Iterator[str]:
    metric = _metric(index)
    yield f"match: {{macaddress: {json.dumps(nic.mac)}}}"
    if index > 0:
        yield "optional: true"
    if nic.ipv4 is not None and nic.ipv4.address is None:
        yield "dhcp4: true"
        # Every instance's machine-id is new, but a lease should outlive a rebuilt instance with the same MAC.
        yield "dhcp-identifier: mac"
        yield f"dhcp4-overrides: {{route-metric: {metric}}}"
    else:
        yield "dhcp4: false"
    yield f"dhcp6: {_boolean(nic.ipv6.mode == 'dhcp')}"
    if nic.ipv6.mode == "dhcp":
        yield f"dhcp6-overrides: {{route-metric: {metric}}}"
    yield f"accept-ra: {_boolean(_accepts_router_advertisements(nic.ipv6))}"
    if nic.ipv6.mode == "none":
        yield "link-local: []"
    addresses = _addresses(nic)
    if addresses:
        yield f"addresses: {json.dumps(addresses)}"
    gateways = _gateways(nic)
    if gateways:
        yield "routes:"
    for gateway, on_link in gateways:
        link = ", on-link: true" if on_link else ""
        yield f'  - {{to: default, via: "{gateway}", metric: {metric}{link}}}'
    if nic.dns or nic.search:
        yield f"nameservers: {{addresses: {json.dumps(nic.dns)}, search: {json.dumps(nic.search)}}}"


def render_networkd(nic: Nic, index: int) -> str:
    """Return the .network file of the NIC with this index (systemd 249 and later)."""
    return "# Written by Skinnybox for this instance.\n" + "\n".join(_networkd_lines(nic, index)) + "\n"


def _networkd_lines(nic: Nic, index: int) -> typing.Iterator[str]:
    metric = _metric(index)
    # The type keeps bridges and VLANs, which have their NIC's MAC, from being matched too.
    yield from ("[Match]", f"MACAddress={nic.mac}", "Type=ether")
    if index > 0:
        yield from ("", "[Link]", "RequiredForOnline=no")
    yield from ("", "[Network]", f"DHCP={_networkd_dhcp(nic)}")
    yield f"IPv6AcceptRA={'yes' if _accepts_router_advertisements(nic.ipv6) else 'no'}"
    if nic.ipv6.mode == "none":
        yield "LinkLocalAddressing=no"
    yield from (f"Address={address}" for address in _addresses(nic))
    yield from (f"DNS={server}" for server in nic.dns)
    if nic.search:
        yield f"Domains={' '.join(nic.search)}"
    for gateway, on_link in _gateways(nic):
        yield from ("", "[Route]", f"Gateway={gateway}", f"Metric={metric}")
        if on_link:
            yield "GatewayOnLink=yes"
    if nic.ipv4 is not None and nic.ipv4.address is None:
        yield from ("", "[DHCPv4]", "ClientIdentifier=mac", f"RouteMetric={metric}")
    if nic.ipv6.mode in ("auto", "dhcp"):
        yield from ("", "[IPv6AcceptRA]", f"RouteMetric={metric}")


def _networkd_dhcp(nic: Nic) -> str:
    ipv4 = nic.ipv4 is not None and nic.ipv4.address is None
    ipv6 = nic.ipv6.mode == "dhcp"
    if ipv4 and ipv6:
        return "yes"
    return "ipv4" if ipv4 else "ipv6" if ipv6 else "no"


def _metric(index: int) -> int:
    return _FIRST_METRIC * (index + 1)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _accepts_router_advertisements(ipv6: Ipv6) -> bool:
    return ipv6.mode in ("auto", "dhcp") or (ipv6.mode == "static" and ipv6.gateway is None)


def _static(nic: Nic) -> list[Ipv4 | Ipv6]:
    return [family for family in (nic.ipv4, nic.ipv6) if family is not None and family.address is not None]


def _addresses(nic: Nic) -> list[str]:
    return [family.address for family in _static(nic) if family.address is not None]


def _gateways(nic: Nic) -> list[tuple[str, bool]]:
    """Return each static gateway and whether it lies outside of the NIC's own network."""
    gateways = []
    for family in _static(nic):
        if family.gateway is None or family.address is None:
            continue
        gateway = ipaddress.ip_address(family.gateway)
        near = gateway.is_link_local or gateway in ipaddress.ip_interface(family.address).network
        gateways.append((family.gateway, not near))
    return gateways
