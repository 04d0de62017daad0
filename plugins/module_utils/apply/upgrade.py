# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have an instance boot from another master version, and finish that once its guest runs there.

The VM bears the label ``upgrading`` or ``rolling_back`` from before its first attachment is changed until its guest has
reported that it runs. Killed in between, the next run goes on from there; its own labels are the last to say that the
instance is of the new version, so that what was not complete is done again.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Mapping

from ..model.boot_report import REPORT_KEY
from ..model.instances import RESTARTING, Instance
from ..model.labels import PREFIX
from ..model.masters import MasterVersion
from ..model.upgrades import (
    ABANDONED,
    LABELS,
    NEW_LAYER,
    NEXT_PREVIOUS,
    PREVIOUS,
    REBASE_FROM,
    REBASE_REQUEST,
    ROLLING_BACK,
    UPGRADE_TO,
    UPGRADING,
    move_of,
)
from ..plan.upgrade_changes import REBASE, DetachRoot, FinishMove, ForgetPrevious, MoveMaster, SetUpgradeTo
from ..xapi.errors import XapiError
from .alter_nics import set_label
from .alter_vm import set_key
from .boot_wait import wait_for_report
from .master_disks import attach_master, attach_old_root, detach_old_roots, detach_root, version_labels
from .worksite import Worksite


class NotMoved(XapiError):
    """An instance does not run on the version that it was to move to; ``left`` says what is left, and what to do."""

    def __init__(self, text: str, left: str) -> None:
        super().__init__(text)
        self.left = left


def move(site: Worksite, instance: Instance, item: MoveMaster) -> None:
    """Do to a halted instance what the item says, once or again. Raises XapiError."""
    vm, target = instance.vm.ref, item.target
    _set_labels(site, "VM", vm, {ROLLING_BACK if item.is_back else UPGRADING: target.master_id})
    _forget(site, instance, UPGRADE_TO)
    _tell_guest(site, instance, item)
    _attach(site, instance, item, target)
    for key in item.boot:
        set_key(site, vm, key)
    if item.is_back and item.source_id:
        _set_labels(site, "VM", vm, {ABANDONED: item.source_id})
    elif not item.is_back:
        _forget(site, instance, ABANDONED)
    _set_previous(site, instance, item.previous)
    _label(site, instance, target)
    site.done(f"master {target.title}")


def undo(site: Worksite, instance: Instance, item: MoveMaster) -> bool:
    """After a failure within a move, have the instance as it was before; whether it is. Raises XapiError.

    A rollback is not undone: what it leaves is worse than what it goes to.
    """
    if site.read("VM.get_power_state", instance.vm.ref) != "Halted":
        return True  # it has not begun
    if item.is_back or item.source is None:
        return False
    vm, source = instance.vm.ref, item.source
    _attach(site, instance, replace(item, position=""), source)
    for key in item.boot:
        set_key(site, vm, replace(key, have=key.want, want=key.have))
    _set_previous(site, instance, item.before)
    _label(site, instance, source)
    _silence(site, instance)
    _forget(site, instance, UPGRADING)
    return True


def not_moved(problem: Exception, item: MoveMaster, is_undone: bool, is_up: bool) -> NotMoved:
    """The failure of a move, with what became of the instance."""
    if is_undone and is_up:
        left = f"It runs on {item.source_title} as before."
    elif is_undone:
        left = f"It is halted, and of {item.source_title} as before. Run apply to start it."
    else:
        left = "It is halted between two versions. Run this again to finish it" + (
            "." if item.is_back else ", or roll it back (module instance, state rolled_back)."
        )
    return NotMoved(str(problem), left)


def await_end(site: Worksite, instance: Instance, item: MoveMaster | FinishMove, timeout: float) -> None:
    """Wait until the guest reports that it runs on the version, and finish the move. Raises NotMoved, other
    XapiErrors.

    ``timeout`` is in seconds.
    """
    goal = _goal_of(item)
    report, power_state = wait_for_report(site.client, instance.vm.ref, timeout)
    if report.is_running_on(goal.target_id):
        site.done(f"runs on {goal.target_title}")
        finish(site, instance, goal)
        return
    reason = report.reason
    if report.state == "running":
        reason = f"it has come up from another version, {report.values.get('master', 'unknown')}"
    elif report.state == "degraded":
        reason = f"it runs without its overlay and keeps nothing{': ' if reason else ''}{reason}"
    elif not report.state and power_state != "Halted":
        reason = f"its guest has reported nothing within {timeout:.0f} seconds; look at its console"
    elif not report.state:
        reason = "it switched itself off while booting; look at its console for the reason"
    raise NotMoved(f"{goal.target_title} did not boot: {reason or report.state}", _what_is_left(goal))


def _what_is_left(goal: FinishMove) -> str:
    if goal.is_back:
        return "Its layer of that version is as it was. Look at its console, then run this again."
    return (
        "Its layer of the version before is as it was. Roll it back (module instance, state rolled_back), or mend the "
        "cause and upgrade it again."
    )


def finish(site: Worksite, instance: Instance, item: FinishMove) -> None:
    """Remove what only the move needed. Raises XapiError."""
    detach_old_roots(site, instance.vm.ref)
    is_reset = instance.overlay is not None and instance.overlay.on_boot == "reset"
    if not is_reset:  # else each of its boots begins without a layer
        _silence(site, instance)
    # What a rollback overrides goes before it, and does not come to life again.
    _forget(site, instance, UPGRADING, ROLLING_BACK, RESTARTING)


def clear(site: Worksite, instance: Instance) -> None:
    """Forget all of an instance's versions but the one that it is made anew on. It is halted. Raises XapiError."""
    detach_old_roots(site, instance.vm.ref)
    _silence(site, instance)
    _forget(site, instance, *LABELS)


def detach(site: Worksite, item: DetachRoot) -> None:
    """Detach the root of a former version. Raises XapiError."""
    detach_root(site, item.attachment.ref)


def set_upgrade_to(site: Worksite, instance: Instance, item: SetUpgradeTo) -> None:
    """Note to which version the next restart takes the instance. Raises XapiError."""
    if item.want_id:
        _set_labels(site, "VM", instance.vm.ref, {UPGRADE_TO: item.want_id})
    else:
        _forget(site, instance, UPGRADE_TO)


def forget_previous(site: Worksite, instance: Instance, _item: ForgetPrevious) -> None:
    """Have the instance go back nowhere any more. Raises XapiError."""
    _forget(site, instance, NEXT_PREVIOUS, PREVIOUS, ABANDONED)


def _goal_of(item: MoveMaster | FinishMove) -> FinishMove:
    if isinstance(item, FinishMove):
        return item
    return FinishMove(item.target.master_id, item.target.title, item.is_back)


def _attach(site: Worksite, instance: Instance, item: MoveMaster, master: MasterVersion) -> None:
    vm, root = instance.vm.ref, item.source.root if item.source else None
    if not item.position:
        detach_old_roots(site, vm)
    attach_master(site, vm, master)
    if item.position and root:
        attach_old_root(site, vm, root, item.position)


def _tell_guest(site: Worksite, instance: Instance, item: MoveMaster) -> None:
    """Have the boot hook know what it is to do without a layer. What an older boot reported goes."""
    known = site.read("VM.get_xenstore_data", instance.vm.ref)
    wanted = {NEW_LAYER: item.policy} if item.policy else {}
    if item.policy == REBASE:
        # A move that was interrupted is the same request: a layer that was built for it is not built again.
        is_same = move_of(instance.vm) and known.get(REBASE_FROM) == item.source_id
        request = known.get(REBASE_REQUEST) if is_same else None
        wanted |= {REBASE_FROM: item.source_id, REBASE_REQUEST: request or str(uuid.uuid4())}
    for key in (REPORT_KEY, NEW_LAYER, REBASE_FROM, REBASE_REQUEST):
        if key in known and known[key] != wanted.get(key):
            site.repeat("VM.remove_from_xenstore_data", instance.vm.ref, key)
        if key in wanted and known.get(key) != wanted[key]:
            _tell(site, instance.vm.ref, key, wanted[key])


def _tell(site: Worksite, vm: str, key: str, value: str) -> None:
    def look() -> bool | None:
        return site.read("VM.get_xenstore_data", vm).get(key) == value or None

    site.settle(lambda: site.write("VM.add_to_xenstore_data", vm, key, value), look)


def _silence(site: Worksite, instance: Instance) -> None:
    """The boot hook is told nothing any more."""
    known = site.read("VM.get_xenstore_data", instance.vm.ref)
    for key in (NEW_LAYER, REBASE_FROM, REBASE_REQUEST):
        if key in known:
            site.repeat("VM.remove_from_xenstore_data", instance.vm.ref, key)


def _set_previous(site: Worksite, instance: Instance, ids: tuple[str, ...]) -> None:
    """Write the label anew. Killed at any point, the old list or the new one is there."""
    if ids:
        _set_labels(site, "VM", instance.vm.ref, {NEXT_PREVIOUS: " ".join(ids)})
        _set_labels(site, "VM", instance.vm.ref, {PREVIOUS: " ".join(ids)})
    else:
        _forget(site, instance, PREVIOUS)
    _forget(site, instance, NEXT_PREVIOUS)


def _label(site: Worksite, instance: Instance, master: MasterVersion) -> None:
    """Have overlay and VM say of which version they are: the VM's id last, it says that all else is done."""
    if instance.overlay:
        _set_labels(site, "VDI", instance.overlay.ref, version_labels(master))
    _set_labels(site, "VM", instance.vm.ref, version_labels(master))


def _set_labels(site: Worksite, cls: str, ref: str, labels: Mapping[str, str]) -> None:
    """Give labels these values where they have others, in this order. Raises XapiError."""
    known = site.read(f"{cls}.get_other_config", ref)
    for name, value in labels.items():
        if known.get(PREFIX + name) != value:
            set_label(site, cls, ref, name, value)


def _forget(site: Worksite, instance: Instance, *labels: str) -> None:
    """Remove labels of the VM where there are any, in this order. Raises XapiError."""
    known = site.read("VM.get_other_config", instance.vm.ref)
    for label in labels:
        if PREFIX + label in known:
            site.repeat("VM.remove_from_other_config", instance.vm.ref, PREFIX + label)
