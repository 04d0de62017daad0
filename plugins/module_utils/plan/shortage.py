# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why instances find no place, with figures and what can be done. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Sequence

from ..model.records import Host, HostPool
from .capacity import Capacity, Needs
from .hosts import obstacle
from .placement import place
from .refusal import Refused
from .seating import Request, Spread
from .sizes import show_size
from .spec import VmPoolSpec

#: Hosts and SRs that a message names before it only counts the others.
_NAMED = 8


def obstacles(pool: HostPool, allowed: Sequence[Host], needs: Needs) -> str:
    """What keeps each of the hosts from running such an instance; empty when one of them can."""
    found = [(host, obstacle(pool, host, needs)) for host in allowed]
    if not all(reason for _host, reason in found):
        return ""
    return _listed([f"{host.name} ({host.uuid}) {reason}" for host, reason in found])


def check_hosts(pool: HostPool, allowed: Sequence[Host], requests: Sequence[Request]) -> None:
    """Raises Refused when no host can run an instance, whatever room there is."""
    first = {request.needs: request.name for request in reversed(requests)}
    for needs, name in reversed(first.items()):
        if reasons := obstacles(pool, allowed, needs):
            raise Refused(
                f"{name}: no host can run it: {reasons}. Mend that, or choose other hosts (placement.hosts), SRs "
                "(overlay.sr, disks.sr) or networks."
            )


def shortage(
    spec: VmPoolSpec,
    pool: HostPool,
    allowed: Sequence[Host],
    capacity: Capacity,
    requests: Sequence[Request],
    left_out: Sequence[Request],
) -> Refused:
    """The refusal of instances that were left out."""
    how_many = f"VM pool {spec.name!r}: {len(left_out)} of {spec.size} instances do not fit: "
    needs = left_out[0].needs
    if not place(requests, pool, allowed, capacity.without_memory_limits(), Spread(None, {})).left_out:
        return Refused(how_many + _of_memory(pool, allowed, capacity, needs))
    if inner := [pool.networks[network] for network in needs.networks if network in capacity.homes]:
        return Refused(
            f"{how_many}network {inner[0].name!r} ({inner[0].uuid}) has no NIC of any host, so all its guests must be "
            "on one host. Choose another network (networks.network), or declare fewer instances."
        )
    return Refused(how_many + _of_space(pool, capacity, requests))


def _of_memory(pool: HostPool, allowed: Sequence[Host], capacity: Capacity, needs: Needs) -> str:
    found = [
        f"{host.name} ({host.uuid}) {obstacle(pool, host, needs) or _free(capacity.memory[host.ref])}"
        for host in allowed
    ]
    return (
        f"each needs {show_size(needs.memory)} of a host's memory, and {_listed(found)}. Shut VMs down, or declare "
        "fewer instances, less memory or other hosts (size, hardware.memory, placement.hosts)."
    )


def _free(size: int) -> str:
    return f"has {show_size(max(0, size))} free"


def _of_space(pool: HostPool, capacity: Capacity, requests: Sequence[Request]) -> str:
    taking = [request.needs for request in requests if any(size for _sr, size in request.needs.layouts[0].space)]
    needed: Counter[str] = Counter()
    for needs in taking:
        needed.update(dict(needs.layouts[0].space))
    advice = f"the disks of {len(taking)} new instances. Free space or choose another SR (overlay.sr)."
    if all(len(needs.layouts) == 1 for needs in taking):
        for ref, size in needed.items():
            if size > capacity.space.get(ref, size):
                sr = pool.srs[ref]
                free = show_size(capacity.space[ref])
                return f"SR {sr.name!r} ({sr.uuid}) has {free} free, {show_size(size)} are needed for {advice}"
    refs = dict.fromkeys(sr for needs in taking for layout in needs.layouts for sr, size in layout.space if size)
    found = [
        f"SR {pool.srs[ref].name!r} ({pool.srs[ref].uuid}) {_free(capacity.space[ref])}"
        for ref in refs
        if ref in capacity.space
    ]
    return f"{_listed(found)}; {show_size(sum(needed.values()))} are needed where hosts have room, for {advice}"


def _listed(parts: Sequence[str]) -> str:
    named = "; ".join(parts[:_NAMED])
    return named + (f"; and {len(parts) - _NAMED} more" if len(parts) > _NAMED else "")
