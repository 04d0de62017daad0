# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""auth: questions to an external directory, and joining one; the lab's hosts never belong to one."""

from __future__ import annotations

from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.world import Call

#: What XAPI can authenticate against.
KINDS = ("AD", "PAM")


@implements("auth.get_subject_identifier")
def get_subject_identifier(call: Call, name: str) -> str:
    raise Failure("AUTH_IS_DISABLED")


@implements("auth.get_subject_information_from_identifier")
def get_subject_information_from_identifier(call: Call, identifier: str) -> dict[str, str]:
    raise Failure("AUTH_IS_DISABLED")


@implements("auth.get_group_membership")
def get_group_membership(call: Call, identifier: str) -> list[str]:
    raise Failure("AUTH_IS_DISABLED")


@implements("host.enable_external_auth")
def enable_on_host(call: Call, host: str, config: dict[str, str], service_name: str, kind: str) -> None:
    membership.require_reachable(call.world, host)
    if kind not in KINDS:
        raise Failure("AUTH_UNKNOWN_TYPE", kind)
    raise Failure("AUTH_ENABLE_FAILED", f"{service_name}: there is no such directory")


@implements("pool.enable_external_auth")
def enable_in_pool(call: Call, pool: str, config: dict[str, str], service_name: str, kind: str) -> None:
    call.db.get("pool", pool)
    try:
        enable_on_host(call, call.world.coordinator, config, service_name, kind)
    except Failure as failure:
        if failure.code == "AUTH_UNKNOWN_TYPE":
            raise
        raise Failure("POOL_AUTH_ENABLE_FAILED", call.world.coordinator, *failure.description[1:]) from failure


@implements("host.disable_external_auth")
def disable_on_host(call: Call, host: str, config: dict[str, str], force: bool = True) -> None:
    """Nothing to leave."""
    membership.require_reachable(call.world, host)


@implements("pool.disable_external_auth")
def disable_in_pool(call: Call, pool: str, config: dict[str, str]) -> None:
    call.db.get("pool", pool)


@implements("pool.detect_nonhomogeneous_external_auth")
def detect_differences(call: Call, pool: str) -> None:
    """All hosts are alike: none has any external authentication."""
    call.db.get("pool", pool)
