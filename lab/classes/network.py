# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""network: what VIFs and PIFs hang on."""

from __future__ import annotations

from typing import Any

from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("network.create")
def create(call: Call, record: dict[str, Any]) -> str:
    bridges = {network["bridge"] for network in call.db.all("network")}
    if record["bridge"] in bridges - {""}:
        raise Failure("BRIDGE_NAME_EXISTS", record["bridge"])
    number = next(number for number in range(len(bridges) + 1) if f"xapi{number}" not in bridges)
    return call.db.create("network", {**record, "bridge": record["bridge"] or f"xapi{number}"})


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
