# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: virtual CPUs."""

from __future__ import annotations

from lab.classes import vm_lifecycle as lifecycle
from lab.classes.vm_memory import update_overhead
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call

RULE = "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max"
LIVE_RULE = "VCPU values must satisfy: 0 < VCPUs ≤ VCPUs_max"


def _set(call: Call, vm: str, at_startup: int, most: int, given: int) -> None:
    if not 0 < at_startup <= most:
        raise Failure("INVALID_VALUE", RULE, given)
    call.db.set("VM", vm, VCPUs_at_startup=at_startup, VCPUs_max=most)
    update_overhead(call, vm)


@implements("VM.set_VCPUs_max")
async def set_vcpus_max(call: Call, vm: str, value: int) -> None:
    async with lifecycle.hold(call, vm, "changing_VCPUs"):
        _set(call, vm, call.db.get("VM", vm)["VCPUs_at_startup"], value, value)
        record = call.db.get("VM", vm)
        if record["is_control_domain"] and record["power_state"] == "Running":
            call.db.set("VM", vm, requires_reboot=True)


@implements("VM.set_VCPUs_at_startup")
def set_vcpus_at_startup(call: Call, vm: str, value: int) -> None:
    """Takes effect at the next start, so it is allowed in every state."""
    record = call.db.get("VM", vm)
    if any(host["control_domain"] == vm for host in call.db.all("host")):
        raise Failure("OPERATION_NOT_ALLOWED", "set_VCPUs_at_startup is not allowed on dom0")
    _set(call, vm, value, record["VCPUs_max"], value)


@implements("VM.set_VCPUs_number_live")
async def set_vcpus_number_live(call: Call, vm: str, value: int) -> None:
    async with lifecycle.hold(call, vm, "changing_VCPUs_live"):
        record = call.db.get("VM", vm)
        if not 0 < value <= record["VCPUs_max"]:
            raise Failure("INVALID_VALUE", LIVE_RULE, value)
        call.db.set("VM", vm, VCPUs_at_startup=value)
        if call.db.exists("VM_metrics", record["metrics"]):
            call.db.set("VM_metrics", record["metrics"], VCPUs_number=value)
        update_overhead(call, vm)


@implements("VM.add_to_VCPUs_params_live")
async def add_to_vcpus_params_live(call: Call, vm: str, key: str, value: str) -> None:
    """XAPI no longer does it, but asks first whether it might."""
    async with lifecycle.hold(call, vm, "changing_VCPUs_live"):
        raise Failure("NOT_IMPLEMENTED", "add_to_VCPUs_params_live")
