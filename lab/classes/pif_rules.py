# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PIFs are built upon, and the checks that PIFs, VLANs, bonds and tunnels share."""

from __future__ import annotations

import enum
import re
import socket

from lab.database import Record
from lab.errors import Failure
from lab.hosts import membership
from lab.values import NULL
from lab.world import Call

MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
NO_VLAN = -1
FAMILIES = {"ipv4": (socket.AF_INET, 32), "ipv6": (socket.AF_INET6, 128)}


class Kind(enum.Enum):
    """What a PIF is: the field that says so, in the order in which they are asked."""

    TUNNEL = "tunnel_access_PIF_of"
    VLAN = "VLAN_master_of"
    SRIOV = "sriov_logical_PIF_of"
    BOND = "bond_master_of"
    PHYSICAL = "physical"


def kind(pif: Record) -> Kind:
    """Raises INTERNAL_ERROR for a record that was only introduced and is none of these."""
    found = next((kind for kind in Kind if is_of(kind, pif)), None)
    if found is None:
        raise Failure("INTERNAL_ERROR", f"Cannot calculate PIF type of {pif['uuid']}")
    return found


def is_of(kind: Kind, pif: Record) -> bool:
    return pif[kind.value] not in ([], NULL, False)


def is_bonded(call: Call, pif: Record) -> bool:
    """Whether the PIF is a member of a bond that exists."""
    return call.db.exists("Bond", pif["bond_slave_of"])


def forward(call: Call, pif: str) -> Record:
    """The PIF, for a call that is passed on to its host. Raises HANDLE_INVALID, HOST_OFFLINE, CANNOT_CONTACT_HOST."""
    record = call.db.get("PIF", pif)
    membership.require_reachable(call.world, record["host"])
    return record


# ---- checks of PIFs


def require_managed(pif: Record) -> None:
    if not pif["managed"]:
        raise Failure("PIF_UNMANAGED", pif.ref)


def require_not_management(pif: Record) -> None:
    if pif["currently_attached"] and pif["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", pif.ref)


def require_not_in_bond(call: Call, pif: Record) -> None:
    """Neither a member of a bond nor what stands for one."""
    if is_bonded(call, pif) or pif["bond_master_of"]:
        raise Failure("PIF_ALREADY_BONDED", pif.ref)


def require_no_vlan(pif: Record) -> None:
    """Neither below a VLAN nor one itself."""
    if pif["VLAN_slave_of"] or pif["VLAN"] != NO_VLAN:
        raise Failure("PIF_VLAN_STILL_EXISTS", pif.ref)


def require_no_tunnel(pif: Record) -> None:
    if pif["tunnel_transport_PIF_of"] or pif["tunnel_access_PIF_of"]:
        raise Failure("PIF_TUNNEL_STILL_EXISTS", pif.ref)


def require_no_sriov(pif: Record) -> None:
    if pif["sriov_physical_PIF_of"] or pif["sriov_logical_PIF_of"]:
        raise Failure("PIF_SRIOV_STILL_EXISTS", pif.ref)


def require_unused(call: Call, pif: Record) -> None:
    """No guest of the host uses the network, and nobody forbids to unplug."""
    for vif in call.db.get("network", pif["network"])["VIFs"]:
        record = call.db.get("VIF", vif)
        if record["currently_attached"] and call.db.get("VM", record["VM"])["resident_on"] == pif["host"]:
            raise Failure("VIF_IN_USE", pif["network"], vif)
    if pif["disallow_unplug"]:
        raise Failure("PIF_DOES_NOT_ALLOW_UNPLUG", pif.ref)


# ---- checks of networks


def require_managed_network(call: Call, network: str) -> None:
    if not call.db.get("network", network)["managed"]:
        raise Failure("NETWORK_UNMANAGED", network)


def require_no_link(call: Call, network: str, host: str) -> None:
    """The host has no PIF on the network yet."""
    for pif in call.db.get("network", network)["PIFs"]:
        if call.db.get("PIF", pif)["host"] == host:
            raise Failure("NETWORK_ALREADY_CONNECTED", host, pif)


def require_without(call: Call, network: str, kinds: tuple[Kind, ...], code: str) -> None:
    """No host links the network by such PIFs. Raises the code with the network."""
    links = [call.db.get("PIF", pif) for pif in call.db.get("network", network)["PIFs"]]
    if any(is_of(kind, link) for link in links for kind in kinds):
        raise Failure(code, network)


# ---- checks of parameters


def require_mac(text: str) -> None:
    if not MAC.fullmatch(text):
        raise Failure("MAC_INVALID", text)


def require_address(family: str, field: str, text: str) -> None:
    """Raises INVALID_IP_ADDRESS_SPECIFIED with the name of the field."""
    if not is_address(family, text):
        raise Failure("INVALID_IP_ADDRESS_SPECIFIED", field)


def require_prefixed(family: str, field: str, text: str) -> None:
    """An address with the length of its prefix. Raises INVALID_CIDR_ADDRESS_SPECIFIED."""
    address, _slash, length = text.partition("/")
    longest = FAMILIES[family][1]
    if not is_address(family, address) or not length.isdigit() or not 0 <= int(length) <= longest:
        raise Failure("INVALID_CIDR_ADDRESS_SPECIFIED", field)


def is_address(family: str, text: str) -> bool:
    """Whether the C library takes the text for an address; it knows short forms, too."""
    try:
        found = socket.getaddrinfo(text or "-", None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return found[0][0] == FAMILIES[family][0]
