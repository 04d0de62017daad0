# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared NICs of a VM pool, out of options."""

from __future__ import annotations

import ipaddress
from typing import Any, Mapping

from ..model.identity import check_hostname
from . import addresses
from .refusal import Refused
from .spec import Family, NetworkSpec


def parse_network(entry: Mapping[str, Any], index: int) -> NetworkSpec:
    """Check one NIC, the ``index``-th of its list, and make a spec of it. Raises Refused."""
    what = f"networks[{index}]"
    return NetworkSpec(
        network=entry.get("network"),
        ipv4=_family(entry.get("ipv4") or {}, 4, "dhcp", f"{what}.ipv4"),
        ipv6=_family(entry.get("ipv6") or {}, 6, "auto", f"{what}.ipv6"),
        dns=tuple(_address(text, f"{what}.dns") for text in entry.get("dns") or ()),
        search=tuple(_domain(text, f"{what}.search") for text in entry.get("search") or ()),
    )


def _address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Refused(f"{what}: {text!r} is no address.") from None


def _domain(text: str, what: str) -> str:
    try:
        check_hostname(text)
    except ValueError:
        raise Refused(f"{what}: {text!r} is no domain name.") from None
    return text


def _family(options: Mapping[str, Any], version: int, default: str, what: str) -> Family:
    ranges = addresses.parse_ranges(options.get("addresses") or (), version, f"{what}.addresses")
    method = options.get("method") or ("static" if ranges else default)
    if method == "static" and not ranges:
        raise Refused(f"{what}: method static needs addresses.")
    if method != "static" and (ranges or options.get("gateway")):
        raise Refused(f"{what}: addresses and gateway go with method static, not with {method}.")
    gateway = options.get("gateway")
    if gateway is not None:
        gateway = addresses.check_gateway(gateway, ranges, version, f"{what}.gateway")
    return Family(method, ranges, gateway)
