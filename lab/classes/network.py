# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network: what VIFs and PIFs hang on."""

from __future__ import annotations

import re
from typing import Any

from lab.errors import Failure
from lab.registry import implements
from lab.world import Call

RESERVED_BRIDGE = re.compile(r"xenbr|xapi")
#: What Linux allows for the name of an interface.
LONGEST_BRIDGE = 15
DEFAULT_MTU = 1500


@implements("network.create")
def create(call: Call, record: dict[str, Any]) -> str:
    """A bridge of one's own choosing must not look like one of XAPI's, nor be longer than Linux allows."""
    bridges = {network["bridge"] for network in call.db.all("network")}
    bridge = record["bridge"]
    if bridge and (RESERVED_BRIDGE.match(bridge) or len(bridge) > LONGEST_BRIDGE):
        raise Failure("INVALID_VALUE", "bridge", bridge)
    if bridge in bridges - {""}:
        raise Failure("BRIDGE_NAME_EXISTS", bridge)
    number = next(number for number in range(len(bridges) + 1) if f"xapi{number}" not in bridges)
    mtu = record["MTU"] if record["MTU"] > 0 else DEFAULT_MTU
    return call.db.create("network", {**record, "MTU": mtu, "bridge": bridge or f"xapi{number}"})


@implements("network.destroy")
def destroy(call: Call, network: str) -> None:
    record = call.db.get("network", network)
    attached = [vif for vif in record["VIFs"] if call.db.get("VIF", vif)["currently_attached"]]
    if attached:
        raise Failure("NETWORK_CONTAINS_VIF", *attached)
    if record["PIFs"]:
        raise Failure("NETWORK_CONTAINS_PIF", *record["PIFs"])
    for vif in record["VIFs"]:
        call.db.delete("VIF", vif)
    call.db.delete("network", network)


@implements("network.attach")
def attach(call: Call, network: str, host: str) -> None:
    call.db.get("network", network)
    call.db.get("host", host)


@implements("network.detach_for_vm")
def detach_for_vm(call: Call, host: str, vm: str) -> None:
    call.db.get("host", host)


@implements("network.set_default_locking_mode")
def set_default_locking_mode(call: Call, network: str, value: str) -> None:
    call.db.set("network", network, default_locking_mode=value)


@implements("network.add_purpose")
def add_purpose(call: Call, network: str, value: str) -> None:
    purpose = call.db.get("network", network)["purpose"]
    if value not in purpose:
        call.db.set("network", network, purpose=[*purpose, value])


@implements("network.remove_purpose")
def remove_purpose(call: Call, network: str, value: str) -> None:
    purpose = call.db.get("network", network)["purpose"]
    call.db.set("network", network, purpose=[item for item in purpose if item != value])
