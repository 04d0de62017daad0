# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the plan of a VM pool: many instances at once, one failure stops nobody else."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable, Sequence, TypeVar

from ..model.records import HostPool
from ..plan import actions as plan
from ..plan.actions import Action, VmPoolPlan
from ..seed.tools import ToolError
from ..xapi.client import Client
from ..xapi.errors import XapiError
from . import change
from .create import make_instance
from .ownership import destroy_disk
from .power import shut_down_vm, start_vm
from .worksite import WORKERS, Worksite, worksite

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What became of one action."""

    name: str
    action: str
    error: str = ""  # a sentence or two for people; empty = done

    def as_data(self) -> dict[str, str | bool]:
        data: dict[str, str | bool] = {"instance": self.name, "action": self.action, "failed": bool(self.error)}
        return {**data, "msg": self.error} if self.error else data


def apply_vm_pool(client: Client, pool: HostPool, plan_: VmPoolPlan) -> list[Outcome]:
    """Do all that the plan says and report on every action. Never raises for the failure of one."""
    with worksite(client, pool) as site:
        removals = [a for a in plan_.changes if isinstance(a, (plan.Tidy, plan.Remove, plan.RemoveOverlay))]
        others = [a for a in plan_.changes if a not in removals]
        # Removals first: they free space, names and addresses that the others may need.
        outcomes = _all(removals, lambda action: _outcome(site, plan_, action))
        outcomes += _all(others, lambda action: _outcome(site, plan_, action))
    return outcomes


def _all(actions: Sequence[Action], work: Callable[[Action], T]) -> list[T]:
    with ThreadPoolExecutor(max_workers=WORKERS) as threads:
        return list(threads.map(work, actions))


def _outcome(site: Worksite, plan_: VmPoolPlan, action: Action) -> Outcome:
    verb = type(action).__name__.lower()
    try:
        _carry_out(site, plan_, action)
    except (XapiError, ToolError, OSError, ValueError) as problem:
        return Outcome(action.name, verb, _explain(action, problem))
    return Outcome(action.name, verb)


def _carry_out(site: Worksite, plan_: VmPoolPlan, action: Action) -> None:
    if isinstance(action, plan.Create):
        _create(site, plan_, action)
    elif isinstance(action, plan.Reattach):
        change.reattach(site, action)
        if action.start:
            start_vm(site, action.instance.vm.ref)
    elif isinstance(action, plan.Start):
        start_vm(site, action.instance.vm.ref)
    elif isinstance(action, plan.Stop):
        shut_down_vm(site, action.instance.vm.ref, force=False)
    elif isinstance(action, plan.Remove):
        change.remove(site, action.instance)
    elif isinstance(action, plan.Tidy):
        change.tidy(site, action.leftover)
    elif isinstance(action, plan.RemoveOverlay):
        destroy_disk(site, action.disk, None)


class _NotStarted(XapiError):
    """An instance was made and could not be started."""


def _create(site: Worksite, plan_: VmPoolPlan, action: plan.Create) -> None:
    if plan_.spec is None:
        raise ValueError("a plan that creates instances needs the declaration of their VM pool")
    vm = make_instance(site, plan_.spec, action)
    if action.start:
        try:
            start_vm(site, vm)
        except XapiError as problem:
            raise _NotStarted(str(problem)) from problem


_LEFT = {
    plan.Create: ("not created", "What was made of it is removed by the next run. Mend the cause and run apply again."),
    plan.Reattach: ("not repaired", "Its data is untouched. Mend the cause and run apply again."),
    plan.Start: ("not started", "It stays halted. Mend the cause and run apply again."),
    plan.Stop: ("not shut down", "It still runs. Shut it down in the guest, then run apply again."),
    plan.Remove: ("not removed", "It is marked for removal, which the next run finishes."),
    plan.Tidy: ("its remains were not removed", "The next run tries again."),
    plan.RemoveOverlay: ("its overlay was not deleted", "The next run tries again."),
}


def _explain(action: Action, problem: Exception) -> str:
    what, left = _LEFT[type(action)]
    if isinstance(problem, _NotStarted):
        what, left = "created, but not started", "It stays halted and complete; the next run starts it."
    instance = getattr(action, "instance", None)
    which = f" (VM {instance.vm.uuid})" if instance else ""
    reason = str(problem)
    return f"{action.name}{which}: {what}: {reason[:1].lower()}{reason[1:].rstrip('.')}. {left}"
