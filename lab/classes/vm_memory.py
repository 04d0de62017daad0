# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: memory, its limits and what it costs the host."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lab.classes import vm_lifecycle as lifecycle
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import float_text
from lab.world import Call, World

MIB = 1024**2


def overhead(record: Mapping[str, Any] | Record) -> int:
    """Bytes that the host spends on a VM beside the VM's own memory."""
    shadow = math.ceil((256 * record["VCPUs_max"] + 2 * (record["memory_static_max"] // MIB)) / 256)
    return (2 + max(1, int(shadow * record["HVM_shadow_multiplier"]))) * MIB


def needed(record: Record) -> int:
    """Bytes that starting the VM takes at least: guests can be squeezed to their dynamic minimum."""
    return int(record["memory_dynamic_min"]) + overhead(record)


def free_memory(world: World, host: str, ignored: str = "") -> int:
    """Bytes that are left when every VM of the host is squeezed as far as it allows; never less than none.

    The ignored VM does not count as one that is coming there.
    """
    record = world.database.get("host", host)
    total = world.database.get("host_metrics", record["metrics"])["memory_total"]
    used = world.ledger.on(host, ignored)
    return max(0, int(total - record["memory_overhead"] - used.overhead - used.dynamic_min))


def update_host(world: World, host: str) -> None:
    """Bring host_metrics.memory_free up to date."""
    if world.database.exists("host", host):
        metrics = world.database.get("host", host)["metrics"]
        world.database.set("host_metrics", metrics, memory_free=free_memory(world, host))


def _set_limits(call: Call, vm: str, **changes: int) -> None:
    record = call.db.get("VM", vm)
    names = ("static_min", "dynamic_min", "dynamic_max", "static_max")
    values = [changes.get(name, record[f"memory_{name}"]) for name in names]
    _require_valid(call, record, dict(zip(names, values, strict=True)))
    call.db.set("VM", vm, **{f"memory_{name}": value for name, value in zip(names, values, strict=True)})
    if {"dynamic_min", "dynamic_max"} & set(changes):
        call.db.set("VM", vm, memory_target=call.db.get("VM", vm)["memory_dynamic_min"])
    update_overhead(call, vm)


def _require_valid(call: Call, record: Record, limits: dict[str, int]) -> None:
    """Raises why the VM cannot have these limits, which come in ascending order."""
    metrics = call.db.find("VM_metrics", record["metrics"])
    nested = metrics["nested_virt"] if metrics else lifecycle.is_true(record["platform"].get("nested-virt"))
    if record["is_control_domain"] or nested:
        _require_pinned(limits, "control domain" if record["is_control_domain"] else "nested virt")
    values = list(limits.values())
    if values != sorted(values):
        raise Failure("MEMORY_CONSTRAINT_VIOLATION_ORDER")


def _require_pinned(limits: dict[str, int], reason: str) -> None:
    above_static_min = limits["dynamic_min"] >= limits["static_min"]
    if not above_static_min or not limits["dynamic_min"] == limits["dynamic_max"] == limits["static_max"]:
        raise Failure("MEMORY_CONSTRAINT_VIOLATION_MAXPIN", reason)


def require_pinned(record: Record, reason: str) -> None:
    """Raises MEMORY_CONSTRAINT_VIOLATION_MAXPIN when the VM's memory could be squeezed."""
    names = ("static_min", "dynamic_min", "dynamic_max", "static_max")
    _require_pinned({name: record[f"memory_{name}"] for name in names}, reason)


def update_overhead(call: Call, vm: str) -> None:
    call.db.set("VM", vm, memory_overhead=overhead(call.db.get("VM", vm)))


def _limits_setter(name: str, operation: str, limits: tuple[str, ...]) -> None:
    """A call that sets some of the limits, in this order, while it holds the operation."""

    async def set_limits(call: Call, vm: str, *values: int) -> None:
        async with lifecycle.hold(call, vm, operation):
            changes = dict(zip(limits, values, strict=True))
            if call.db.get("VM", vm)["power_state"] == "Running":
                _require_free(call, vm, changes)
            _set_limits(call, vm, **changes)
            update_host(call.world, call.db.get("VM", vm)["resident_on"])

    implements(f"VM.{name}")(set_limits)


def _require_free(call: Call, vm: str, changes: dict[str, int]) -> None:
    """Raises HOST_NOT_ENOUGH_FREE_MEMORY (KiB) when the host has not what the VM is to keep at least."""
    record = call.db.get("VM", vm)
    more = changes.get("dynamic_min", record["memory_dynamic_min"]) - record["memory_dynamic_min"]
    free = free_memory(call.world, record["resident_on"])
    if more > free:
        raise Failure("HOST_NOT_ENOUGH_FREE_MEMORY", more // 1024, free // 1024)


for _range in ("static", "dynamic"):
    _operation = f"changing_{_range}_range"
    _limits_setter(f"set_memory_{_range}_min", _operation, (f"{_range}_min",))
    _limits_setter(f"set_memory_{_range}_max", _operation, (f"{_range}_max",))
    _limits_setter(f"set_memory_{_range}_range", _operation, (f"{_range}_min", f"{_range}_max"))
_limits_setter(
    "set_memory_limits", "changing_memory_limits", ("static_min", "static_max", "dynamic_min", "dynamic_max")
)


@implements("VM.set_memory")
async def set_memory(call: Call, vm: str, value: int) -> None:
    async with lifecycle.hold(call, vm, "changing_memory_limits"):
        _set_limits(call, vm, static_max=value, dynamic_min=value, dynamic_max=value)


@implements("VM.set_memory_target_live")
def set_memory_target_live(call: Call, vm: str, value: int) -> None:
    """Checked and ignored, as XAPI does since guests are squeezed by their dynamic range."""
    lifecycle.require(call.world, vm, "changing_memory_live")


@implements("VM.wait_memory_target_live")
def wait_memory_target_live(call: Call, vm: str) -> None:
    """Guests of the lab have at once what they are to have."""
    lifecycle.require(call.world, vm, "awaiting_memory_live")


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


def _require_multiplier(value: float) -> None:
    if value < 1.0:
        raise Failure("INVALID_VALUE", "multiplier", float_text(value))


@implements("VM.set_HVM_shadow_multiplier")
async def set_hvm_shadow_multiplier(call: Call, vm: str, value: float) -> None:
    async with lifecycle.hold(call, vm, "changing_shadow_memory"):
        _require_multiplier(value)
        call.db.set("VM", vm, HVM_shadow_multiplier=value)
        update_overhead(call, vm)


@implements("VM.set_shadow_multiplier_live")
async def set_shadow_multiplier_live(call: Call, vm: str, value: float) -> None:
    async with lifecycle.hold(call, vm, "changing_shadow_memory_live"):
        _require_multiplier(value)
        call.db.set("VM", vm, HVM_shadow_multiplier=value)
        update_overhead(call, vm)
        update_host(call.world, call.db.get("VM", vm)["resident_on"])
