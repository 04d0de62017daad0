# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pool: high availability, workload balancing and the redo log. The lab has none of them; what is asked is answered."""

from __future__ import annotations

from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.world import Call


@implements("pool.enable_ha")
def enable_ha(call: Call, repositories: list[str], configuration: dict[str, str]) -> None:
    """No repository of the lab can hold a state file."""
    for repository in repositories:
        call.db.get("SR", repository)
    raise Failure("CANNOT_CREATE_STATE_FILE")


@implements("pool.ha_prevent_restarts_for")
def ha_prevent_restarts_for(call: Call, seconds: int) -> None:
    raise Failure("HA_NOT_ENABLED")


@implements("pool.ha_failover_plan_exists")
def ha_failover_plan_exists(call: Call, failures: int) -> bool:
    """No VM is protected, so any number of hosts may fail."""
    return True


@implements("pool.ha_compute_max_host_failures_to_tolerate")
def ha_compute_max_host_failures_to_tolerate(call: Call) -> int:
    """All live hosts but one."""
    hosts = membership.hosts_of(call.world)
    return max(0, len([host for host in hosts if membership.live(call.world, host)]) - 1)


@implements("pool.ha_compute_hypothetical_max_host_failures_to_tolerate")
def ha_compute_hypothetical_max(call: Call, configuration: dict[str, str]) -> int:
    for vm in configuration:
        call.db.get("VM", vm)
    return ha_compute_max_host_failures_to_tolerate(call)


@implements("pool.initialize_wlb")
def initialize_wlb(call: Call, *credentials: str) -> None:
    """There is no such server."""
    raise Failure("WLB_CONNECTION_REFUSED")


@implements("pool.deconfigure_wlb")
def deconfigure_wlb(call: Call) -> None:
    call.db.set("pool", call.world.pool, wlb_url="", wlb_username="", wlb_enabled=False)


@implements("pool.send_wlb_configuration")
def send_wlb_configuration(call: Call, configuration: dict[str, str]) -> None:
    raise Failure("WLB_NOT_INITIALIZED")


@implements("pool.retrieve_wlb_recommendations")
def retrieve_wlb_recommendations(call: Call) -> dict[str, list[str]]:
    raise Failure("WLB_NOT_INITIALIZED")


@implements("pool.disable_redo_log")
def disable_redo_log(call: Call) -> None:
    """There is none to disable."""


@implements("pool.enable_redo_log")
def enable_redo_log(call: Call, repository: str) -> None:
    """No repository of the lab can hold one."""
    call.db.get("SR", repository)
    raise Failure("CANNOT_ENABLE_REDO_LOG", "no repository can hold it")
