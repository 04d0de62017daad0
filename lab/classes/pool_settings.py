# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: settings that the whole pool shares, with the limits that XAPI has for them."""

from __future__ import annotations

import uuid as uuids
from typing import Any
from urllib.parse import urlsplit

from lab.classes import pif_rules
from lab.errors import Failure
from lab.registry import Handler, implements
from lab.values import NULL, format_time
from lab.world import Call, now

#: Telemetry must not be put off for longer (seconds).
LATEST_TELEMETRY = 90 * 86400
#: update_sync_frequency -> the days it goes with.
SYNC_DAYS = {"daily": range(1), "weekly": range(7)}


def _setter(name: str) -> Handler:
    def set_value(call: Call, pool: str, value: Any) -> None:
        call.db.set("pool", pool, **{name: value})

    return set_value


for _name in (
    "local_auth_max_threads", "ext_auth_max_threads", "ext_auth_cache_enabled", "repositories",
):  # fmt: skip
    implements(f"pool.set_{_name}")(_setter(_name))


def _positive(field: str, word: str) -> Handler:
    def set_value(call: Call, pool: str, value: int) -> None:
        call.db.get("pool", pool)
        if value <= 0:
            raise Failure("INVALID_VALUE", word, value)
        call.db.set("pool", pool, **{field: value})

    return set_value


implements("pool.set_ext_auth_cache_size")(_positive("ext_auth_cache_size", "size"))
implements("pool.set_ext_auth_cache_expiry")(_positive("ext_auth_cache_expiry", "expiry"))


@implements("pool.set_vswitch_controller")
def set_vswitch_controller(call: Call, address: str) -> None:
    if address == call.db.get("pool", call.world.pool)["vswitch_controller"]:
        return
    if address:
        pif_rules.require_address("ipv4", "address", address)
    call.db.set("pool", call.world.pool, vswitch_controller=address)


# ---- certificates


@implements("pool.enable_tls_verification")
def enable_tls_verification(call: Call) -> None:
    call.db.set("pool", call.world.pool, tls_verification_enabled=True)


@implements("pool.certificate_list", "pool.crl_list")
def list_nothing(call: Call) -> list[str]:
    """Nobody can install any."""
    return []


@implements("pool.certificate_uninstall", "pool.uninstall_ca_certificate")
def uninstall_certificate(call: Call, name: str, force: bool = False) -> None:
    if not force:
        raise Failure("CERTIFICATE_DOES_NOT_EXIST", name)


@implements("pool.crl_uninstall")
def uninstall_revocations(call: Call, name: str) -> None:
    raise Failure("CRL_DOES_NOT_EXIST", name)


@implements("pool.certificate_sync", "pool.rotate_secret")
def nothing_to_share(call: Call) -> None:
    """The lab's hosts trust one another as it is."""


@implements("pool.enable_client_certificate_auth")
def enable_client_certificates(call: Call, pool: str, name: str) -> None:
    call.db.set("pool", pool, client_certificate_auth_enabled=True, client_certificate_auth_name=name)


@implements("pool.disable_client_certificate_auth")
def disable_client_certificates(call: Call, pool: str) -> None:
    call.db.set("pool", pool, client_certificate_auth_enabled=False, client_certificate_auth_name="")


# ---- updates and telemetry


@implements("pool.add_repository")
def add_repository(call: Call, pool: str, repository: str) -> None:
    found = call.db.get("pool", pool)["repositories"]
    if repository not in found:
        call.db.set("pool", pool, repositories=[*found, repository])


@implements("pool.remove_repository")
def remove_repository(call: Call, pool: str, repository: str) -> None:
    found = call.db.get("pool", pool)["repositories"]
    call.db.set("pool", pool, repositories=[other for other in found if other != repository])


@implements("pool.sync_updates")
def sync_updates(call: Call, pool: str, *rest: object) -> str:
    call.db.get("pool", pool)
    raise Failure("NO_REPOSITORY_ENABLED")


@implements("pool.check_update_readiness")
def check_update_readiness(call: Call, pool: str, requires_reboot: bool) -> list[list[str]]:
    """Nothing stands in the way."""
    call.db.get("pool", pool)
    return []


@implements("pool.configure_repository_proxy")
def configure_proxy(call: Call, pool: str, url: str, user: str, password: str) -> None:
    """The password becomes a secret."""
    call.db.get("pool", pool)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure("INVALID_REPOSITORY_PROXY_URL", url)
    if bool(user) != bool(password):
        raise Failure("INVALID_REPOSITORY_PROXY_CREDENTIAL")
    disable_proxy(call, pool)
    secret = call.db.create("secret", {"value": password}) if password else NULL
    call.db.set(
        "pool", pool, repository_proxy_url=url, repository_proxy_username=user, repository_proxy_password=secret
    )


@implements("pool.disable_repository_proxy")
def disable_proxy(call: Call, pool: str) -> None:
    secret = call.db.get("pool", pool)["repository_proxy_password"]
    if call.db.exists("secret", secret):
        call.db.delete("secret", secret)
    call.db.set("pool", pool, repository_proxy_url="", repository_proxy_username="", repository_proxy_password=NULL)


@implements("pool.configure_update_sync")
def configure_update_sync(call: Call, pool: str, frequency: str, day: int) -> None:
    call.db.get("pool", pool)
    if day not in SYNC_DAYS[frequency]:
        raise Failure("INVALID_UPDATE_SYNC_DAY", day)
    call.db.set("pool", pool, update_sync_frequency=frequency, update_sync_day=day)


@implements("pool.set_update_sync_enabled")
def set_update_sync_enabled(call: Call, pool: str, value: bool) -> None:
    if value and not call.db.get("pool", pool)["repositories"]:
        raise Failure("NO_REPOSITORIES_CONFIGURED")
    call.db.set("pool", pool, update_sync_enabled=value)


@implements("pool.set_telemetry_next_collection")
def set_telemetry_next_collection(call: Call, pool: str, value: float) -> None:
    call.db.get("pool", pool)
    latest = now() + LATEST_TELEMETRY
    if value > latest:
        raise Failure("TELEMETRY_NEXT_COLLECTION_TOO_LATE", format_time(latest))
    call.db.set("pool", pool, telemetry_next_collection=value)


@implements("pool.reset_telemetry_uuid")
def reset_telemetry_uuid(call: Call, pool: str) -> None:
    """The uuid is kept in a secret."""
    old = call.db.get("pool", pool)["telemetry_uuid"]
    if call.db.exists("secret", old):
        call.db.delete("secret", old)
    call.db.set("pool", pool, telemetry_uuid=call.db.create("secret", {"value": str(uuids.uuid4())}))
