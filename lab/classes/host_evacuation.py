# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: its VMs to other hosts, and which of them cannot go."""

from __future__ import annotations

from lab.classes import host_lifecycle as lifecycle
from lab.errors import Failure
from lab.hosts import evacuation
from lab.registry import implements
from lab.world import Call


@implements("host.get_vms_which_prevent_evacuation")
def get_vms_which_prevent_evacuation(call: Call, host: str) -> dict[str, list[str]]:
    """VM -> code and parameters of the error that keeps it from leaving."""
    plan = evacuation.plan(call.world, host)
    return {vm: step.description for vm, step in plan.items() if isinstance(step, Failure)}


@implements("host.assert_can_evacuate")
def assert_can_evacuate(call: Call, host: str) -> None:
    """Raises CANNOT_EVACUATE_HOST with all errors in one text: `code,parameter|code,parameter`."""
    reasons = get_vms_which_prevent_evacuation(call, host).values()
    if reasons:
        raise Failure("CANNOT_EVACUATE_HOST", "|".join(",".join(reason) for reason in reasons))


@implements("host.evacuate")
async def evacuate(call: Call, host: str, network: str, batch_size: int) -> None:
    """Move all VMs to other hosts, so many at a time (0: as many as XAPI's setting says)."""
    async with lifecycle.hold(call, host, "evacuate"):
        await evacuation.evacuate(call, host, network, batch_size)


@implements("host.retrieve_wlb_evacuate_recommendations")
def retrieve_wlb_evacuate_recommendations(call: Call, host: str) -> dict[str, list[str]]:
    raise Failure("WLB_NOT_INITIALIZED")
