# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PIF: links between hosts and networks: found, introduced and forgotten, brought up and down."""

from __future__ import annotations

from typing import Any

from lab.classes import pif_rules as rules
from lab.classes.pif_rules import Kind
from lab.database import Record
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

PROPERTIES = {"gro": ("on", "off")}
DEFAULT_PROPERTIES = {"gro": "on"}
DEFAULT_MTU = 1500


def devices(call: Call, host: str) -> dict[str, str]:
    """The network cards of a host, whether they have PIFs or not: device -> MAC."""
    cards = call.world.cards.setdefault(host, {})
    cards.update({pif["device"]: pif["MAC"] for pif in call.db.where("PIF", host=host, physical=True)})
    return cards


@implements("PIF.introduce")
def introduce(call: Call, host: str, mac: str, device: str, managed: bool) -> str:
    """A PIF for a card of the host that has none."""
    membership.require_reachable(call.world, host)
    cards = devices(call, host)
    mac = mac.lower() or cards.get(device, "")
    rules.require_mac(mac)
    if call.db.where("PIF", host=host, physical=True, device=device):
        raise Failure("DUPLICATE_PIF_DEVICE_NAME", device)
    if cards.get(device) != mac:
        code = "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS"
        raise Failure(code, device, mac)
    return _physical(call, host, device, mac, managed)


def _physical(call: Call, host: str, device: str, mac: str, managed: bool = True) -> str:
    fields = {
        "device": device, "network": _network_of(call, device), "host": host, "MAC": mac, "MTU": DEFAULT_MTU,
        "VLAN": rules.NO_VLAN, "metrics": call.db.create("PIF_metrics", {}), "physical": True,
        "currently_attached": False, "managed": managed, "properties": DEFAULT_PROPERTIES,
    }  # fmt: skip
    return call.db.create("PIF", fields)


def _network_of(call: Call, device: str) -> str:
    """The network with the bridge that is usual for the device; made when there is none."""
    bridge = f"xenbr{device[3:]}" if device.startswith("eth") else f"br{device}"
    found = call.db.where("network", bridge=bridge)
    if len(found) == 1:
        return found[0].ref
    label = f"Pool-wide network associated with {device}"
    return call.db.create("network", {"name_label": label, "bridge": bridge, "MTU": DEFAULT_MTU})


@implements("PIF.scan")
def scan(call: Call, host: str) -> None:
    """A PIF for each card without one."""
    membership.require_reachable(call.world, host)
    known = {pif["device"] for pif in call.db.where("PIF", host=host, physical=True)}
    for device, mac in devices(call, host).items():
        if device not in known:
            _physical(call, host, device, mac)


@implements("PIF.forget")
def forget(call: Call, pif: str) -> None:
    record = rules.forward(call, pif)
    rules.require_not_management(record)
    rules.require_not_in_bond(call, record)
    rules.require_no_vlan(record)
    rules.require_no_tunnel(record)
    rules.require_no_sriov(record)
    devices(call, record["host"])
    if call.db.exists("PIF_metrics", record["metrics"]):
        call.db.delete("PIF_metrics", record["metrics"])
    call.db.delete("PIF", pif)


@implements("PIF.pool_introduce", "PIF.db_introduce")
def pool_introduce(
    call: Call, device: str, network: str, host: str, mac: str, mtu: int, vlan: int, physical: bool, mode: str, ip: str,
    netmask: str, gateway: str, dns: str, bond: str, vlan_master_of: str, management: bool,
    other_config: dict[str, str], disallow_unplug: bool, ipv6_mode: str, ipv6: list[str], ipv6_gateway: str,
    primary: str, managed: bool, properties: dict[str, str],
) -> str:  # fmt: skip
    """A record as it is told, without a look at the host."""
    fields = {
        "device": device, "network": network, "host": host, "MAC": mac, "MTU": mtu, "VLAN": vlan,
        "metrics": call.db.create("PIF_metrics", {}), "physical": physical, "currently_attached": False,
        "ip_configuration_mode": mode, "IP": ip, "netmask": netmask, "gateway": gateway, "DNS": dns,
        "VLAN_master_of": vlan_master_of, "management": management, "other_config": other_config,
        "disallow_unplug": disallow_unplug, "ipv6_configuration_mode": ipv6_mode, "IPv6": ipv6,
        "ipv6_gateway": ipv6_gateway, "primary_address_type": primary, "managed": managed, "properties": properties,
    }  # fmt: skip
    return call.db.create("PIF", fields)


@implements("PIF.db_forget")
def db_forget(call: Call, pif: str) -> None:
    call.db.delete("PIF", pif)


# ---- up and down


def bring_up(call: Call, pif: str) -> None:
    """What the host's network daemon does; a tunnel becomes active with its PIF."""
    call.db.set("PIF", pif, currently_attached=True)
    for tunnel in call.db.get("PIF", pif)["tunnel_access_PIF_of"]:
        call.db.put("tunnel", tunnel, "status", "active", "true")


def bring_down(call: Call, pif: str) -> None:
    call.db.set("PIF", pif, currently_attached=False)
    for tunnel in call.db.get("PIF", pif)["tunnel_access_PIF_of"]:
        call.db.put("tunnel", tunnel, "status", "active", "false")


@implements("PIF.plug")
def plug(call: Call, pif: str) -> None:
    record = rules.forward(call, pif)
    rules.require_managed(record)
    what = rules.kind(record)
    if what is Kind.TUNNEL:
        _plug_transport(call, record)
    if what is Kind.PHYSICAL and record["bond_slave_of"] != NULL:
        raise Failure("CANNOT_PLUG_BOND_SLAVE", pif)
    bring_up(call, pif)


def _plug_transport(call: Call, access: Record) -> None:
    transport = call.db.get("tunnel", access["tunnel_access_PIF_of"][0])["transport_PIF"]
    if call.db.get("PIF", transport)["ip_configuration_mode"] == "None":
        raise Failure("TRANSPORT_PIF_NOT_CONFIGURED", transport)
    plug(call, transport)


@implements("PIF.unplug")
def unplug(call: Call, pif: str) -> None:
    record = rules.forward(call, pif)
    rules.require_managed(record)
    rules.require_not_management(record)
    rules.require_unused(call, record)
    for tunnel in record["tunnel_transport_PIF_of"]:
        unplug(call, call.db.get("tunnel", tunnel)["access_PIF"])
    if record["bond_slave_of"] == NULL:
        bring_down(call, pif)


@implements("PIF.set_disallow_unplug")
def set_disallow_unplug(call: Call, pif: str, value: bool) -> None:
    call.db.set("PIF", pif, disallow_unplug=value)


@implements("PIF.set_property")
def set_property(call: Call, pif: str, name: str, value: str) -> None:
    """Of cards and of bonds; a bond hands it on to its members."""
    record = rules.forward(call, pif)
    if value not in PROPERTIES.get(name, ()):
        raise Failure("INVALID_VALUE", "properties", f"{name} = {value}")
    if not (record["bond_master_of"] or record["physical"]) or record["bond_slave_of"] != NULL:
        raise Failure("CANNOT_CHANGE_PIF_PROPERTIES", pif)
    members = [member for bond in record["bond_master_of"] for member in call.db.get("Bond", bond)["slaves"]]
    changed: dict[str, Any] = {**record["properties"], name: value}
    for ref in [pif, *members]:
        call.db.set("PIF", ref, properties=changed)
