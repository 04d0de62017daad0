# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The many small calls of hosts and pools: what they answer, and what they refuse."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .conftest import Client

DEAD = "OpaqueRef:00000000-0000-0000-0000-00000000dead"
NULL = "OpaqueRef:NULL"

REFUSED: list[tuple[str, list[Any], list[str]]] = [
    ("host.list_methods", [], ["NOT_IMPLEMENTED", "list_method"]),
    ("host.dmesg_clear", ["$host"], ["NOT_IMPLEMENTED", "dmesg_clear"]),
    ("host.get_log", ["$host"], ["NOT_IMPLEMENTED", "get_log"]),
    ("host.get_log", [DEAD], ["HOST_OFFLINE", DEAD]),
    ("host.call_plugin", ["$host", "none", "main", {}], ["XENAPI_MISSING_PLUGIN", "none"]),
    ("host.call_extension", ["$host", '{"method": "none", "params": []}'], ["MESSAGE_METHOD_UNKNOWN", "none"]),
    ("host.has_extension", [DEAD, "none"], ["HOST_OFFLINE", DEAD]),
    ("host.sync_data", [DEAD], ["HANDLE_INVALID", "host", DEAD]),
    ("host.get_management_interface", [DEAD], ["INTERNAL_ERROR", "Not_found"]),
    ("host.set_hostname_live", ["$host", ""], ["HOST_NAME_INVALID", "hostname empty"]),
    ("host.set_hostname_live", ["$host", "a" * 256], ["HOST_NAME_INVALID", "hostname is too long"]),
    ("host.set_hostname_live", ["$host", "-a"], ["HOST_NAME_INVALID", "hostname contains invalid characters"]),
    ("host.set_hostname_live", ["$host", "a_b"], ["HOST_NAME_INVALID", "hostname contains invalid characters"]),
    ("host.set_iscsi_iqn", ["$host", ""], ["INVALID_VALUE", "value", ""]),
    ("host.license_add", ["$host", "?"], ["LICENSE_PROCESSING_ERROR"]),
    ("host.apply_edition", ["$host", "none"], ["INVALID_EDITION", "none"]),
    ("host.local_management_reconfigure", ["eth0"], ["POOL_NOT_IN_EMERGENCY_MODE"]),
    ("host.management_reconfigure", [DEAD], ["HANDLE_INVALID", "PIF", DEAD]),
    ("host.emergency_ha_disable", [], ["HA_NOT_ENABLED"]),
    ("host.shutdown", ["$host"], ["HOST_NOT_DISABLED"]),
    ("host.reboot", ["$host"], ["HOST_NOT_DISABLED"]),
    ("host.power_on", ["$host"], ["HOST_IS_LIVE", "$host"]),
    ("host.destroy", ["$host"], ["HOST_IS_LIVE", "$host"]),
    ("host.declare_dead", ["$host"], ["HOST_IS_LIVE", "$host"]),
    ("host.enable_local_storage_caching", ["$host", "$sr"], ["HOST_NOT_DISABLED"]),
    ("host.retrieve_wlb_evacuate_recommendations", ["$host"], ["WLB_NOT_INITIALIZED"]),
    ("pool.enable_local_storage_caching", ["$pool"], ["HOSTS_FAILED_TO_ENABLE_CACHING", "$host"]),
    ("pool.management_reconfigure", [DEAD], ["HANDLE_INVALID", "network", DEAD]),
    ("pool.add_to_guest_agent_config", ["$pool", "auto_update_enabled", "yes"],
     ["INVALID_VALUE", "guest_agent_config", "auto_update_enabled = yes"]),
    ("pool.add_to_guest_agent_config", ["$pool", "auto_update_url", "ftp://x"],
     ["INVALID_VALUE", "guest_agent_config", "auto_update_url = ftp://x"]),
    ("pool.set_ext_auth_cache_size", ["$pool", "-1"], ["INVALID_VALUE", "size", "-1"]),
    ("pool.set_ext_auth_cache_expiry", ["$pool", "0"], ["INVALID_VALUE", "expiry", "0"]),
    ("pool.configure_update_sync", ["$pool", "weekly", "7"], ["INVALID_UPDATE_SYNC_DAY", "7"]),
    ("pool.configure_update_sync", ["$pool", "daily", "1"], ["INVALID_UPDATE_SYNC_DAY", "1"]),
    ("pool.set_update_sync_enabled", ["$pool", True], ["NO_REPOSITORIES_CONFIGURED"]),
    ("pool.sync_updates", ["$pool", False, "", ""], ["NO_REPOSITORY_ENABLED"]),
    ("pool.configure_repository_proxy", ["$pool", "proxy", "", ""], ["INVALID_REPOSITORY_PROXY_URL", "proxy"]),
    ("pool.configure_repository_proxy", ["$pool", "http://proxy", "user", ""], ["INVALID_REPOSITORY_PROXY_CREDENTIAL"]),
    ("pool.set_vswitch_controller", ["x"], ["INVALID_IP_ADDRESS_SPECIFIED", "address"]),
    ("pool.certificate_uninstall", ["none"], ["CERTIFICATE_DOES_NOT_EXIST", "none"]),
    ("pool.certificate_install", ["../none", ""], ["CERTIFICATE_NAME_INVALID", "../none"]),
    ("pool.crl_uninstall", ["none"], ["CRL_DOES_NOT_EXIST", "none"]),
    ("pool.join", ["127.9.9.9", "root", "x"], ["JOINING_HOST_SERVICE_FAILED"]),
    ("host.query_data_source", [DEAD, "loadavg"], ["HOST_OFFLINE", DEAD]),
    ("pool.send_wlb_configuration", [{}], ["WLB_NOT_INITIALIZED"]),
    ("pool.apply_edition", ["$pool", "none"], ["INVALID_EDITION", "none"]),
]  # fmt: skip

ANSWERED: list[tuple[str, list[Any], Any]] = [
    ("host.get_uncooperative_resident_VMs", ["$host"], []),
    ("host.has_extension", ["$host", "none"], False),
    ("host.dmesg", ["$host"], ""),
    ("host.get_sched_gran", ["$host"], "cpu"),
    ("host.enable_display", ["$host"], "enabled"),
    ("pool.get_license_state", ["$pool"], {"edition": "xcp-ng", "expiry": "never"}),
    ("pool.ha_failover_plan_exists", ["0"], True),
    ("pool.ha_compute_max_host_failures_to_tolerate", [], "0"),
    ("pool.certificate_list", [], []),
    ("pool.check_update_readiness", ["$pool", False], []),
    ("pool.recover_slaves", [], []),
    ("pool.is_slave", ["$host"], False),
]


def bound(client: Client, arguments: list[Any]) -> list[Any]:
    names = {"$host": client.host, "$pool": client.pool, "$sr": client.sr}
    return [names.get(argument, argument) if isinstance(argument, str) else argument for argument in arguments]


@pytest.mark.parametrize(("name", "arguments", "error"), REFUSED, ids=[f"{row[0]}-{row[2][0]}" for row in REFUSED])
def test_refused(client: Client, name: str, arguments: list[Any], error: list[str]) -> None:
    assert client.error(_call(client, name), *bound(client, arguments)) == bound(client, error)


@pytest.mark.parametrize(("name", "arguments", "answer"), ANSWERED, ids=[row[0] for row in ANSWERED])
def test_answered(client: Client, name: str, arguments: list[Any], answer: Any) -> None:
    found = _call(client, name)(*bound(client, arguments))
    assert str(found) == answer if isinstance(answer, str) else found == answer


def _call(client: Client, name: str) -> Any:
    cls, method = name.split(".")
    return getattr(getattr(client.xapi, cls), method)


def test_a_hosts_name_is_its_control_domains(client: Client) -> None:
    old = client.xapi.host.get_hostname(client.host)
    client.xapi.host.set_hostname_live(client.host, "other.example")
    try:
        assert client.xapi.host.get_hostname(client.host) == "other.example"
        domain = client.xapi.host.get_control_domain(client.host)
        assert client.xapi.VM.get_name_label(domain) == "Control domain on host: other.example"
    finally:
        client.xapi.host.set_hostname_live(client.host, old)


def test_what_is_measured_of_a_host(client: Client) -> None:
    found = {source["name_label"]: source for source in client.xapi.host.get_data_sources(client.host)}
    assert {"memory_total_kib", "memory_free_kib", "cpu0", "loadavg"} <= set(found)
    assert client.xapi.host.query_data_source(client.host, "memory_total_kib") == 16 * 1024**2


def test_settings_that_live_in_two_places(client: Client) -> None:
    client.xapi.host.set_multipathing(client.host, True)
    client.xapi.host.set_iscsi_iqn(client.host, "iqn.2026-01.example:lab")
    config = client.xapi.host.get_other_config(client.host)
    assert (config["multipathing"], config["iscsi_iqn"]) == ("true", "iqn.2026-01.example:lab")
    assert client.xapi.host.get_multipathing(client.host) is True
    assert client.xapi.host.get_iscsi_iqn(client.host) == "iqn.2026-01.example:lab"
    client.xapi.host.set_multipathing(client.host, False)


def test_the_display_changes_at_the_next_start(client: Client) -> None:
    assert client.xapi.host.disable_display(client.host) == "disable_on_reboot"
    assert client.xapi.host.disable_display(client.host) == "disable_on_reboot"
    assert client.xapi.host.enable_display(client.host) == "enabled"


def test_caching_on_a_disabled_host(client: Client) -> None:
    client.xapi.host.disable(client.host)
    (shared,) = client.xapi.SR.get_by_name_label("Shared storage")
    (local,) = client.xapi.SR.get_by_name_label("Local storage")
    try:
        refused = client.error(client.xapi.host.enable_local_storage_caching, client.host, shared)
        assert refused == ["SR_OPERATION_NOT_SUPPORTED"]
        client.xapi.pool.enable_local_storage_caching(client.pool)
        assert client.xapi.host.get_local_cache_sr(client.host) == local
        assert client.xapi.SR.get_local_cache_enabled(local) is True
        client.xapi.host.disable_local_storage_caching(client.host)
        assert client.xapi.host.get_local_cache_sr(client.host) == NULL
        assert client.xapi.SR.get_local_cache_enabled(local) is False
    finally:
        client.xapi.host.enable(client.host)


def test_the_proxys_password_is_a_secret(client: Client) -> None:
    client.xapi.pool.configure_repository_proxy(client.pool, "http://proxy:3128", "user", "hidden")
    secret = client.xapi.pool.get_repository_proxy_password(client.pool)
    assert client.xapi.secret.get_value(secret) == "hidden"
    client.xapi.pool.disable_repository_proxy(client.pool)
    assert client.xapi.pool.get_repository_proxy_url(client.pool) == ""
    assert client.error(client.xapi.secret.get_value, secret) == ["HANDLE_INVALID", "secret", secret]


def test_what_a_pool_allows(client: Client) -> None:
    allowed = client.xapi.pool.get_allowed_operations(client.pool)
    assert {"ha_enable", "designate_new_master", "eject"} <= set(allowed)
    assert "ha_disable" not in allowed


def test_the_management_interface_stays_where_it_is(client: Client) -> None:
    pif = client.xapi.host.get_management_interface(client.host)
    client.xapi.host.management_reconfigure(pif)
    client.xapi.pool.management_reconfigure(client.network)
    assert client.xapi.host.get_management_interface(client.host) == pif


def test_a_control_domain_has_a_screen_and_a_terminal(client: Client) -> None:
    domain = client.xapi.host.get_control_domain(client.host)
    consoles = [client.xapi.console.get_record(ref) for ref in client.xapi.VM.get_consoles(domain)]
    assert sorted(console["protocol"] for console in consoles) == ["rfb", "vt100"]
    address = client.xapi.host.get_address(client.host)
    assert {console["location"] for console in consoles} == {f"https://{address}/console?ref={domain}"}
    assert client.xapi.VM.get_affinity(domain) == client.host


def test_legacy_protocols_stay_off(client: Client) -> None:
    client.xapi.pool.disable_ssl_legacy(client.pool)
    assert client.xapi.host.get_ssl_legacy(client.host) is False


def test_a_host_tells_when_it_was_started(client: Client) -> None:
    config = client.xapi.host.get_other_config(client.host)
    for key in ("boot_time", "agent_start_time"):
        assert 0 < float(config[key]) <= time.time() + 1


@pytest.mark.parametrize(
    ("call", "parameters"),
    [("enable_external_auth", ({}, "service", "AD")), ("disable_external_auth", ({},))],
)
def test_external_authentication_is_the_hosts_own_matter(client: Client, call: str, parameters: tuple[Any]) -> None:
    host = "OpaqueRef:00000000-0000-0000-0000-00000000dead"
    assert client.error(getattr(client.xapi.host, call), host, *parameters) == ["HOST_OFFLINE", host]
