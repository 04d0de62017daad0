# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks of a fresh host pool: one that reaches the outside on every host, one that no host has a link to."""

from __future__ import annotations

import ipaddress

from lab.world import World, now

#: QEMU's own user-mode network, in the words that XenServer has for its host-internal network.
MANAGEMENT_RANGE = {"ip_begin": "10.0.2.15", "ip_end": "10.0.2.254", "netmask": "255.255.255.0"}
GATEWAY = {"gateway": "10.0.2.2", "nameserver": "10.0.2.3"}


def management(world: World) -> str:
    config = {**MANAGEMENT_RANGE, **GATEWAY}
    fields = {"name_label": "Management", "bridge": "xenbr0", "other_config": config}
    return world.database.create("network", fields)


def internal(world: World) -> str:
    return world.database.create("network", {"name_label": "Internal", "bridge": "xapi1", "other_config": {}})


def link(world: World, host: str, network: str) -> str:
    """The host's link into the management network, which has the host's address."""
    address = world.database.get("host", host)["address"]
    metrics = world.database.create("PIF_metrics", {"carrier": True, "last_updated": now()})
    return world.database.create(
        "PIF",
        {
            "device": "eth0", "network": network, "host": host, "MAC": _mac(address), "MTU": 1500, "VLAN": -1,
            "metrics": metrics, "physical": True, "currently_attached": True, "ip_configuration_mode": "Static",
            "IP": address, "netmask": "255.0.0.0", "management": True, "managed": True,
        },
    )  # fmt: skip


def _mac(address: str) -> str:
    """One that no other host has: it ends in the address."""
    return "02:00:" + ipaddress.ip_address(address).packed.hex(":")
