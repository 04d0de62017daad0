# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: the pool itself."""

from __future__ import annotations

from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


@implements("pool.get_license_state")
def get_license_state(call: Call, pool: str) -> dict[str, str]:
    call.db.get("pool", pool)
    return {"edition": "xcp-ng", "expiry": "never"}


@implements("pool.has_extension")
def has_extension(call: Call, pool: str, name: str) -> bool:
    call.db.get("pool", pool)
    return False


@implements("pool.set_igmp_snooping_enabled")
def set_igmp_snooping_enabled(call: Call, pool: str, value: bool) -> None:
    call.db.set("pool", pool, igmp_snooping_enabled=value)


@implements("pool.set_ha_host_failures_to_tolerate")
def set_ha_host_failures_to_tolerate(call: Call, pool: str, value: int) -> None:
    call.db.get("pool", pool)
    if value < 0:
        raise Failure("INVALID_VALUE", "ha_host_failures_to_tolerate", value)
    call.db.set("pool", pool, ha_host_failures_to_tolerate=value)


@implements("pool.add_to_guest_agent_config")
def add_to_guest_agent_config(call: Call, pool: str, key: str, value: str) -> None:
    call.db.get("pool", pool)
    raise Failure("INVALID_VALUE", "guest_agent_config", f"{key} = {value}")


@implements("pool.remove_from_guest_agent_config")
def remove_from_guest_agent_config(call: Call, pool: str, key: str) -> None:
    call.db.drop("pool", pool, "guest_agent_config", key)
