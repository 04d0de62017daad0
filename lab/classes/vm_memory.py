# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: memory and virtual CPUs, their limits and what they cost the host."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, World

MIB = 1024**2
VCPU_RULE = "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max"


def overhead(record: Mapping[str, Any] | Record) -> int:
    """Bytes that the host spends on a VM beside the VM's own memory."""
    shadow = math.ceil((256 * record["VCPUs_max"] + 2 * (record["memory_static_max"] // MIB)) / 256)
    return (2 + max(1, int(shadow * record["HVM_shadow_multiplier"]))) * MIB


def needed(record: Record) -> int:
    """Bytes that starting the VM takes at least: guests can be squeezed to their dynamic minimum."""
    return int(record["memory_dynamic_min"]) + overhead(record)


def guests_of(world: World, host: str, ignored: str = "") -> list[Record]:
    """The VMs that the host has memory for: those on it, and those about to be, but for the ignored one of the latter.

    A VM that moves within its host counts twice.
    """
    database = world.database
    coming = [database.get("VM", vm) for vm in world.scheduled if vm != ignored]
    resident = [database.get("VM", vm) for vm in database.get("host", host)["resident_VMs"]]
    return [*resident, *(vm for vm in coming if vm["scheduled_to_be_resident_on"] == host)]


def free_memory(world: World, host: str, ignored: str = "") -> int:
    """Bytes that are left when every VM of the host is squeezed as far as it allows; never less than none."""
    record = world.database.get("host", host)
    total = world.database.get("host_metrics", record["metrics"])["memory_total"]
    used = sum(needed(vm) for vm in guests_of(world, host, ignored))
    return max(0, int(total - record["memory_overhead"] - used))


def update_host(world: World, host: str) -> None:
    """Bring host_metrics.memory_free up to date."""
    if world.database.exists("host", host):
        metrics = world.database.get("host", host)["metrics"]
        world.database.set("host_metrics", metrics, memory_free=free_memory(world, host))


def _set_limits(call: Call, vm: str, **changes: int) -> None:
    record = call.db.get("VM", vm)
    names = ("static_min", "dynamic_min", "dynamic_max", "static_max")
    values = [changes.get(name, record[f"memory_{name}"]) for name in names]
    if values != sorted(values):
        raise Failure("MEMORY_CONSTRAINT_VIOLATION_ORDER")
    call.db.set("VM", vm, **{f"memory_{name}": value for name, value in zip(names, values, strict=True)})
    if {"dynamic_min", "dynamic_max"} & set(changes):
        call.db.set("VM", vm, memory_target=call.db.get("VM", vm)["memory_dynamic_min"])
    call.db.set("VM", vm, memory_overhead=overhead(call.db.get("VM", vm)))


def _require_allowed(call: Call, vm: str, name: str) -> None:
    # imported here: vm.py needs overhead() from this module
    from lab.classes.vm import refusal

    failure = refusal(call.world, vm, name)
    if failure:
        raise failure


@implements("VM.set_memory_static_max")
def set_memory_static_max(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_static_range")
    _set_limits(call, vm, static_max=value)


@implements("VM.set_memory_static_min")
def set_memory_static_min(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_static_range")
    _set_limits(call, vm, static_min=value)


@implements("VM.set_memory_static_range")
def set_memory_static_range(call: Call, vm: str, least: int, most: int) -> None:
    _require_allowed(call, vm, "changing_static_range")
    _set_limits(call, vm, static_min=least, static_max=most)


@implements("VM.set_memory_dynamic_max")
def set_memory_dynamic_max(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_dynamic_range")
    _set_limits(call, vm, dynamic_max=value)


@implements("VM.set_memory_dynamic_min")
def set_memory_dynamic_min(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_dynamic_range")
    _set_limits(call, vm, dynamic_min=value)


@implements("VM.set_memory_dynamic_range")
def set_memory_dynamic_range(call: Call, vm: str, least: int, most: int) -> None:
    _require_allowed(call, vm, "changing_dynamic_range")
    _set_limits(call, vm, dynamic_min=least, dynamic_max=most)


@implements("VM.set_memory_limits")
def set_memory_limits(
    call: Call, vm: str, static_min: int, static_max: int, dynamic_min: int, dynamic_max: int
) -> None:
    _require_allowed(call, vm, "changing_static_range")
    _set_limits(
        call, vm, static_min=static_min, static_max=static_max, dynamic_min=dynamic_min, dynamic_max=dynamic_max
    )


@implements("VM.set_memory")
def set_memory(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_static_range")
    _set_limits(call, vm, static_max=value, dynamic_min=value, dynamic_max=value)


@implements("VM.set_memory_target_live")
def set_memory_target_live(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_memory_live")


@implements("VM.wait_memory_target_live")
def wait_memory_target_live(call: Call, vm: str) -> None:
    _require_allowed(call, vm, "awaiting_memory_live")


@implements("VM.compute_memory_overhead")
def compute_memory_overhead(call: Call, vm: str) -> int:
    return overhead(call.db.get("VM", vm))


@implements("VM.maximise_memory")
def maximise_memory(call: Call, vm: str, total: int, approximate: bool) -> int:
    """The largest static maximum with which the VM fits into total bytes."""
    record = dict(call.db.get("VM", vm).fields)
    if approximate:
        record["VCPUs_max"] = max(64, record["VCPUs_max"])
    low, high = 0, max(0, total // MIB)
    while low < high:
        middle = (low + high + 1) // 2
        record["memory_static_max"] = middle * MIB
        if middle * MIB + overhead(record) <= total:
            low = middle
        else:
            high = middle - 1
    return low * MIB


def _set_vcpus(call: Call, vm: str, at_startup: int, most: int, given: int) -> None:
    if not 0 < at_startup <= most:
        raise Failure("INVALID_VALUE", VCPU_RULE, given)
    call.db.set("VM", vm, VCPUs_at_startup=at_startup, VCPUs_max=most)
    call.db.set("VM", vm, memory_overhead=overhead(call.db.get("VM", vm)))


@implements("VM.set_VCPUs_max")
def set_vcpus_max(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_VCPUs")
    _set_vcpus(call, vm, call.db.get("VM", vm)["VCPUs_at_startup"], value, value)


@implements("VM.set_VCPUs_at_startup")
def set_vcpus_at_startup(call: Call, vm: str, value: int) -> None:
    _set_vcpus(call, vm, value, call.db.get("VM", vm)["VCPUs_max"], value)


@implements("VM.set_VCPUs_number_live")
def set_vcpus_number_live(call: Call, vm: str, value: int) -> None:
    _require_allowed(call, vm, "changing_VCPUs_live")


@implements("VM.set_HVM_shadow_multiplier")
def set_hvm_shadow_multiplier(call: Call, vm: str, value: float) -> None:
    _require_allowed(call, vm, "changing_shadow_memory")
    if value < 1.0:
        raise Failure("INVALID_VALUE", "multiplier", f"{value:g}")
    call.db.set("VM", vm, HVM_shadow_multiplier=value)
    call.db.set("VM", vm, memory_overhead=overhead(call.db.get("VM", vm)))


@implements("VM.set_shadow_multiplier_live")
def set_shadow_multiplier_live(call: Call, vm: str, value: float) -> None:
    _require_allowed(call, vm, "changing_shadow_memory_live")


@implements("VM.add_to_VCPUs_params_live")
def add_to_vcpus_params_live(call: Call, vm: str, key: str, value: str) -> None:
    _require_allowed(call, vm, "changing_VCPUs_live")
