# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the pool: what is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Client

Call = Callable[[Client], object]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("local_auth_max_threads", "3"), ("ext_auth_max_threads", "2"), ("ext_auth_cache_enabled", False),
        ("ext_auth_cache_size", "7"), ("ext_auth_cache_expiry", "30"),
    ],
)  # fmt: skip
def test_setting_is_kept(client: Client, name: str, value: Any) -> None:
    pool: Any = client.xapi.pool
    before = getattr(pool, f"get_{name}")(client.pool)
    getattr(pool, f"set_{name}")(client.pool, value)
    assert str(getattr(pool, f"get_{name}")(client.pool)) == str(value)
    if before:
        getattr(pool, f"set_{name}")(client.pool, before)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda c: c.xapi.pool.set_ext_auth_cache_size(c.pool, "0"), ["INVALID_VALUE", "size", "0"]),
        (lambda c: c.xapi.pool.set_ext_auth_cache_expiry(c.pool, "-1"), ["INVALID_VALUE", "expiry", "-1"]),
        (lambda c: c.xapi.pool.configure_update_sync(c.pool, "daily", "1"), ["INVALID_UPDATE_SYNC_DAY", "1"]),
        (lambda c: c.xapi.pool.configure_update_sync(c.pool, "weekly", "7"), ["INVALID_UPDATE_SYNC_DAY", "7"]),
        (lambda c: c.xapi.pool.set_update_sync_enabled(c.pool, True), ["NO_REPOSITORIES_CONFIGURED"]),
        (lambda c: c.xapi.pool.configure_repository_proxy(c.pool, "x", "", ""), ["INVALID_REPOSITORY_PROXY_URL", "x"]),
        (
            lambda c: c.xapi.pool.configure_repository_proxy(c.pool, "http://proxy:3128", "user", ""),
            ["INVALID_REPOSITORY_PROXY_CREDENTIAL"],
        ),
        (
            lambda c: c.xapi.pool.set_custom_uefi_certificates(c.pool, "x"),
            [
                "OPERATION_NOT_ALLOWED",
                "Setting UEFI certificates is not possible when allow_custom_uefi_certs is false",
            ],
        ),
        (lambda c: c.xapi.pool.set_vswitch_controller("nope"), ["INVALID_IP_ADDRESS_SPECIFIED", "address"]),
        (lambda c: c.xapi.pool.certificate_uninstall("x"), ["CERTIFICATE_DOES_NOT_EXIST", "x"]),
        (lambda c: c.xapi.pool.crl_uninstall("x"), ["CRL_DOES_NOT_EXIST", "x"]),
        (lambda c: c.xapi.pool.enable_ha([c.sr], {}), ["CANNOT_CREATE_STATE_FILE"]),
        (lambda c: c.xapi.pool.ha_prevent_restarts_for("1"), ["HA_NOT_ENABLED"]),
        (lambda c: c.xapi.pool.send_wlb_configuration({}), ["WLB_NOT_INITIALIZED"]),
    ],
)
def test_pool_refuses(client: Client, what: Call, expected: list[str]) -> None:
    assert client.error(what, client) == expected


def test_password_of_the_proxy_becomes_a_secret_and_goes_with_it(client: Client) -> None:
    client.xapi.pool.configure_repository_proxy(client.pool, "http://proxy:3128", "user", "hush")
    secret = client.xapi.pool.get_repository_proxy_password(client.pool)
    assert client.xapi.secret.get_value(secret) == "hush"
    client.xapi.pool.disable_repository_proxy(client.pool)
    assert client.xapi.pool.get_repository_proxy_url(client.pool) == ""
    assert client.error(client.xapi.secret.get_value, secret) == ["HANDLE_INVALID", "secret", secret]


def test_telemetry_is_not_put_off_for_ever(client: Client) -> None:
    client.xapi.pool.set_telemetry_next_collection(client.pool, "20000101T00:00:00Z")
    error = client.error(client.xapi.pool.set_telemetry_next_collection, client.pool, "20990101T00:00:00Z")
    assert error[0] == "TELEMETRY_NEXT_COLLECTION_TOO_LATE"


def test_one_host_may_not_fail(client: Client) -> None:
    assert int(client.xapi.pool.ha_compute_max_host_failures_to_tolerate()) == 0
    assert client.xapi.pool.ha_failover_plan_exists("3")
