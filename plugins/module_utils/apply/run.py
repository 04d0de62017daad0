# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out plans: many instances at once, one failure stops nobody else unless that is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Callable, Iterable, Sequence

from ..model.records import HostPool
from ..plan import actions as plan
from ..plan.actions import Action, VmPoolPlan
from ..plan.spec import Concurrency
from ..seed.tools import ToolError
from ..xapi.client import Client
from ..xapi.errors import XapiError
from .actions import WORK, explain
from .outcome import Outcome, State
from .stopping import Stopped
from .worksite import Worksite, worksite

#: They free space, names and addresses that the others may need.
_REMOVALS = (plan.Tidy, plan.Remove, plan.RemoveOverlay)


Report = Callable[[Outcome], None]


@dataclass
class _Job:
    """An action of a plan, and what all actions of that plan share."""

    plan: VmPoolPlan
    action: Action
    failed: list[str]  # names of what has failed of this plan

    @property
    def sr(self) -> str:
        """The SR that it mostly waits for."""
        return self.action.overlay_sr.ref if isinstance(self.action, plan.Create) else ""


def apply_plans(
    client: Client,
    pool: HostPool,
    plans: Sequence[VmPoolPlan],
    report: Report = lambda _outcome: None,
    patience: float | None = None,
) -> list[Outcome]:
    """Do all that the plans say and return the outcome of every action, in their order.

    ``report`` is called with each outcome as it comes, by many threads. ``patience`` is what guests that move to
    another master version get to come up, in seconds; with None they are not waited for. Never raises for the
    failure of an action. Once the client is stopping, nothing new begins, and what runs gets a moment to end.
    """
    limits = [plan_.spec.concurrency for plan_ in plans if plan_.spec] or [Concurrency()]
    per_host, per_sr = min(one.per_host for one in limits), min(one.per_sr for one in limits)
    jobs = [job for plan_ in plans for job in _jobs(plan_)]
    with worksite(client, pool, per_host, per_sr, patience=patience) as site:
        removals = [job for job in jobs if isinstance(job.action, _REMOVALS)]
        others = [job for job in jobs if not isinstance(job.action, _REMOVALS)]
        outcomes = [*_all(site, removals, report), *_all(site, others, report)]
    order = {id(job): number for number, job in enumerate(jobs)}
    return [outcome for _job, outcome in sorted(outcomes, key=lambda pair: order[id(pair[0])])]


def _jobs(plan_: VmPoolPlan) -> Iterable[_Job]:
    failed: list[str] = []
    return [_Job(plan_, action, failed) for action in plan_.changes]


def _all(site: Worksite, jobs: Sequence[_Job], report: Report) -> list[tuple[_Job, Outcome]]:
    """Do jobs of many instances side by side; one thread carries one instance through all its steps."""
    if not jobs:
        return []
    by_instance: dict[tuple[str, str], list[_Job]] = {}
    for job in jobs:
        by_instance.setdefault((job.plan.vm_pool, job.action.name), []).append(job)
    by_sr: dict[str, list[list[_Job]]] = {}
    for of_one in by_instance.values():
        by_sr.setdefault(of_one[0].sr, []).append(of_one)
    # In turns, so that no SR idles while all threads wait for another one.
    turns = [of_one for of_one in chain.from_iterable(zip_longest(*by_sr.values())) if of_one is not None]

    def do(of_one: Sequence[_Job]) -> list[tuple[_Job, Outcome]]:
        """What is to be done with one instance, in the plan's order, up to the first failure."""
        outcomes: list[tuple[_Job, Outcome]] = []
        for job in of_one:
            is_hindered = bool(outcomes) and outcomes[-1][1].state is not State.DONE
            outcome = _do(site, job, is_hindered)
            report(outcome)
            outcomes.append((job, outcome))
        return outcomes

    with ThreadPoolExecutor(min(len(turns), site.windows.workers(len(by_sr))), "skinnybox") as threads:
        return list(chain.from_iterable(threads.map(do, turns)))


def _do(site: Worksite, job: _Job, is_hindered: bool) -> Outcome:
    """Carry an action out, unless the run is to stop or something failed before it that it cannot do without."""
    action, title = job.action, f"VM pool {job.plan.vm_pool}"
    site = site.for_action(title)

    def outcome(state: State, error: str = "") -> Outcome:
        verb, record = type(action).__name__.lower(), site.record
        done = tuple(record.steps), record.has_written, record.downtime
        return Outcome(job.plan.vm_pool, action.name, verb, state, error, *done)

    if site.is_stopping:
        return outcome(State.UNTRIED, f"{action.name}: not begun: the run was asked to stop.")
    if is_hindered:
        return outcome(State.UNTRIED, f"{action.name}: not tried: what comes before it was not done.")
    if job.failed and job.plan.spec and job.plan.spec.fail_fast:
        return outcome(State.UNTRIED, f"{action.name}: not tried: {job.failed[0]} failed before it (fail_fast).")
    try:
        WORK[type(action)].carry_out(site, job.plan, action)
    except Stopped:
        if not site.record.has_written:
            return outcome(State.UNTRIED, f"{action.name}: not begun: the run was asked to stop.")
        done = ", ".join(site.record.steps) or "its beginning"
        return outcome(State.STOPPED, f"{action.name}: stopped midway; done: {done}.")
    except (XapiError, ToolError, OSError, ValueError) as problem:
        job.failed.append(action.name)
        return outcome(State.FAILED, explain(action, problem))
    return outcome(State.DONE)
