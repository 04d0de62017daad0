# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: the interface at which it is managed."""

from __future__ import annotations

from lab.database import Record
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import implements
from lab.values import NULL
from lab.world import Call


@implements("host.get_management_interface")
def get_management_interface(call: Call, host: str) -> str:
    for pif in call.db.where("PIF", host=host):
        if pif["management"]:
            return pif.ref
    raise internal("Not_found")


def require_manageable(pif: Record) -> None:
    """Raises why the host cannot be managed through that interface."""
    if pif["bond_slave_of"] != NULL:
        raise Failure("CANNOT_PLUG_BOND_SLAVE", pif.ref)
    if pif["primary_address_type"] == "IPv6":
        if pif["ipv6_configuration_mode"] == "None":
            raise Failure("PIF_HAS_NO_V6_NETWORK_CONFIGURATION", pif.ref)
    elif pif["ip_configuration_mode"] == "None":
        raise Failure("PIF_HAS_NO_NETWORK_CONFIGURATION", pif.ref)


def move(call: Call, pif: Record) -> None:
    """From now on the PIF's host is managed through it. The lab's hosts go on answering at their old address."""
    for other in call.db.where("PIF", host=pif["host"]):
        call.db.set("PIF", other.ref, management=other.ref == pif.ref)
    call.db.set("PIF", pif.ref, currently_attached=True)


@implements("host.management_reconfigure")
def management_reconfigure(call: Call, pif: str) -> None:
    record = call.db.get("PIF", pif)
    membership.require_reachable(call.world, record["host"])
    if record["managed"]:
        require_manageable(record)
    move(call, record)


@implements("host.local_management_reconfigure")
def local_management_reconfigure(call: Call, interface: str) -> None:
    """For members that have lost their coordinator only."""
    if not membership.is_cut_off(call.world, call.here):
        raise Failure("POOL_NOT_IN_EMERGENCY_MODE")


@implements("host.management_disable")
def management_disable(call: Call) -> None:
    """No interface is the management interface any more. The lab's hosts go on answering all the same."""
    if membership.is_member(call.world, call.here):
        raise Failure("SLAVE_REQUIRES_MANAGEMENT_IFACE")
    for pif in call.db.where("PIF", host=call.here):
        call.db.set("PIF", pif.ref, management=False)


@implements("pool.management_reconfigure")
def pool_management_reconfigure(call: Call, network: str) -> None:
    """Manage all hosts through a network. Raises PIF_NOT_PRESENT for a host that has no link into it."""
    call.db.get("network", network)
    links = []
    for host in membership.hosts_of(call.world):
        found = [pif for pif in call.db.where("PIF", host=host) if pif["network"] == network]
        if not found:
            raise Failure("PIF_NOT_PRESENT", host, network)
        require_manageable(found[0])
        links.append(found[0])
    for pif in links:
        move(call, pif)
