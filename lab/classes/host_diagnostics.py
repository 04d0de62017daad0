# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: what it tells of itself, its licence, its plug-ins; and calls that XAPI never filled."""

from __future__ import annotations

import json

from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import Handler, implements
from lab.world import Call, now

#: Calls that XAPI declares and refuses, with the name that it gives.
NEVER_FILLED = {"host.dmesg_clear": "dmesg_clear", "host.get_log": "get_log"}
#: Calls that find nothing to do on a host of the lab.
IDLE = (
    "host.backup_rrds", "host.refresh_pack_info", "host.syslog_reconfigure", "host.send_debug_keys",
    "host.apply_guest_agent_config", "host.sm_dp_destroy", "host.rescan_drivers", "host.set_ssl_legacy",
    "host.reset_server_certificate", "host.refresh_server_certificate",
)  # fmt: skip
#: Calls that answer an empty text.
SILENT = ("host.dmesg", "host.get_sm_diagnostics", "host.get_thread_diagnostics")
CAPABILITIES = '<?xml version="1.0"?><system-status-capabilities></system-status-capabilities>'


def _never_filled(name: str) -> Handler:
    def refuse(call: Call, host: str) -> None:
        membership.require_reachable(call.world, host)
        raise Failure("NOT_IMPLEMENTED", name)

    return refuse


for _call, _name in NEVER_FILLED.items():
    implements(_call)(_never_filled(_name))


@implements("host.list_methods")
def list_methods(call: Call) -> list[str]:
    raise Failure("NOT_IMPLEMENTED", "list_method")


@implements(*IDLE)
def nothing_to_do(call: Call, host: str, *rest: object) -> None:
    membership.require_reachable(call.world, host)


@implements("pool.disable_ssl_legacy")
def disable_ssl_legacy(call: Call, pool: str) -> None:
    """On every host, where it was never enabled; which pool is named does not matter."""
    for host in membership.hosts_of(call.world):
        nothing_to_do(call, host)


@implements("host.sync_data")
def sync_data(call: Call, host: str) -> None:
    call.db.get("host", host)


@implements(*SILENT)
def nothing_to_say(call: Call, host: str) -> str:
    membership.require_reachable(call.world, host)
    return ""


@implements("host.get_server_certificate")
def get_server_certificate(call: Call, host: str) -> str:
    """In PEM; empty when the lab speaks without TLS."""
    membership.require_reachable(call.world, host)
    return call.world.settings.certificate


@implements("host.get_system_status_capabilities")
def get_system_status_capabilities(call: Call, host: str) -> str:
    membership.require_reachable(call.world, host)
    return CAPABILITIES


@implements("host.get_diagnostic_timing_stats")
def get_diagnostic_timing_stats(call: Call, host: str, counts: bool = False) -> dict[str, str]:
    membership.require_reachable(call.world, host)
    return {}


@implements("host.get_uncooperative_resident_VMs", "host.get_uncooperative_domains")
def get_uncooperative(call: Call, host: str) -> list[str]:
    """Nobody is, whichever host is asked about: the calls are deprecated."""
    return []


@implements("host.get_tracked_user_agents")
def get_tracked_user_agents(call: Call, host: str) -> dict[str, str]:
    return {}


@implements("host.get_servertime", "host.get_server_localtime")
def get_servertime(call: Call, host: str) -> float:
    membership.require_reachable(call.world, host)
    return now()


@implements("host.emergency_ha_disable")
def emergency_ha_disable(call: Call, soft: bool) -> None:
    if not soft:
        raise Failure("HA_NOT_ENABLED")


@implements("host.ha_xapi_healthcheck")
def ha_xapi_healthcheck(call: Call) -> bool:
    return True


@implements("host.is_in_emergency_mode")
def is_in_emergency_mode(call: Call) -> bool:
    return membership.is_cut_off(call.world, call.here)


# ---- plug-ins


@implements("host.has_extension")
def has_extension(call: Call, host: str, name: str) -> bool:
    membership.require_reachable(call.world, host)
    return False


@implements("host.call_plugin")
def call_plugin(call: Call, host: str, plugin: str, function: str, arguments: dict[str, str]) -> str:
    membership.require_reachable(call.world, host)
    raise Failure("XENAPI_MISSING_PLUGIN", plugin)


@implements("host.call_extension")
def call_extension(call: Call, host: str, text: str) -> str:
    """The text is a call in JSON; no host of the lab has an extension that would answer it."""
    membership.require_reachable(call.world, host)
    try:
        method = json.loads(text)["method"]
    except (ValueError, KeyError, TypeError) as error:
        raise internal(f"Jsonrpc.Malformed_method_request({error})") from None
    raise Failure("MESSAGE_METHOD_UNKNOWN", method)


# ---- licence


@implements("host.license_add")
def license_add(call: Call, host: str, contents: str) -> None:
    """No text is a licence for the lab."""
    membership.require_reachable(call.world, host)
    raise Failure("LICENSE_PROCESSING_ERROR")


@implements("host.license_remove")
def license_remove(call: Call, host: str) -> None:
    membership.require_reachable(call.world, host)


@implements("host.apply_edition")
def apply_edition(call: Call, host: str, edition: str, force: bool = False) -> None:
    """There is one edition."""
    membership.require_reachable(call.world, host)
    if edition not in ("", call.db.get("host", host)["edition"]):
        raise Failure("INVALID_EDITION", edition)
