# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network: what VIFs and PIFs hang on."""

from __future__ import annotations

from typing import Any

from lab.classes import pif as pifs
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: What the names of bridges must not begin with: others have names like that.
RESERVED = ("xen", "xapi", "vif", "tap", "eth")
#: What Linux allows for the name of an interface.
LONGEST_BRIDGE = 15
DEFAULT_MTU = 1500
#: Networks of this other_config are not for clients to remove.
SYSTEM = "is_host_internal_management_network"


@implements("network.create")
def create(call: Call, record: dict[str, Any]) -> str:
    """A bridge of one's own choosing must not look like one of XAPI's, nor be longer than Linux allows."""
    bridges = {network["bridge"] for network in call.db.all("network")}
    bridge = record["bridge"]
    if bridge and (bridge.startswith(RESERVED) or len(bridge) > LONGEST_BRIDGE):
        raise Failure("INVALID_VALUE", "bridge", bridge)
    if bridge in bridges - {""}:
        raise Failure("BRIDGE_NAME_EXISTS", bridge)
    number = next(number for number in range(len(bridges) + 1) if f"xapi{number}" not in bridges)
    mtu = record["MTU"] if record["MTU"] > 0 else DEFAULT_MTU
    return call.db.create("network", {**record, "MTU": mtu, "bridge": bridge or f"xapi{number}"})


@implements("network.pool_introduce")
def pool_introduce(
    call: Call, name: str, description: str, mtu: int, other_config: dict[str, str], bridge: str, managed: bool,
    purpose: list[str],
) -> str:  # fmt: skip
    """A record as it is told."""
    fields = {
        "name_label": name, "name_description": description, "MTU": mtu, "other_config": other_config,
        "bridge": bridge, "managed": managed, "purpose": purpose,
    }  # fmt: skip
    return call.db.create("network", fields)


@implements("network.destroy")
def destroy(call: Call, network: str) -> None:
    record = call.db.get("network", network)
    attached = [vif for vif in record["VIFs"] if call.db.get("VIF", vif)["currently_attached"]]
    if attached:
        raise Failure("NETWORK_CONTAINS_VIF", *attached)
    if record["PIFs"]:
        raise Failure("NETWORK_CONTAINS_PIF", *record["PIFs"])
    if record["other_config"].get(SYSTEM) == "true":
        raise Failure("CANNOT_DESTROY_SYSTEM_NETWORK", network)
    for vif in record["VIFs"]:
        call.db.delete("VIF", vif)
    call.db.delete("network", network)


@implements("network.attach")
def attach(call: Call, network: str, host: str) -> None:
    """Bring the network up on a host: plug its links there."""
    membership.require_reachable(call.world, host)
    record = call.db.get("network", network)
    links = [link for link in (call.db.get("PIF", pif) for pif in record["PIFs"]) if link["host"] == host]
    if not record["managed"] and not links:
        raise Failure("BRIDGE_NOT_AVAILABLE", record["bridge"])
    for link in links:
        if link["managed"] and record["managed"]:
            if link["bond_slave_of"] != NULL:
                raise Failure("CANNOT_PLUG_BOND_SLAVE", link.ref)
            pifs.bring_up(call, link.ref)


@implements("network.attach_for_vm")
def attach_for_vm(call: Call, host: str, vm: str) -> None:
    """Bring up all networks of a VM."""
    membership.require_reachable(call.world, host)
    for vif in call.db.get("VM", vm)["VIFs"]:
        attach(call, call.db.get("VIF", vif)["network"], host)


@implements("network.detach_for_vm")
def detach_for_vm(call: Call, host: str, vm: str) -> None:
    """Internal bridges may go; no link is unplugged."""
    membership.require_reachable(call.world, host)


@implements("network.set_default_locking_mode")
def set_default_locking_mode(call: Call, network: str, value: str) -> None:
    """Not while guests use the network."""
    for vif in call.db.where("VIF", network=network, currently_attached=True):
        raise Failure("VIF_IN_USE", network, vif.ref)
    call.db.set("network", network, default_locking_mode=value)


@implements("network.add_purpose")
def add_purpose(call: Call, network: str, value: str) -> None:
    """All networks serve disks over NBD with encryption, or without."""
    purpose = call.db.get("network", network)["purpose"]
    if value in purpose:
        return
    other = {"nbd": "insecure_nbd", "insecure_nbd": "nbd"}[value]
    if any(other in found["purpose"] for found in call.db.all("network")):
        raise Failure("NETWORK_INCOMPATIBLE_PURPOSES", value, other)
    call.db.set("network", network, purpose=[value, *purpose])


@implements("network.remove_purpose")
def remove_purpose(call: Call, network: str, value: str) -> None:
    purpose = call.db.get("network", network)["purpose"]
    call.db.set("network", network, purpose=[item for item in purpose if item != value])
