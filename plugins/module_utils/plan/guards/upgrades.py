# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of instances that are on their way to another master version, and of what is left of the version before."""

from __future__ import annotations

from typing import Iterator

from ...model.boot_report import boot_report
from ...model.instances import Instance
from ...model.upgrades import Move, move_of, previous_of, title_of
from ..upgrade import old_roots
from .finding import Finding, Severity, subject, subject_of_vbd
from .view import View, listed, shut_down_first


def unfinished_moves(view: View) -> Iterator[Finding]:
    """Instances that are between two versions, or did not boot from the one that they came to."""
    for instance in view.instances:
        move = move_of(instance.vm)
        if move and not move.has_arrived:
            yield _interrupted(view, instance, move)
        elif move and _has_failed(instance, move):
            yield _failed(view, instance, move)


def attached_old_roots(view: View) -> Iterator[Finding]:
    """Roots of former versions that stayed attached after an upgrade was over."""
    for instance in view.instances:
        vm = instance.vm
        move = move_of(vm)
        if move and not boot_report(vm.xenstore_data).is_running_on(move.target):
            continue  # it is needed, or may be
        for vbd, master_id in old_roots(view.pool, instance):
            title = title_of(view.pool, master_id)
            yield Finding(
                "old-root-attached",
                Severity.NOTE,
                subject_of_vbd(view.pool, vbd),
                f"{instance.name} has the root disk of {title} attached besides its own, which keeps that version from "
                "being retired",
                f"{shut_down_first(vm)}xe vbd-destroy uuid={vbd.uuid}; apply does it when it restarts the instance",
                **view.concerned(vm.labels),
            )


def lost_ways_back(view: View) -> Iterator[Finding]:
    """Instances that remember a version to go back to that is not there any more."""
    there = {copy.blueprint.labels["master_id"] for copy in view.copies if not copy.missing}
    for instance in view.instances:
        if lost := [title_of(view.pool, one) for one in previous_of(instance.vm.labels) if one not in there]:
            yield Finding(
                "previous-lost",
                Severity.NOTE,
                subject(instance.vm),
                f"cannot be rolled back to {listed(lost)}: not published any more",
                "have it forget them (module instance, state committed)",
                **view.concerned(instance.vm.labels),
            )


def _has_failed(instance: Instance, move: Move) -> bool:
    report = boot_report(instance.vm.xenstore_data)
    return bool(report.state) and not report.is_running_on(move.target)


def _interrupted(view: View, instance: Instance, move: Move) -> Finding:
    what, title = ("rollback", "rolled back") if move.is_back else ("upgrade", "upgraded")
    return Finding(
        "upgrade-interrupted",
        Severity.WARNING,
        subject(instance.vm),
        f"is being {title} to {title_of(view.pool, move.target)}, or a run was killed while it did: it must not be "
        "started before that is done",
        f"run apply for VM pool {instance.pool}: it goes on with the {what}; or roll it back (module instance)",
        **view.concerned(instance.vm.labels),
    )


def _failed(view: View, instance: Instance, move: Move) -> Finding:
    reason = boot_report(instance.vm.xenstore_data).trouble(move.target)
    title = title_of(view.pool, move.target)
    return Finding(
        "upgrade-failed",
        Severity.WARNING,
        subject(instance.vm),
        f"did not boot from {title} after it was moved there: {reason}",
        "look at its console" + ("" if move.is_back else "; roll it back (module instance, state rolled_back)"),
        **view.concerned(instance.vm.labels),
    )
