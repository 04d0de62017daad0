# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have an instance boot from another master version, and have it boot from the one before when that fails.

The VM bears the label ``upgrading`` or ``rolling_back`` from before its first attachment is changed until its guest has
reported that it runs. Killed in between, the next run goes on from there; its own labels are the last to say that the
instance is of the new version, so that what was not complete is done again.
"""

from __future__ import annotations

from dataclasses import replace

from ..model.instances import Instance
from ..model.masters import MasterVersion
from ..model.upgrades import ABANDONED, ROLLING_BACK, UPGRADE_TO, UPGRADING
from ..plan.upgrade_changes import MoveMaster
from ..xapi.errors import XapiError
from .alter_vm import set_key
from .master_disks import attach_master, attach_old_root, detach_old_roots
from .upgrade_notes import forget, label_version, set_labels, set_previous, silence, tell_guest
from .worksite import Worksite


class NotMoved(XapiError):
    """An instance does not run on the version that it was to move to; ``left`` says what is left, and what to do."""

    def __init__(self, text: str, left: str) -> None:
        super().__init__(text)
        self.left = left


def move(site: Worksite, instance: Instance, item: MoveMaster) -> None:
    """Do to a halted instance what the item says, once or again. Raises XapiError."""
    vm, target = instance.vm.ref, item.target
    set_labels(site, "VM", vm, {ROLLING_BACK if item.is_back else UPGRADING: target.master_id})
    forget(site, instance, UPGRADE_TO)
    tell_guest(site, instance, item)
    _attach(site, instance, item, target)
    for key in item.boot:
        set_key(site, vm, key)
    if item.is_back and item.source_id:
        set_labels(site, "VM", vm, {ABANDONED: item.source_id})
    elif not item.is_back:
        forget(site, instance, ABANDONED)
    set_previous(site, instance, item.previous)
    label_version(site, instance, target)
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
    set_previous(site, instance, item.before)
    label_version(site, instance, source)
    silence(site, instance)
    forget(site, instance, UPGRADING)
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


def _attach(site: Worksite, instance: Instance, item: MoveMaster, master: MasterVersion) -> None:
    vm, root = instance.vm.ref, item.source.root if item.source else None
    if not item.position:
        detach_old_roots(site, vm)
    attach_master(site, vm, master)
    if item.position and root:
        attach_old_root(site, vm, root, item.position)
