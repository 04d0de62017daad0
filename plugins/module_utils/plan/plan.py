# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for all that is declared of a host pool: its VM pools side by side. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Sequence

from ..model.records import HostPool
from .actions import Action, Create, VmPoolPlan
from .capacity import capacity_of
from .needs import capacity_after
from .refusal import Refused, of_vm_pool
from .spec import VmPoolSpec
from .strays import strays
from .text import plan_lines
from .vm_pool import plan_vm_pool


@dataclass(frozen=True)
class Plan:
    """The plans of one or several VM pools of one host pool, which are carried out together."""

    seen: HostPool  # as it was when the plan was made
    pools: tuple[VmPoolPlan, ...]

    @property
    def actions(self) -> list[Action]:
        return [action for plan in self.pools for action in plan.actions]

    @property
    def changes(self) -> list[Action]:
        """The actions that write; all but those which wait for a person."""
        return [action for plan in self.pools for action in plan.changes]

    @property
    def warnings(self) -> list[str]:
        """What only a person can decide, a sentence each."""
        return [warning for plan in self.pools for warning in plan.warnings]

    def lines(self) -> list[str]:
        """The plan for people."""
        return plan_lines(*self.pools)

    def as_data(self) -> list[dict[str, Any]]:
        """The plan as plain data, one entry an action."""
        return [entry for plan in self.pools for entry in plan.as_data()]


def plan_vm_pools(specs: Sequence[VmPoolSpec], pool: HostPool, host_pool: str) -> Plan:
    """Make the plan that brings VM pools to their declared state, in the order of their names.

    `host_pool` is what people call the host pool. Raises Refused when they cannot all be met together.
    """
    check_declared_once(specs)
    found = strays(pool)
    plans = []
    capacity = capacity_of(pool)
    for spec in sorted(specs, key=lambda spec: spec.name):
        with of_vm_pool(spec.name):
            plan = plan_vm_pool(spec, pool, host_pool, capacity)
        capacity = capacity_after(capacity, plan)
        plans.append(replace(plan, actions=(*plan.actions, *found.get(spec.name, ()))))
    check_names_differ(plans)
    check_addresses_differ(plans)
    return Plan(pool, tuple(plans))


def check_declared_once(specs: Sequence[VmPoolSpec]) -> None:
    """Two declarations of one VM pool would undo each other. Raises Refused."""
    names = [spec.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Refused(f"VM pool {twice[0]!r} is declared {names.count(twice[0])} times. Keep one of the declarations.")


def check_names_differ(plans: Sequence[VmPoolPlan]) -> None:
    """No two new instances may bear one name. Raises Refused."""
    maker: dict[str, str] = {}
    for plan, create in _creations(plans):
        if create.name in maker:
            raise Refused(
                f"VM pools {maker[create.name]!r} and {plan.vm_pool!r} would both make an instance called "
                f"{create.name!r}. Give one of them another instance_name."
            )
        maker[create.name] = plan.vm_pool


def check_addresses_differ(plans: Sequence[VmPoolPlan]) -> None:
    """No two new instances may get one address. Raises Refused."""
    owner: dict[str, tuple[str, str]] = {}
    for plan, create in _creations(plans):
        for address in (address.partition("/")[0] for nic in create.nics for address in nic.addresses):
            if address in owner:
                other, other_pool = owner[address]
                raise Refused(
                    f"{create.name} of VM pool {plan.vm_pool!r}: address {address} is also that of {other}, to be made "
                    f"for VM pool {other_pool!r}. Declare ranges that do not overlap."
                )
            owner[address] = (create.name, plan.vm_pool)


def _creations(plans: Sequence[VmPoolPlan]) -> list[tuple[VmPoolPlan, Create]]:
    return [(plan, action) for plan in plans for action in plan.actions if isinstance(action, Create)]
