# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM's hardware differs from the declared one. Pure.

Maxima that are not declared are compared only so far as that they must leave room for the rest.
"""

from __future__ import annotations

from typing import Iterator

from ..model.records import HostPool, VirtualMachine
from .changes import Item
from .refusal import Refused
from .spec import Hardware
from .vm_changes import SetKey, SetMemory, SetVcpus

CORES_PER_SOCKET = "cores-per-socket"


def hardware_items(wish: Hardware, pool: HostPool, vm: VirtualMachine) -> Iterator[Item]:
    """What of the hardware is to be changed. Raises Refused for what could never start."""
    running = vm.power_state == "Running"
    if wish.vcpus is not None:
        yield from _vcpus(wish, vm, running)
    if wish.memory is not None:
        yield from _memory(wish, pool, vm, running)
    for field, key, what, want, default in (
        ("platform", CORES_PER_SOCKET, "cores_per_socket", wish.cores_per_socket, "1"),
        # Xen's credit scheduler's own defaults.
        ("VCPUs_params", "weight", "cpu_weight", wish.cpu_weight, "256"),
        ("VCPUs_params", "cap", "cpu_cap", wish.cpu_cap, "0"),
    ):
        have = (vm.platform if field == "platform" else vm.vcpus_params).get(key, "")
        if want is not None and (have or default) != str(want):
            yield SetKey(field, key, what, have or default, str(want), live=not running, default=default)


def check_hardware(wish: Hardware, blueprint: VirtualMachine) -> None:
    """XAPI would make such an instance and never start it. Raises Refused."""
    cores = wish.cores_per_socket or _whole(blueprint.platform.get(CORES_PER_SOCKET, ""))
    _check_sockets(blueprint, wish.vcpus_max or wish.vcpus or blueprint.vcpus, cores)


def _check_sockets(vm: VirtualMachine, vcpus: int, cores: int) -> None:
    if vcpus % cores:
        raise Refused(
            f"{vm.name} ({vm.uuid}): {vcpus} vCPUs do not make whole sockets of {cores} cores. Declare "
            "hardware.cores_per_socket."
        )


def _vcpus(wish: Hardware, vm: VirtualMachine, running: bool) -> Iterator[SetVcpus]:
    want = wish.vcpus or vm.vcpus_at_startup
    have, have_max = vm.vcpus_at_startup, vm.vcpus
    cores = wish.cores_per_socket or _whole(vm.platform.get(CORES_PER_SOCKET, ""))
    want_max = wish.vcpus_max or max(have_max, want)
    if want_max % cores and wish.vcpus_max is None:
        want_max = want
    _check_sockets(vm, want_max, cores)
    if running and have != want <= have_max and "vcpu-hotplug" in vm.abilities.features:
        yield SetVcpus(have, want, have_max, have_max, live=True)
        have = want
    if (have, have_max) != (want, want_max):
        yield SetVcpus(have, want, have_max, want_max, live=not running)


def _memory(wish: Hardware, pool: HostPool, vm: VirtualMachine, running: bool) -> Iterator[SetMemory]:
    want = wish.memory or vm.memory_dynamic_max
    low, have = vm.memory_dynamic_min, vm.memory_dynamic_max
    fits = vm.memory == wish.memory_max if wish.memory_max else vm.memory >= want
    static_min = min(vm.memory_static_min, want)
    can_follow = running and pool.has_dynamic_memory and "balloon" in vm.abilities.features
    if (low, have) != (want, want) and can_follow and vm.memory_static_min <= want <= vm.memory:
        yield SetMemory(low, have, want, vm.memory, vm.memory, static_min, live=True)
        low = have = want
    if (low, have) != (want, want) or not fits:
        # A halted VM's maximum follows: without dynamic memory control, both must be the same.
        yield SetMemory(low, have, want, vm.memory, wish.memory_max or want, static_min, live=not running)


def _whole(cores: str) -> int:
    return int(cores) if cores.isdigit() and int(cores) else 1
