# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual hardware of a halted VM."""

from __future__ import annotations

from typing import Any, Mapping

from ..plan.spec import Hardware
from .worksite import Worksite


def set_hardware(site: Worksite, vm: str, record: Mapping[str, Any], hardware: Hardware) -> None:
    """Give a halted VM the declared hardware; `record` is the VM's as it is now. Raises XapiError."""
    _set_memory(site, vm, record, hardware)
    _set_vcpus(site, vm, record, hardware)
    if hardware.cores_per_socket is not None:
        platform = {**record["platform"], "cores-per-socket": str(hardware.cores_per_socket)}
        _set_map(site, "platform", vm, record, platform)
    shares = {"weight": hardware.cpu_weight, "cap": hardware.cpu_cap}
    declared = {name: str(value) for name, value in shares.items() if value is not None}
    _set_map(site, "VCPUs_params", vm, record, {**record["VCPUs_params"], **declared})


def _set_map(site: Worksite, field: str, vm: str, record: Mapping[str, Any], value: Mapping[str, str]) -> None:
    if value != record[field]:
        site.repeat(f"VM.set_{field}", vm, value)


def _set_memory(site: Worksite, vm: str, record: Mapping[str, Any], hardware: Hardware) -> None:
    if hardware.memory is None:
        return
    memory, most = str(hardware.memory), str(hardware.memory_max or hardware.memory)
    # The least stays below, so that a running VM may be given less.
    least = str(min(int(record["memory_static_min"]), hardware.memory))
    limits = {"static_min": least, "static_max": most, "dynamic_min": memory, "dynamic_max": memory}
    if any(str(record[f"memory_{name}"]) != value for name, value in limits.items()):
        site.repeat("VM.set_memory_limits", vm, *limits.values())


def _set_vcpus(site: Worksite, vm: str, record: Mapping[str, Any], hardware: Hardware) -> None:
    """In the order that never has more vCPUs at start-up than at most."""
    if hardware.vcpus is None:
        return
    most = hardware.vcpus_max or hardware.vcpus
    calls = [("VM.set_VCPUs_max", str(most)), ("VM.set_VCPUs_at_startup", str(hardware.vcpus))]
    if int(record["VCPUs_at_startup"]) > most:
        calls.reverse()
    for call, count in calls:
        if str(record[call.removeprefix("VM.set_")]) != count:
            site.repeat(call, vm, count)
