# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VLAN: a link to a network by tagged packets over another link, on one host or on all."""

from __future__ import annotations

from lab.classes import pif as pifs
from lab.classes import pif_rules as rules
from lab.classes.pif_rules import Kind
from lab.database import Record
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: What VLANs have in place of an address of their own.
VLAN_MAC = "fe:ff:ff:ff:ff:ff"
#: 4095 is reserved by 802.1Q.
HIGHEST_TAG = 4094


@implements("VLAN.create")
def create(call: Call, tagged: str, tag: int, network: str) -> str:
    """A VLAN on a PIF, and the PIF that it gives to the network, which is plugged."""
    base = rules.forward(call, tagged)
    rules.require_managed_network(call, network)
    rules.require_no_link(call, network, base["host"])
    rules.require_managed(base)
    _require_bearer(base)
    rules.require_without(call, network, (Kind.TUNNEL, Kind.SRIOV), "NETWORK_INCOMPATIBLE_WITH_VLAN_ON_BRIDGE")
    if not 0 <= tag <= HIGHEST_TAG:
        raise Failure("VLAN_TAG_INVALID", tag)
    if call.db.where("VLAN", tagged_PIF=tagged, tag=tag):
        raise Failure("PIF_VLAN_EXISTS", base["device"])
    return _create(call, base, tag, network)


def _require_bearer(base: Record) -> None:
    what = rules.kind(base)
    if what is Kind.PHYSICAL and base["bond_slave_of"] != NULL:
        raise Failure("CANNOT_ADD_VLAN_TO_BOND_SLAVE", base.ref)
    if what is Kind.VLAN:
        raise Failure("PIF_IS_VLAN", base.ref)
    if what is Kind.TUNNEL:
        raise Failure("IS_TUNNEL_ACCESS_PIF", base.ref)


def _create(call: Call, base: Record, tag: int, network: str) -> str:
    fields = {
        "device": base["device"], "network": network, "host": base["host"], "MAC": VLAN_MAC, "MTU": base["MTU"],
        "VLAN": tag, "metrics": base["metrics"], "currently_attached": False, "IPv6": [""],
        "primary_address_type": base["primary_address_type"],
    }  # fmt: skip
    untagged = call.db.create("PIF", fields)
    vlan = call.db.create("VLAN", {"tagged_PIF": base.ref, "untagged_PIF": untagged, "tag": tag})
    call.db.set("PIF", untagged, VLAN_master_of=vlan)
    pifs.plug(call, untagged)
    return vlan


@implements("VLAN.pool_introduce")
def pool_introduce(call: Call, tagged: str, untagged: str, tag: int, other_config: dict[str, str]) -> str:
    """A record as it is told, and the link back to it."""
    fields = {"tagged_PIF": tagged, "untagged_PIF": untagged, "tag": tag, "other_config": other_config}
    vlan = call.db.create("VLAN", fields)
    call.db.set("PIF", untagged, VLAN_master_of=vlan)
    return vlan


@implements("VLAN.destroy")
def destroy(call: Call, vlan: str) -> None:
    """The VLAN and its PIF, which must not be in use."""
    record = call.db.get("VLAN", vlan)
    untagged = call.db.find("PIF", record["untagged_PIF"])
    if untagged is None:
        call.db.delete("VLAN", vlan)
        return
    rules.forward(call, untagged.ref)
    rules.require_not_in_bond(call, untagged)
    if untagged["VLAN"] < 0:
        raise Failure("PIF_IS_PHYSICAL")
    pifs.unplug(call, untagged.ref)
    if call.db.exists("VLAN", untagged["VLAN_master_of"]):
        call.db.delete("VLAN", untagged["VLAN_master_of"])
    call.db.delete("PIF", untagged.ref)


# ---- by the PIF, as older clients do


@implements("PIF.create_VLAN")
def create_by_device(call: Call, device: str, network: str, host: str, tag: int) -> str:
    membership.require_reachable(call.world, host)
    base = call.db.where("PIF", host=host, device=device, VLAN=rules.NO_VLAN)
    if not base:
        raise Failure("INVALID_VALUE", "device", device)
    vlan = create(call, base[0].ref, tag, network)
    return str(call.db.get("VLAN", vlan)["untagged_PIF"])


@implements("PIF.destroy")
def destroy_by_pif(call: Call, pif: str) -> None:
    record = rules.forward(call, pif)
    if record["VLAN"] < 0:
        raise Failure("PIF_IS_PHYSICAL")
    destroy(call, record["VLAN_master_of"])


# ---- on all hosts


@implements("pool.create_VLAN")
def create_in_pool(call: Call, device: str, network: str, tag: int) -> list[str]:
    """One VLAN on each host that is there, or on none. Answers the PIFs."""
    bases = []
    for host in _live_hosts(call):
        found = call.db.where("PIF", host=host, device=device, VLAN=rules.NO_VLAN)
        if not found:
            raise Failure("INVALID_VALUE", "device", device)
        bases.append(found[0].ref)
    return _create_all(call, bases, tag, network)


@implements("pool.create_VLAN_from_PIF")
def create_from_pif(call: Call, pif: str, network: str, tag: int) -> list[str]:
    """One VLAN on each host's link to the PIF's network, or on none. Answers the PIFs."""
    shared = call.db.get("network", call.db.get("PIF", pif)["network"])
    live = set(_live_hosts(call))
    bases = [link for link in shared["PIFs"] if call.db.get("PIF", link)["host"] in live]
    return _create_all(call, bases, tag, network)


def _live_hosts(call: Call) -> list[str]:
    return [host for host in membership.hosts_of(call.world) if membership.live(call.world, host)]


def _create_all(call: Call, bases: list[str], tag: int, network: str) -> list[str]:
    created: list[str] = []
    try:
        for base in bases:
            created.append(create(call, base, tag, network))
    except Failure:
        for vlan in created:
            destroy(call, vlan)
        raise
    return [str(call.db.get("VLAN", vlan)["untagged_PIF"]) for vlan in created]
