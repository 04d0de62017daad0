# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: settings that the host itself has to apply."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab.errors import Failure
from lab.hosts import membership
from lab.registry import Handler, implements
from lab.world import Call

#: Setters that do no more than to reach the host and write the field of their name.
PLAIN = (
    "numa_affinity_policy", "https_only", "ssh_auto_mode", "ssh_enabled_timeout", "console_idle_timeout", "max_cstate",
    "ntp_custom_servers", "ntp_mode", "timezone",
)  # fmt: skip
LONGEST_NAME = 255
#: What becomes of host.display when the display is to be on, and off, after the host's next start.
DISPLAY_ON = {"disable_on_reboot": "enabled", "disabled": "enable_on_reboot"}
DISPLAY_OFF = {"enabled": "disable_on_reboot", "enable_on_reboot": "disabled"}
CACHING = "SR_SUPPORTS_LOCAL_CACHING"


def _setter(name: str) -> Handler:
    def set_value(call: Call, host: str, value: Any) -> None:
        membership.require_reachable(call.world, host)
        call.db.set("host", host, **{name: value})

    return set_value


for _name in PLAIN:
    implements(f"host.set_{_name}")(_setter(_name))


@implements("host.set_hostname_live")
def set_hostname_live(call: Call, host: str, name: str) -> None:
    """Letters, digits, dots, and hyphens but at the ends. The control domain is called after its host."""
    membership.require_reachable(call.world, host)
    if not name:
        raise Failure("HOST_NAME_INVALID", "hostname empty")
    if len(name) > LONGEST_NAME:
        raise Failure("HOST_NAME_INVALID", "hostname is too long")
    if not re.fullmatch("[A-Za-z0-9.]([A-Za-z0-9.-]*[A-Za-z0-9.])?", name):
        raise Failure("HOST_NAME_INVALID", "hostname contains invalid characters")
    call.db.set("host", host, hostname=name)
    domain = call.db.get("host", host)["control_domain"]
    if call.db.exists("VM", domain):
        call.db.set("VM", domain, name_label=f"Control domain on host: {name}")


@implements("host.set_iscsi_iqn")
def set_iscsi_iqn(call: Call, host: str, value: str) -> None:
    """Also kept in other_config, where older clients look for it."""
    membership.require_reachable(call.world, host)
    if not value:
        raise Failure("INVALID_VALUE", "value", value)
    call.db.set("host", host, iscsi_iqn=value)
    call.db.put("host", host, "other_config", "iscsi_iqn", value)


@implements("host.set_multipathing")
def set_multipathing(call: Call, host: str, value: bool) -> None:
    """Also kept in other_config, where older clients look for it."""
    membership.require_reachable(call.world, host)
    call.db.set("host", host, multipathing=value)
    call.db.put("host", host, "other_config", "multipathing", str(value).lower())


def _display(next_states: dict[str, str]) -> Callable[[Call, str], str]:
    def change(call: Call, host: str) -> str:
        membership.require_reachable(call.world, host)
        now = call.db.get("host", host)["display"]
        call.db.set("host", host, display=next_states.get(now, now))
        return str(call.db.get("host", host)["display"])

    return change


implements("host.enable_display")(_display(DISPLAY_ON))
implements("host.disable_display")(_display(DISPLAY_OFF))


@implements("host.enable_ssh")
def enable_ssh(call: Call, host: str) -> None:
    membership.require_reachable(call.world, host)
    call.db.set("host", host, ssh_enabled=True)


@implements("host.disable_ssh")
def disable_ssh(call: Call, host: str) -> None:
    membership.require_reachable(call.world, host)
    call.db.set("host", host, ssh_enabled=False)


@implements("host.get_sched_gran")
def get_sched_gran(call: Call, host: str) -> str:
    membership.require_reachable(call.world, host)
    return call.world.scheduling.get(host, "cpu")


@implements("host.set_sched_gran")
def set_sched_gran(call: Call, host: str, value: str) -> None:
    """A setting of the host's boot loader, not of the database."""
    membership.require_reachable(call.world, host)
    call.world.scheduling[host] = value


@implements("host.set_uefi_certificates")
def set_uefi_certificates(call: Call, host: str, value: str) -> None:
    raise Failure("OPERATION_NOT_ALLOWED", "To set UEFI certificates use: `Pool.set_custom_uefi_certificates`")


def _require_idle(call: Call, host: str) -> None:
    """Raises HOST_NOT_DISABLED and HOST_IN_USE."""
    if call.db.get("host", host)["enabled"]:
        raise Failure("HOST_NOT_DISABLED")
    require_empty(call, host)


def require_empty(call: Call, host: str) -> None:
    """Raises HOST_IN_USE for guests on the host, and disks attached to its control domain."""
    record = call.db.get("host", host)
    for vm in record["resident_VMs"]:
        guest = call.db.get("VM", vm)
        if not guest["is_control_domain"] and guest["power_state"] == "Running":
            raise Failure("HOST_IN_USE", host, "vm", vm)
    for vbd in call.db.get("VM", record["control_domain"])["VBDs"]:
        if call.db.get("VBD", vbd)["currently_attached"]:
            raise Failure("HOST_IN_USE", host, "vbd", vbd)


@implements("host.enable_local_storage_caching")
def enable_local_storage_caching(call: Call, host: str, sr: str) -> None:
    """Cache what disks of shared storage read on a repository of the host's own."""
    membership.require_reachable(call.world, host)
    _require_idle(call, host)
    record = call.db.get("SR", sr)
    drivers = call.db.where("SM", type=record["type"])
    able = any(CACHING in driver["features"] for driver in drivers)
    if record["shared"] or len(record["PBDs"]) != 1 or not able:
        raise Failure("SR_OPERATION_NOT_SUPPORTED")
    if call.db.get("PBD", record["PBDs"][0])["host"] != host:
        raise Failure("HOST_CANNOT_SEE_SR", host, sr)
    _forget_cache(call, host)
    call.db.set("host", host, local_cache_sr=sr)
    call.db.set("SR", sr, local_cache_enabled=True)


@implements("host.disable_local_storage_caching")
def disable_local_storage_caching(call: Call, host: str) -> None:
    membership.require_reachable(call.world, host)
    _require_idle(call, host)
    _forget_cache(call, host)


def _forget_cache(call: Call, host: str) -> None:
    sr = call.db.get("host", host)["local_cache_sr"]
    call.db.set("host", host, local_cache_sr="OpaqueRef:NULL")
    if call.db.exists("SR", sr):
        call.db.set("SR", sr, local_cache_enabled=False)


@implements("host.emergency_disable_tls_verification")
def emergency_disable_tls_verification(call: Call) -> None:
    """Of the host asked."""
    call.db.set("host", call.here, tls_verification_enabled=False)


@implements("host.emergency_reenable_tls_verification")
def emergency_reenable_tls_verification(call: Call) -> None:
    """Of the host asked; only what the pool wants at all."""
    wanted = call.db.get("pool", call.world.pool)["tls_verification_enabled"]
    call.db.set("host", call.here, tls_verification_enabled=wanted)
