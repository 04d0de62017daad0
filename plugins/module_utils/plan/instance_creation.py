# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan an instance that is asked for by its name and is not there. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

from ..model.instances import Leftover, instances, orphans
from ..model.records import HostPool
from .actions import Create, VmPoolPlan
from .assignment import assign_hosts
from .capacity import capacity_of
from .checks import check_addresses, check_names, check_resets
from .creation import create_instance, networks_of
from .data_disks import data_disks_of
from .instance_wish import InstanceWish
from .lookup import find_master
from .naming import free_numbers, number_of
from .refusal import Refused


def to_make(wish: InstanceWish) -> str:
    """What to do when an instance is not there."""
    return "Give its pool and master to have it made." if wish.state == "present" else "State present makes it."


def plan_creation(
    wish: InstanceWish, pool: HostPool, vm_pool: str, left: Sequence[Leftover], plan: VmPoolPlan
) -> VmPoolPlan:
    """The plan with what makes the instance. Raises Refused."""
    if wish.state != "present" or not wish.has_master:
        raise Refused(f"There is no instance {wish.name!r} in VM pool {vm_pool!r}. {to_make(wish)}")
    for disk in orphans(pool, vm_pool):
        if disk.labels["name"] == wish.name:
            raise Refused(
                f"Overlay {disk.uuid} of instance {wish.name!r} is there without its VM. Have it used again by apply "
                f"of VM pool {vm_pool!r}, or delete it (module overlay_disk, state absent)."
            )
    siblings = instances(pool, vm_pool)
    used = {one.number for one in siblings} | {disk.labels.number("number") for disk in orphans(pool, vm_pool)}
    number = number_of(wish.spec.instance_name, vm_pool, wish.name)
    if number is None or number in used:
        number = next(free_numbers(used))
    spec = replace(wish.spec, name=vm_pool, size=len(siblings) + 1)
    master = find_master(pool, spec.master)
    create = create_instance(
        spec, pool, master, networks_of(spec, pool, master), data_disks_of(spec, pool), number, wish.name
    )
    check_names(pool, spec, [create], {leftover.vm.ref for leftover in left if leftover.vm})
    check_addresses(pool, [create])
    actions = assign_hosts(spec, pool, capacity_of(pool), [create], siblings)
    check_resets([action for action in actions if isinstance(action, Create)])
    return replace(plan, spec=spec, master=master, actions=(*plan.actions, *actions))
