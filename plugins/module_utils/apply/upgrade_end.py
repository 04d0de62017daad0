# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a move to another master version: the guest has come up there, or has not."""

from __future__ import annotations

from ..model.boot_report import BootReport
from ..model.instances import RESTARTING, Instance
from ..model.upgrades import ROLLING_BACK, UPGRADING
from ..plan.upgrade_changes import FinishMove, MoveMaster
from .boot_wait import wait_for_report
from .master_disks import detach_old_roots
from .upgrade import NotMoved
from .upgrade_notes import forget, silence
from .worksite import Worksite


def await_end(site: Worksite, instance: Instance, item: MoveMaster | FinishMove) -> None:
    """Wait as long as guests are waited for until this one reports that it runs on the version; finish the move.

    Raises NotMoved and other XapiErrors.
    """
    goal, timeout = _goal_of(item), site.patience or 0.0
    report, power_state = wait_for_report(site.client, instance.vm.ref, timeout)
    if not report.is_running_on(goal.target_id):
        reason = _reason(report, goal, power_state, timeout)
        raise NotMoved(f"{goal.target_title} did not boot: {reason}", _what_is_left(goal))
    site.done(f"runs on {goal.target_title}")
    _finish(site, instance)


def _goal_of(item: MoveMaster | FinishMove) -> FinishMove:
    if isinstance(item, FinishMove):
        return item
    return FinishMove(item.target.master_id, item.target.title, item.is_back)


def _reason(report: BootReport, goal: FinishMove, power_state: str, timeout: float) -> str:
    if report.state:
        return report.trouble(goal.target_id)
    if power_state == "Halted":
        return "it switched itself off while booting; look at its console for the reason"
    return f"its guest has reported nothing within {timeout:.0f} seconds; look at its console"


def _what_is_left(goal: FinishMove) -> str:
    if goal.is_back:
        return "Its layer of that version is as it was. Look at its console, then run this again."
    return (
        "Its layer of the version before is as it was. Roll it back (module instance, state rolled_back), or mend the "
        "cause and upgrade it again."
    )


def _finish(site: Worksite, instance: Instance) -> None:
    """Remove what only the move needed. Raises XapiError."""
    detach_old_roots(site, instance.vm.ref)
    is_reset = instance.overlay is not None and instance.overlay.on_boot == "reset"
    if not is_reset:  # else each of its boots begins without a layer
        silence(site, instance)
    # What a rollback overrides goes before it, and does not come to life again.
    forget(site, instance, UPGRADING, ROLLING_BACK, RESTARTING)
