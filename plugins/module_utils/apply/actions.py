# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out one action of a plan: what does it, and what is said when it fails."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ..plan import actions as plan
from ..plan.actions import VmPoolPlan
from ..plan.instance_actions import Rebuild, Restart
from ..plan.overlay_actions import GrowKept, RemoveSnapshot, TakeSnapshot
from ..xapi.errors import XapiError
from . import alter, change
from .create import NotMade, make_instance
from .overlay_disk import grow_kept
from .ownership import destroy_disk
from .power import reboot_vm, shut_down_vm, start_placed
from .rebuild import rebuild
from .snapshots import take_snapshot
from .stopping import Stopped
from .upgrade import NotMoved
from .worksite import Worksite


@dataclass(frozen=True)
class Work:
    """How one kind of action is carried out."""

    carry_out: Callable[[Worksite, VmPoolPlan, Any], None]  # raises XapiError, ToolError, OSError
    failed: str  # in two or three words
    left: str  # what is left, and what to do


class NotStarted(XapiError):
    """An instance was made, as the VM of this uuid, and could not be started."""

    def __init__(self, problem: XapiError, vm: str) -> None:
        super().__init__(str(problem))
        self.vm = vm


def _create(site: Worksite, plan_: VmPoolPlan, action: plan.Create) -> None:
    if plan_.spec is None:
        raise ValueError("a plan that creates instances needs the declaration of their VM pool")
    vm = make_instance(site, plan_.spec, action)
    if action.start:
        try:
            start_placed(site, vm, action.host, action.pinned)
        except Stopped:
            raise
        except XapiError as problem:
            raise NotStarted(problem, _uuid_of(site, vm)) from problem


def _uuid_of(site: Worksite, vm: str) -> str:
    """A VM's uuid for a message; empty when XAPI does not tell."""
    with suppress(XapiError):
        return str(site.read("VM.get_uuid", vm))
    return ""


def _reattach(site: Worksite, _plan: VmPoolPlan, action: plan.Reattach) -> None:
    change.reattach(site, action)
    if action.start:
        start_placed(site, action.instance.vm.ref, action.host, action.pinned)


def _change(site: Worksite, _plan: VmPoolPlan, action: plan.Change) -> None:
    alter.change(site, action)


def _start(site: Worksite, _plan: VmPoolPlan, action: plan.Start) -> None:
    start_placed(site, action.instance.vm.ref, action.host, action.pinned)


def _restart(site: Worksite, _plan: VmPoolPlan, action: Restart) -> None:
    reboot_vm(site, action.instance.vm.ref, force=action.force)


def _rebuild(site: Worksite, plan_: VmPoolPlan, action: Rebuild) -> None:
    if plan_.spec is None:
        raise ValueError("a plan that rebuilds instances needs the declaration of their VM pool")
    rebuild(site, plan_.spec, action)


def _stop(site: Worksite, _plan: VmPoolPlan, action: plan.Stop) -> None:
    shut_down_vm(site, action.instance.vm.ref, force=action.force)


def _remove(site: Worksite, _plan: VmPoolPlan, action: plan.Remove) -> None:
    change.remove(site, action.instance, action.keep_overlay)


def _tidy(site: Worksite, _plan: VmPoolPlan, action: plan.Tidy) -> None:
    change.tidy(site, action.leftover)


def _remove_overlay(site: Worksite, _plan: VmPoolPlan, action: plan.RemoveOverlay) -> None:
    for disk in (*action.others, action.disk):  # the overlay last: by it the next run knows of the others
        destroy_disk(site, disk, None)


def _take_snapshot(site: Worksite, _plan: VmPoolPlan, action: TakeSnapshot) -> None:
    take_snapshot(site, action.disk, action.snapshot)


def _remove_snapshot(site: Worksite, _plan: VmPoolPlan, action: RemoveSnapshot) -> None:
    destroy_disk(site, action.disk, None)


def _grow_kept(site: Worksite, _plan: VmPoolPlan, action: GrowKept) -> None:
    grow_kept(site, action.disk, action.size)


WORK: Mapping[type, Work] = {
    plan.Create: Work(_create, "not created", "What was made of it is removed by the next run."),
    plan.Reattach: Work(_reattach, "not repaired", "Its data is untouched."),
    plan.Change: Work(_change, "not changed", "What was not changed is as it was."),
    Restart: Work(_restart, "not restarted", "It is as it was."),
    Rebuild: Work(_rebuild, "not rebuilt", "Its rebuilding has begun, and is done again by the next run."),
    plan.Start: Work(_start, "not started", "It stays halted."),
    plan.Stop: Work(_stop, "not shut down", "It still runs: shut it down in the guest."),
    plan.Remove: Work(_remove, "not removed", "The next run finishes its removal."),
    plan.Tidy: Work(_tidy, "its remains were not removed", "The next run tries again."),
    plan.RemoveOverlay: Work(_remove_overlay, "its overlay was not deleted", "The next run tries again."),
    TakeSnapshot: Work(_take_snapshot, "no snapshot taken", "Its overlay is untouched."),
    RemoveSnapshot: Work(_remove_snapshot, "its snapshot was not deleted", "It is as it was."),
    GrowKept: Work(_grow_kept, "its overlay was not grown", "It is as it was."),
}

_NOT_STARTED = "It stays halted and complete; the next run starts it."


def explain(action: plan.Action, problem: Exception) -> str:
    """What failed, on which object, why, what is left and what to do, in a few sentences."""
    work = WORK[type(action)]
    what, left, next_step = work.failed, work.left, " Mend the cause and run apply again."
    if isinstance(problem, NotStarted):
        what, left = "created, but not started", _NOT_STARTED
    elif isinstance(problem, NotMade):
        left = problem.left
    elif isinstance(problem, NotMoved):
        what, left, next_step = "not moved to another master version", problem.left, ""
    instance = getattr(action, "instance", None)
    vm = problem.vm if isinstance(problem, NotStarted) else instance.vm.uuid if instance else ""
    which = f" (VM {vm})" if vm else ""
    reason = str(problem).rstrip(".")
    if reason[1:2].islower():
        reason = reason[0].lower() + reason[1:]
    return f"{action.name}{which}: {what}: {reason}. {left}{next_step}"
