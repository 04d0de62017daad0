# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: what it has in store for its guests: their agents' settings, the firmware's certificates."""

from __future__ import annotations

from lab import generated
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call

DEPRECATED = "To set UEFI certificates use: `Pool.set_custom_uefi_certificates`"
NOT_CUSTOM = "Setting UEFI certificates is not possible when allow_custom_uefi_certs is false"


@implements("pool.add_to_guest_agent_config")
def add_to_guest_agent_config(call: Call, pool: str, key: str, value: str) -> None:
    """Two keys have a meaning: `auto_update_enabled`, true or false, and `auto_update_url`, of a web server."""
    valid = {
        "auto_update_enabled": value in ("true", "false"),
        "auto_update_url": value.startswith(("http:", "https:")),
    }
    call.db.get("pool", pool)
    if not valid.get(key):
        raise Failure("INVALID_VALUE", "guest_agent_config", f"{key} = {value}")
    generated.add_key(call, "pool", pool, "guest_agent_config", key, value)


@implements("pool.remove_from_guest_agent_config")
def remove_from_guest_agent_config(call: Call, pool: str, key: str) -> None:
    call.db.drop("pool", pool, "guest_agent_config", key)


@implements("pool.set_uefi_certificates")
def set_uefi_certificates(call: Call, pool: str, value: str) -> None:
    raise Failure("OPERATION_NOT_ALLOWED", DEPRECATED)


@implements("pool.set_custom_uefi_certificates")
def set_custom_uefi_certificates(call: Call, pool: str, value: str) -> None:
    """Hosts take them only when they are set up so; the lab's are not."""
    raise Failure("OPERATION_NOT_ALLOWED", NOT_CUSTOM)


@implements("pool.get_guest_secureboot_readiness")
def get_guest_secureboot_readiness(call: Call, pool: str) -> str:
    """Without certificates no guest could boot securely."""
    call.db.get("pool", pool)
    return "not_ready"
