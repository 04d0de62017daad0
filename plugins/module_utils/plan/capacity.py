# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts and SRs have left, and what an instance needs of them. Pure.

Memory is counted as XAPI does before a start: guests may be squeezed to their dynamic minimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, Mapping

from ..model.records import NULL, HostPool, Network, VirtualMachine
from .sizes import MIB

#: XAPI takes a network without PIFs for one host's alone unless it bears this key.
_SHARED_NETWORK = "assume_network_is_shared"


@dataclass(frozen=True)
class Layout:
    """One way to lay an instance's disks out."""

    root_sr: str  # reference of the SR that holds the copy of its master
    overlay_sr: str  # reference
    space: tuple[tuple[str, int], ...]  # bytes taken at once, by reference of every SR that its host must see


@dataclass(frozen=True)
class Needs:
    """What an instance needs; instances with equal needs are alike to placement."""

    memory: int  # bytes, what the host spends besides included; 0 when it is not started
    vcpus: int  # 0 = any number will do
    networks: tuple[str, ...]  # references
    layouts: tuple[Layout, ...]  # at least one, the preferred one first
    starts: bool = True


@dataclass(frozen=True)
class Capacity:
    """What is left. Never changed: what is taken gives another one."""

    memory: Mapping[str, int]  # bytes by host; less than none when a host has more guests than it should
    space: Mapping[str, int]  # bytes by SR; SRs of unknown size are left out
    homes: Mapping[str, str | None]  # of networks within one host: the host on which its guests are; None = none are

    def room_for(self, needs: Needs, host: str, visible: frozenset[str]) -> Layout | None:
        """The layout that leaves the overlay's SR fullest of space, among those that fit on a host.

        `visible` are the SRs that the host sees.
        """
        if needs.starts and not (self.memory[host] >= needs.memory and self._at_home(needs, host)):
            return None
        fitting = [layout for layout in needs.layouts if self._holds(layout, visible)]
        return max(fitting, key=lambda layout: self.space.get(layout.overlay_sr, 0), default=None)

    def _at_home(self, needs: Needs, host: str) -> bool:
        return all(self.homes.get(network) in (None, host) for network in needs.networks)

    def _holds(self, layout: Layout, visible: frozenset[str]) -> bool:
        return all(sr in visible and (size == 0 or self.space.get(sr, size) >= size) for sr, size in layout.space)

    def take(self, needs: Needs, host: str, layout: Layout) -> Capacity:
        """What is left when such an instance is on a host."""
        left = self.change(memory={host: -needs.memory}, space={sr: -size for sr, size in layout.space})
        inner = {network: host for network in needs.networks if needs.starts and network in self.homes}
        return replace(left, homes={**left.homes, **inner}) if inner else left

    def give_back(self, needs: Needs, host: str, layout: Layout) -> Capacity:
        """The opposite of :meth:`take`, for instances without networks within one host."""
        return self.change(memory={host: needs.memory}, space=dict(layout.space))

    def change(self, memory: Mapping[str, int], space: Mapping[str, int]) -> Capacity:
        """What is left when so many bytes more are free on hosts and SRs, by reference."""
        return replace(self, memory=_sum(self.memory, memory), space=_sum(self.space, space))

    def without_memory_limits(self) -> Capacity:
        """As if every host had memory enough."""
        return replace(self, memory=dict.fromkeys(self.memory, 1 << 62))


def _sum(known: Mapping[str, int], more: Mapping[str, int]) -> Mapping[str, int]:
    changed = {ref: known[ref] + size for ref, size in more.items() if size and ref in known}
    return {**known, **changed} if changed else known


def capacity_of(pool: HostPool) -> Capacity:
    """What a host pool has left."""
    memory = {host.ref: host.memory - host.memory_overhead for host in pool.hosts.values()}
    homes: dict[str, str | None] = {network.ref: None for network in pool.networks.values() if is_internal(network)}
    for vm in pool.vms.values():
        for host in hosts_of(vm):
            if host in memory:
                memory[host] -= memory_of(vm)
        if vm.host != NULL and homes:
            homes.update({i.network: vm.host for i in vm.interfaces if i.attached and i.network in homes})
    # XAPI says 0 or -1 of an SR that was never scanned.
    space = {sr.ref: sr.free for sr in pool.srs.values() if sr.size > 0}
    return Capacity(memory, space, homes)


def is_internal(network: Network) -> bool:
    """Whether only guests of one and the same host can talk over a network."""
    return not network.hosts and network.other_config.get(_SHARED_NETWORK) != "true"


def hosts_of(vm: VirtualMachine) -> Iterator[str]:
    """References of the hosts whose memory a VM takes: the one on which it is, and the one that keeps it for it."""
    return (host for host in dict.fromkeys((vm.host, vm.scheduled_host)) if host != NULL)


def memory_of(vm: VirtualMachine) -> int:
    """Bytes that a VM takes of its host's memory at least."""
    return vm.memory_dynamic_min + vm.memory_overhead


def memory_overhead(memory: int, vcpus: int) -> int:
    """Bytes that a host spends on an HVM guest besides its own memory (static maximum, in bytes), as XAPI computes."""
    shadow = -(-(256 * vcpus + 2 * (memory // MIB)) // 256)
    return (2 + max(1, shadow)) * MIB
