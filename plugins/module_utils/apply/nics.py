# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the NICs of an instance."""

from __future__ import annotations

import secrets

from .worksite import Worksite


def new_mac() -> str:
    """A MAC address as XAPI makes them: random, locally administered, of one station.

    Chosen here and not by XAPI, so that it is known without asking and a NIC whose answer got lost is the same NIC.
    """
    first, *others = secrets.token_bytes(6)
    return ":".join(f"{octet:02x}" for octet in (first & 0xFC | 0x02, *others))


def create_vif(site: Worksite, vm: str, device: int, network: str, mac: str) -> str:
    """Make a VIF and return its reference. Raises XapiError."""
    record = {
        "device": str(device),
        "network": network,
        "VM": vm,
        "MAC": mac,
        "MTU": "1500",
        "other_config": {},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
    }

    def look() -> str | None:
        for vif in site.read("VM.get_VIFs", vm):
            found = site.read("VIF.get_record", vif)
            if (found["device"], found["network"], found["MAC"].lower()) == (str(device), network, mac.lower()):
                return vif
        return None

    return site.settle(lambda: site.write("VIF.create", record), look)
