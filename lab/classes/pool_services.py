# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: what it allows; its licence; what all its hosts do alike; certificates, of which the lab takes none."""

from __future__ import annotations

import re
from typing import Any

from lab import inner
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import Handler, implements
from lab.world import Call, World

#: Calls that find nothing to do in the lab's pools.
IDLE = (
    "pool.enable_binary_storage", "pool.disable_binary_storage", "pool.external_auth_set_ldaps",
)  # fmt: skip
#: Calls that are the same call of each host.
EVERYWHERE = (
    "set_https_only", "set_ssh_enabled_timeout", "set_console_idle_timeout", "set_ssh_auto_mode", "enable_ssh",
    "disable_ssh",
)  # fmt: skip
SAFE_NAME = re.compile("[A-Za-z0-9_-][A-Za-z0-9._-]*")


def allowed_operations(world: World, pool: str) -> list[str]:
    """All that the data model knows, but turning off what is not on, as long as none of them is under way."""
    if world.database.get("pool", pool)["current_operations"]:
        return []
    kind = world.schema.classes["pool"].fields["allowed_operations"].type.item
    words = kind.words.values() if kind and kind.words else []
    return [word for word in words if word != "ha_disable"]


@implements(*IDLE)
def nothing_to_do(call: Call, *rest: object) -> None:
    """Succeeds."""


@implements("pool.get_license_state")
def get_license_state(call: Call, pool: str) -> dict[str, str]:
    call.db.get("pool", pool)
    return {"edition": "xcp-ng", "expiry": "never"}


@implements("pool.set_igmp_snooping_enabled")
def set_igmp_snooping_enabled(call: Call, pool: str, value: bool) -> None:
    call.db.set("pool", pool, igmp_snooping_enabled=value)


@implements("pool.apply_edition")
async def apply_edition(call: Call, pool: str, edition: str) -> None:
    call.db.get("pool", pool)
    for host in membership.hosts_of(call.world):
        await inner.call(call, "host.apply_edition", host, edition, False)


@implements("pool.has_extension")
async def has_extension(call: Call, pool: str, name: str) -> bool:
    """Whether every host has it."""
    answers = [await inner.call(call, "host.has_extension", host, name) for host in membership.hosts_of(call.world)]
    return all(answers)


@implements("pool.set_ha_host_failures_to_tolerate")
def set_ha_host_failures_to_tolerate(call: Call, pool: str, value: int) -> None:
    call.db.get("pool", pool)
    if value < 0:
        raise Failure("INVALID_VALUE", "ha_host_failures_to_tolerate", value)
    call.db.set("pool", pool, ha_host_failures_to_tolerate=value)


# ---- what every host does


def _everywhere(name: str) -> Handler:
    async def do(call: Call, pool: str, *arguments: Any) -> None:
        call.db.get("pool", pool)
        for host in membership.hosts_of(call.world):
            await inner.call(call, f"host.{name}", host, *arguments)

    return do


for _name in EVERYWHERE:
    implements(f"pool.{_name}")(_everywhere(_name))


def _caching(name: str, code: str) -> Handler:
    async def change(call: Call, pool: str) -> None:
        call.db.get("pool", pool)
        failed = [host for host in membership.hosts_of(call.world) if not await _change_caching(call, name, host)]
        if failed:
            raise Failure(code, *failed)

    return change


async def _change_caching(call: Call, name: str, host: str) -> bool:
    """Whether the host did it, with any of its own repositories where one is needed."""
    links = [call.db.get("PBD", pbd) for pbd in call.db.get("host", host)["PBDs"]]
    choices = [[host, link["SR"]] for link in links] if name.startswith("enable") else [[host]]
    for arguments in choices:
        try:
            await inner.call(call, f"host.{name}", *arguments)
        except Failure:
            continue
        return True
    return False


for _name, _code in (
    ("enable_local_storage_caching", "HOSTS_FAILED_TO_ENABLE_CACHING"),
    ("disable_local_storage_caching", "HOSTS_FAILED_TO_DISABLE_CACHING"),
):
    implements(f"pool.{_name}")(_caching(_name, _code))


# ---- certificates


def _require_name(name: str, code: str) -> None:
    if not SAFE_NAME.fullmatch(name):
        raise Failure(code, name)


@implements("pool.certificate_install", "pool.install_ca_certificate")
def install_certificate(call: Call, name: str, certificate: str) -> None:
    """The lab takes no certificates of others."""
    _require_name(name, "CERTIFICATE_NAME_INVALID")
    if "BEGIN CERTIFICATE" not in certificate:
        raise Failure("CERTIFICATE_CORRUPT", name)
    raise internal("the lab installs no certificates")


@implements("pool.crl_install")
def install_crl(call: Call, name: str, crl: str) -> None:
    """The lab takes no lists of others."""
    _require_name(name, "CRL_NAME_INVALID")
    if "BEGIN X509 CRL" not in crl:
        raise Failure("CRL_CORRUPT", name)
    raise internal("the lab installs no revocation lists")
