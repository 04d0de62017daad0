# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the hosts that can run a VM gets it.

XAPI puts hosts into categories by how much their guests would have to give up, tries them from the best category
to the worst, and among equals prefers, with some chance, those with more memory. The lab leaves chance out: the same
pool gives the same choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.database import Record
from lab.errors import Failure
from lab.hosts.ledger import load_of
from lab.placement.checks import refusal
from lab.values import NULL
from lab.world import World

#: The value of a host none of whose guests would have to give up memory.
FULL = 1000


@dataclass(frozen=True)
class Candidate:
    """A host as it would be with the VM on it. All figures are bytes."""

    host: str
    #: value of the host falls when the pool's other hosts are to be preferred
    biased: bool
    #: left for the guests' own memory
    available: int
    static_max: int
    dynamic_max: int
    dynamic_min: int

    def _bias(self, value: int) -> int:
        return (value - 1) // 2 if self.biased else value

    @property
    def definite(self) -> int:
        """What is left though every guest has all it could ever have."""
        return self._bias(self.available - self.static_max)

    @property
    def probable(self) -> int:
        """What is left though no guest is squeezed."""
        return self._bias(self.available - self.dynamic_max)

    @property
    def possible(self) -> int:
        """How little the guests are squeezed, from 0 (as far as they allow) to FULL; negative when it does not do."""
        if self.available >= self.dynamic_max:
            return FULL
        if self.available < self.dynamic_min:
            return -1
        return FULL * (self.available - self.dynamic_min) // (self.dynamic_max - self.dynamic_min)


def choose(world: World, vm: str) -> str:
    """The host for a VM. Raises NO_HOSTS_AVAILABLE, and HANDLE_INVALID for a group that does not exist."""
    groups = _ranked_hosts(world, vm)
    for hosts in groups:
        found = _select(world, vm, hosts, lambda host: _can_run(world, vm, host, with_memory=True))
        if found:
            return found
    every = [host for hosts in groups for host in hosts]
    found = _select(world, vm, every, lambda host: _can_run(world, vm, host, with_memory=False))
    if found is None:
        raise Failure("NO_HOSTS_AVAILABLE")
    return found


def _can_run(world: World, vm: str, host: str, with_memory: bool) -> bool:
    leaving = "evacuate" in world.database.get("host", host)["current_operations"].values()
    return refusal(world, vm, host, with_memory=with_memory) is None and not leaving


def _ranked_hosts(world: World, vm: str) -> list[list[str]]:
    """All hosts in groups, the better first: one group, unless the VM wants to be apart from others."""
    hosts = [record.ref for record in world.database.all("host")]
    record = world.database.get("VM", vm)
    groups = [world.database.get("VM_group", group) for group in record["groups"]]
    apart = next((group for group in groups if group["placement"] == "anti_affinity"), None)
    if apart is None:
        return [hosts]
    affinity = [host for host in hosts if host == record["affinity"]]
    others = [host for host in hosts if host not in affinity]
    counts = {host: _running_of(world, apart, host) for host in others}
    ranked = [[host for host in others if counts[host] == count] for count in sorted(set(counts.values()))]
    return [group for group in [affinity, *ranked] if group]


def _running_of(world: World, group: Record, host: str) -> int:
    """How many VMs of the group run on the host or are about to."""
    count = 0
    for vm in group["VMs"]:
        record = world.database.get("VM", vm)
        scheduled = record["scheduled_to_be_resident_on"]
        runs_on = record["resident_on"] if record["power_state"] == "Running" else NULL
        count += (scheduled if scheduled != NULL else runs_on) == host
    return count


def _select(world: World, vm: str, hosts: list[str], can_run: Callable[[str], bool]) -> str | None:
    record = world.database.get("VM", vm)
    candidates = [_candidate(world, record, host) for host in hosts]
    categories: list[Callable[[Candidate], int]] = [
        lambda found: found.possible if found.host == record["affinity"] else -1,
        lambda found: found.definite,
        lambda found: found.probable,
        lambda found: found.possible,
    ]
    for category in categories:
        inside = [found for found in candidates if category(found) >= 0]
        for found in sorted(inside, key=category, reverse=True):
            if can_run(found.host):
                return found.host
        candidates = [found for found in candidates if found not in inside]
    return None


def _candidate(world: World, record: Record, host: str) -> Candidate:
    target = world.database.get("host", host)
    total = world.database.get("host_metrics", target["metrics"])["memory_total"]
    pool = world.database.get("pool", world.pool)
    load = world.ledger.on(host) + load_of(record)
    return Candidate(
        host=host,
        biased=pool["coordinator_bias"] and host == pool["master"],
        available=total - target["memory_overhead"] - load.overhead,
        static_max=load.static_max,
        dynamic_max=load.dynamic_max,
        dynamic_min=load.dynamic_min,
    )
