# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bond: several links of a host used as one."""

from __future__ import annotations

from typing import Any

from lab.classes import pif as pifs
from lab.classes import pif_rules as rules
from lab.classes.pif_rules import Kind
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: What goes over from a link to the bond that takes its place, and back.
ADDRESSES = (
    "ip_configuration_mode", "IP", "netmask", "gateway", "DNS", "ipv6_configuration_mode", "IPv6", "ipv6_gateway",
    "primary_address_type", "management", "disallow_unplug",
)  # fmt: skip
NO_ADDRESSES = {
    "ip_configuration_mode": "None", "IP": "", "netmask": "", "gateway": "", "DNS": "",
    "ipv6_configuration_mode": "None", "IPv6": [], "ipv6_gateway": "", "management": False, "disallow_unplug": False,
}  # fmt: skip
LACP = "lacp"
#: Properties of bonds with LACP: their values, and the one they have unless told.
PROPERTIES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "hashing_algorithm": (("src_mac", "tcpudp_ports"), "tcpudp_ports"),
    "lacp-time": (("slow", "fast"), "slow"),
    "lacp-fallback-ab": (("true", "false"), "true"),
}
#: Its value is any text.
FREE_PROPERTY = "lacp-aggregation-key"


@implements("Bond.create")
def create(call: Call, network: str, members: list[str], mac: str, mode: str, properties: dict[str, str]) -> str:
    """The bond's PIF takes over addresses, VLANs and VIFs of its members."""
    if not members:
        raise Failure("PIF_BOND_NEEDS_MORE_MEMBERS")
    host = rules.forward(call, members[0])["host"]
    rules.require_managed_network(call, network)
    rules.require_no_link(call, network, host)
    if mac:
        rules.require_mac(mac)
    for name, value in properties.items():
        _require_property(mode, name, value)
    links = [call.db.get("PIF", member) for member in dict.fromkeys(members)]
    for link in links:
        _require_bondable(call, link)
    if len({link["host"] for link in links}) != 1:
        raise Failure("PIF_CANNOT_BOND_CROSS_HOST")
    primary = _primary(links)
    fields = {
        "device": _device(call, host), "network": network, "host": host, "MAC": mac or primary["MAC"],
        "MTU": call.db.get("network", network)["MTU"], "VLAN": rules.NO_VLAN, "currently_attached": False,
        "metrics": call.db.create("PIF_metrics", {"carrier": True}), "properties": pifs.DEFAULT_PROPERTIES,
    }  # fmt: skip
    master = call.db.create("PIF", fields)
    bond = call.db.create(
        "Bond",
        {
            "master": master, "primary_slave": primary.ref, "mode": mode, "links_up": len(links),
            "properties": {**_defaults(mode), **properties}, "auto_update_mac": not mac,
        },
    )  # fmt: skip
    _take_over(call, links, primary, master, bond)
    return bond


def _require_bondable(call: Call, link: Record) -> None:
    what = rules.kind(link)
    if what is Kind.PHYSICAL and rules.is_bonded(call, link):
        raise Failure("PIF_ALREADY_BONDED", link.ref)
    if what is Kind.VLAN:
        raise Failure("PIF_VLAN_EXISTS", link["device"])
    if what is Kind.TUNNEL:
        raise Failure("IS_TUNNEL_ACCESS_PIF", link.ref)
    if what is Kind.SRIOV:
        raise Failure("PIF_IS_SRIOV_LOGICAL", link.ref)
    rules.require_no_tunnel(link)
    rules.require_managed(link)


def _primary(links: list[Record]) -> Record:
    """The management interface, else the one with an address, else the first. Raises PIF_BOND_MORE_THAN_ONE_IP."""
    addressed = [link for link in links if link["ip_configuration_mode"] != "None"]
    management = [link for link in links if link["management"]]
    if len([link for link in addressed if not link["management"]]) > 1:
        raise Failure("PIF_BOND_MORE_THAN_ONE_IP")
    return [*management, *addressed, *links][0]


def _device(call: Call, host: str) -> str:
    taken = {pif["device"] for pif in call.db.where("PIF", host=host)}
    return next(name for name in (f"bond{number}" for number in range(len(taken) + 1)) if name not in taken)


def _take_over(call: Call, links: list[Record], primary: Record, master: str, bond: str) -> None:
    addresses: dict[str, Any] = {name: primary[name] for name in ADDRESSES}
    addresses["disallow_unplug"] = any(link["disallow_unplug"] for link in links)
    call.db.set("PIF", master, **addresses)
    plugged = any(link["currently_attached"] for link in links)
    network = call.db.get("PIF", master)["network"]
    for link in links:
        _move_vlans(call, link, master)
        _move_vifs(call, link["network"], network, link["host"])
        call.db.set("PIF", link.ref, bond_slave_of=bond, **NO_ADDRESSES)
    if plugged:
        pifs.bring_up(call, master)


def _move_vlans(call: Call, link: Record, target: str) -> None:
    for vlan in link["VLAN_slave_of"]:
        call.db.set("VLAN", vlan, tagged_PIF=target)
        untagged = call.db.get("VLAN", vlan)["untagged_PIF"]
        call.db.set("PIF", untagged, device=call.db.get("PIF", target)["device"])


def _move_vifs(call: Call, source: str, target: str, host: str) -> None:
    """The host's guests go with the link."""
    for vif in call.db.get("network", source)["VIFs"]:
        if call.db.get("VM", call.db.get("VIF", vif)["VM"])["resident_on"] == host:
            call.db.set("VIF", vif, network=target)


@implements("Bond.destroy")
def destroy(call: Call, bond: str) -> None:
    """Addresses, VLANs and VIFs go back to the primary member."""
    record = call.db.get("Bond", bond)
    master = rules.forward(call, record["master"])
    members, primary = list(record["slaves"]), record["primary_slave"]
    for member in members:
        call.db.set("PIF", member, bond_slave_of=NULL)
    call.db.set("PIF", primary, **{name: master[name] for name in ADDRESSES})
    _move_vlans(call, master, primary)
    _move_vifs(call, master["network"], call.db.get("PIF", primary)["network"], master["host"])
    if master["currently_attached"]:
        for member in members:
            pifs.bring_up(call, member)
    call.db.delete("Bond", bond)
    call.db.delete("PIF", master.ref)


# ---- mode and properties


def _defaults(mode: str) -> dict[str, str]:
    if mode != LACP:
        return {}
    return {name: default for name, (_values, default) in PROPERTIES.items() if default is not None}


def _require_property(mode: str, name: str, value: str) -> None:
    values, _default = PROPERTIES.get(name, ((), None))
    if mode != LACP or (name != FREE_PROPERTY and value not in values):
        raise Failure("INVALID_VALUE", "properties", f"{name} = {value}")


@implements("Bond.set_mode")
def set_mode(call: Call, bond: str, value: str) -> None:
    """Properties that the mode does not know are lost."""
    rules.forward(call, call.db.get("Bond", bond)["master"])
    call.db.set("Bond", bond, mode=value, properties=_defaults(value))


@implements("Bond.set_property")
def set_property(call: Call, bond: str, name: str, value: str) -> None:
    record = call.db.get("Bond", bond)
    rules.forward(call, record["master"])
    _require_property(record["mode"], name, value)
    call.db.put("Bond", bond, "properties", name, value)
