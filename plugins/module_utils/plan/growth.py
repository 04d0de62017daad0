# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of instances that stay where they are, against what their hosts and SRs have left. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Sequence

from ..model.records import HostPool
from .actions import Action, Create
from .capacity import Capacity
from .needs import growth
from .refusal import Refused
from .sizes import show_size
from .spec import VmPoolSpec


def after_growth(spec: VmPoolSpec, pool: HostPool, capacity: Capacity, actions: Sequence[Action]) -> Capacity:
    """What is left for new instances when others have grown. Raises Refused when these do not fit already."""
    memory: Counter[str] = Counter()
    space: Counter[str] = Counter()
    for action in actions:
        if isinstance(action, Create):
            continue  # it has a choice
        memory.update(growth(action, spec.hardware))
        space.update({one.sr.ref: one.now for one in action.space()})
    for ref, more in memory.items():
        free = max(0, capacity.memory[ref])
        if more > free:
            host = pool.hosts[ref]
            raise Refused(
                f"VM pool {spec.name!r}: host {host.name!r} ({host.uuid}) has {show_size(free)} of memory free, "
                f"{show_size(more)} more are needed for instances that run there. Migrate some of its VMs, or declare "
                "less memory (hardware.memory)."
            )
    for ref, more in space.items():
        if more > capacity.space.get(ref, more):
            sr = pool.srs[ref]
            raise Refused(
                f"VM pool {spec.name!r}: SR {sr.name!r} ({sr.uuid}) has {show_size(capacity.space[ref])} free, "
                f"{show_size(more)} are needed for disks of instances that are there. Free space, or declare "
                "smaller disks."
            )
    return capacity.change({host: -more for host, more in memory.items()}, {sr: -more for sr, more in space.items()})
