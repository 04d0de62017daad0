# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tunnel: a link to a network through another network."""

from __future__ import annotations

import secrets

from lab.classes import pif as pifs
from lab.classes import pif_rules as rules
from lab.classes.pif_rules import Kind
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call


@implements("tunnel.create")
def create(call: Call, transport: str, network: str, protocol: str) -> str:
    """A tunnel over a PIF that must have an address, and the PIF that it gives to the network, which is plugged."""
    base = rules.forward(call, transport)
    rules.require_managed_network(call, network)
    rules.require_no_link(call, network, base["host"])
    rules.require_managed(base)
    _require_bearer(base)
    rules.require_without(call, network, (Kind.VLAN, Kind.SRIOV), "NETWORK_INCOMPATIBLE_WITH_TUNNEL")
    if any(host["software_version"].get("network_backend") != "openvswitch" for host in call.db.all("host")):
        raise Failure("OPENVSWITCH_NOT_ACTIVE")
    fields = {
        "device": _device(call, base["host"]), "network": network, "host": base["host"], "MAC": _mac(), "MTU": -1,
        "VLAN": rules.NO_VLAN, "metrics": base["metrics"], "currently_attached": False, "IPv6": [""],
    }  # fmt: skip
    access = call.db.create("PIF", fields)
    tunnel = call.db.create("tunnel", {"access_PIF": access, "transport_PIF": transport, "protocol": protocol})
    pifs.plug(call, access)
    return tunnel


def _require_bearer(base: Record) -> None:
    what = rules.kind(base)
    if what is Kind.PHYSICAL and base["bond_slave_of"] != NULL:
        raise Failure("CANNOT_ADD_TUNNEL_TO_BOND_SLAVE", base.ref)
    if what is Kind.TUNNEL:
        raise Failure("IS_TUNNEL_ACCESS_PIF", base.ref)
    if what is Kind.SRIOV:
        raise Failure("CANNOT_ADD_TUNNEL_TO_SRIOV_LOGICAL", base.ref)


def _device(call: Call, host: str) -> str:
    taken = {pif["device"] for pif in call.db.where("PIF", host=host)}
    return next(name for name in (f"tunnel{number}" for number in range(len(taken) + 1)) if name not in taken)


def _mac() -> str:
    """A random address of one's own making (the first byte says so)."""
    first, *rest = secrets.token_bytes(6)
    return ":".join(f"{byte:02x}" for byte in ((first | 2) & 0xFE, *rest))


@implements("tunnel.destroy")
def destroy(call: Call, tunnel: str) -> None:
    access = call.db.get("tunnel", tunnel)["access_PIF"]
    pifs.unplug(call, access)
    call.db.delete("PIF", access)
    call.db.delete("tunnel", tunnel)
