# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a declaration to its result: plan, take the lock, plan anew, carry out, wait, and tell what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Iterable

from ..model.facts import instance_facts
from ..model.instances import instances
from ..model.records import HostPool
from ..plan.plan import Plan
from ..plan.refusal import Refused
from ..xapi.client import Client
from ..xapi.read import read_host_pool
from .lock import is_left, locked, part_of
from .outcome import Outcome, State, counts, failures
from .wait import wait_for_guests


@dataclass(frozen=True)
class Order:
    """What one run is to bring about."""

    vm_pools: tuple[str, ...] | None  # names of those that the plan may change; None: the plan tells
    make_plan: Callable[[HostPool], Plan]  # raises Refused
    check_mode: bool
    lock_timeout: float  # seconds to wait for others who change the same
    wait_timeout: float | None = None  # seconds to wait for guests; None: they are not waited for
    instance: str = ""  # the only one that the plan may change: others of its VM pool may be changed meanwhile


@dataclass(frozen=True)
class Report:
    """What became of it."""

    plan: Plan
    pool: HostPool  # as it is now
    changed: bool
    outcomes: tuple[Outcome, ...] = ()
    silent: tuple[str, ...] = ()  # a sentence for each guest that did not come up

    is_stopped: bool = False  # by a signal

    @property
    def is_whole(self) -> bool:
        """Whether all that was planned has been done."""
        return not self.silent and all(outcome.state is State.DONE for outcome in self.outcomes)

    @property
    def failures(self) -> list[str]:
        """All that went wrong, a sentence each."""
        return [*self.silent, *failures(self.outcomes)]

    def failure_message(self) -> str:
        """All that failed, in one place."""
        names = [repr(plan.vm_pool) for plan in self.plan.pools]
        which = f"VM pool {names[0]}" if len(names) == 1 else f"VM pools {', '.join(names)}"
        parts = [counts(self.outcomes)]
        if self.is_stopped:
            parts.insert(0, "stopped by a signal")
        if self.silent:
            parts.append(f"{len(self.silent)} guests did not come up")
        return " ".join([f"{which}: {'; '.join(parts)}.", *self.failures])

    def as_data(self, show: Callable[[HostPool], dict[str, Any]] | None = None) -> dict[str, Any]:
        """The result of a module: what was to be done, what was done, what there is.

        The latter is what ``show`` makes of the host pool, or the instances of the VM pools.
        """
        lines = self.plan.lines()
        data: dict[str, Any] = {
            "changed": self.changed,
            "plan": self.plan.as_data(),
            "plan_text": lines,
            **(show(self.pool) if show else {"instances": self._instances()}),
        }
        if self.plan.actions:
            data["diff"] = {"prepared": "\n".join(lines) + "\n"}
        if self.outcomes:
            data["outcomes"] = [outcome.as_data() for outcome in self.outcomes]
        return data

    def _instances(self) -> list[dict[str, Any]]:
        found = [instance for plan in self.plan.pools for instance in instances(self.pool, plan.vm_pool)]
        return [instance_facts(self.pool, instance) for instance in found]


def bring_about(client: Client, order: Order) -> Report:
    """Plan, then carry the plan out unless nothing is to be done or only a look was asked for.

    Raises Refused, Locked, XapiError before anything is written; what fails later stands in the report.
    """
    pool = read_host_pool(client)
    plan = order.make_plan(pool)
    if order.check_mode:
        return Report(plan, pool, changed=bool(plan.changes))
    names = order.vm_pools if order.vm_pools is not None else _vm_pools(plan)
    locks = [lock_of(name, order.instance) for name in names]
    if not plan.changes and not any(is_left(pool, lock) for lock in locks):
        return Report(plan, pool, changed=False)
    # Loaded only now: most runs find nothing to do, and end sooner without what would do it.
    from .progress import reported
    from .run import apply_plans

    with locked(client, pool, locks, order.lock_timeout):
        # Somebody may have finished the same work while we waited for our turn to look.
        pool = read_host_pool(client)
        plan = order.make_plan(pool)
        if not set(_vm_pools(plan)) <= set(names):
            raise Refused("While this run waited, another one moved what it works on to another VM pool. Run it again.")
        with reported(client, plan.pools, lambda vm_pool: lock_of(vm_pool, order.instance)) as report:
            outcomes = apply_plans(client, pool, plan.pools, report, order.wait_timeout)
    changed = any(outcome.has_changed for outcome in outcomes)
    pool, silent = _wait(client, order, plan, {outcome.name for outcome in outcomes if outcome.error})
    return Report(plan, pool, changed, tuple(outcomes), tuple(silent), client.stopping.is_set())


def _vm_pools(plan: Plan) -> tuple[str, ...]:
    return tuple(part.vm_pool for part in plan.pools)


def lock_of(vm_pool: str, instance: str = "") -> str:
    """What is locked by whoever changes a VM pool, or nothing but one instance of it."""
    return part_of(f"VM pool {vm_pool}", instance) if instance else f"VM pool {vm_pool}"


def _wait(client: Client, order: Order, plan: Plan, failed: Iterable[str]) -> tuple[HostPool, list[str]]:
    """The host pool after the run, and a sentence for each guest that was started and did not come up."""
    pool = read_host_pool(client)
    silent: list[str] = []
    if order.wait_timeout is None or client.stopping.is_set():
        return pool, silent
    deadline = time.monotonic() + order.wait_timeout
    for part in plan.pools:
        awaited = set(part.started()) - set(failed)
        left = max(0.0, deadline - time.monotonic())
        pool, problems = wait_for_guests(client, pool, part.vm_pool, awaited, left)
        silent += problems.values()
    return pool, silent
