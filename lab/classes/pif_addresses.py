# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PIF: the addresses that a host has on a network."""

from __future__ import annotations

from lab.classes import pif_rules as rules
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("PIF.reconfigure_ip")
def reconfigure_ip(call: Call, pif: str, mode: str, ip: str, netmask: str, gateway: str, dns: str) -> None:
    record = rules.forward(call, pif)
    rules.require_managed(record)
    given = {"IP": ip, "netmask": netmask, "gateway": gateway}
    if mode == "Static":
        rules.require_address("ipv4", "IP", ip)
        rules.require_address("ipv4", "netmask", netmask)
    for name, value in given.items():
        if value:
            rules.require_address("ipv4", name, value)
    _require_reachable(record, mode, "IPv4")
    if mode == "DHCP" and record["currently_attached"]:
        # the lease is the address there was
        given = {name: value or record[name] for name, value in given.items()}
    servers = _of_family("ipv4", dns) + _of_family("ipv6", record["DNS"])
    call.db.set("PIF", pif, ip_configuration_mode=mode, DNS=",".join(servers), **given)


@implements("PIF.reconfigure_ipv6")
def reconfigure_ipv6(call: Call, pif: str, mode: str, ip: str, gateway: str, dns: str) -> None:
    record = rules.forward(call, pif)
    rules.require_managed(record)
    if gateway:
        rules.require_address("ipv6", "gateway", gateway)
    if ip:
        rules.require_prefixed("ipv6", "IPv6", ip)
    _require_reachable(record, mode, "IPv6")
    servers = _of_family("ipv6", dns) + _of_family("ipv4", record["DNS"])
    fields = {"ipv6_configuration_mode": mode, "IPv6": [ip], "ipv6_gateway": gateway}
    call.db.set("PIF", pif, DNS=",".join(servers), **fields)


def _of_family(family: str, servers: str) -> list[str]:
    """Which of the name servers have addresses of the family: others are not refused, but left out, as XAPI does."""
    return [server for server in servers.split(",") if rules.is_address(family, server)]


def _require_reachable(pif: Record, mode: str, family: str) -> None:
    """A management interface keeps an address of its primary family."""
    if pif["management"] and mode == "None" and pif["primary_address_type"] == family:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", pif.ref)


@implements("PIF.set_primary_address_type")
def set_primary_address_type(call: Call, pif: str, value: str) -> None:
    record = rules.forward(call, pif)
    if record["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", pif)
    call.db.set("PIF", pif, primary_address_type=value)
