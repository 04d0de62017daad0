# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a change of an instance: item by item, within a restart where that is needed.

Killed anywhere, what is done is done, and the next plan shows the rest. A restart is noted in the VM's labels
before the shutdown: an instance whose restart was interrupted is started by the next run, however its VM pool is
declared.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Callable, Iterable, Mapping

from ..model.instances import RESTARTING, Instance
from ..model.labels import PREFIX
from ..model.upgrades import move_of
from ..plan import disk_changes, nic_changes, overlay_changes, upgrade_changes, vm_changes
from ..plan.actions import Change
from ..plan.changes import Item
from ..plan.upgrade_changes import FinishMove, MoveMaster
from ..xapi.errors import XapiError
from . import alter_disks, alter_nics, alter_vm, overlay_disk, upgrade, upgrade_end, upgrade_notes
from .change import check_vm, reattach
from .disks import claim_disk
from .master_disks import detach_root
from .power import shut_down_vm, start_placed
from .stopping import Stopped
from .worksite import Worksite

#: How each item is carried out; all of them raise XapiError.
_DO: Mapping[type, Callable[[Worksite, Instance, Any, bool], None]] = {
    vm_changes.SetVcpus: lambda site, of, item, running: alter_vm.set_vcpus(site, of.vm.ref, item, running),
    vm_changes.SetMemory: lambda site, of, item, running: alter_vm.set_memory(site, of.vm.ref, item, running),
    vm_changes.SetKey: lambda site, of, item, _running: alter_vm.set_key(site, of.vm.ref, item),
    vm_changes.SetName: lambda site, of, item, _running: alter_vm.set_name(site, of.vm.ref, item),
    vm_changes.BlockOperations: lambda site, of, item, _running: alter_vm.block_operations(site, of.vm.ref, item),
    disk_changes.DropOwner: lambda site, _of, item, _running: alter_disks.drop_owner(site, item),
    disk_changes.SetAttachment: lambda site, _of, item, _running: alter_disks.set_attachment(site, item),
    nic_changes.AddNic: alter_nics.add_nic,
    nic_changes.PlugNic: alter_nics.plug_nic,
    nic_changes.MoveNic: alter_nics.move_nic,
    nic_changes.RemoveNic: alter_nics.remove_nic,
    nic_changes.NoteNics: lambda site, of, _item, _running: alter_nics.note_nics(site, of),
    disk_changes.AddDisk: alter_disks.add_disk,
    disk_changes.AttachDisk: alter_disks.reattach_disk,
    disk_changes.GrowDisk: lambda site, _of, item, _running: alter_disks.grow_disk(site, item),
    disk_changes.SetOnBoot: lambda site, _of, item, _running: alter_disks.change_on_boot(site, item),
    disk_changes.SetSwap: lambda site, of, item, _running: alter_disks.set_swap(site, of, item),
    disk_changes.ClaimDisk: lambda site, of, item, _running: claim_disk(site, item.disk, of.vm.uuid),
    overlay_changes.ResetOverlay: lambda site, of, item, _running: overlay_disk.reset_overlay(site, of, item),
    overlay_changes.RevertOverlay: lambda site, of, item, _running: overlay_disk.revert_overlay(site, of, item),
    overlay_changes.DeleteOverlay: lambda site, of, item, _running: overlay_disk.delete_overlay(site, of, item),
    upgrade_changes.MoveMaster: lambda site, of, item, _running: upgrade.move(site, of, item),
    upgrade_changes.FinishMove: lambda site, of, item, _running: upgrade_end.await_end(site, of, item),
    upgrade_changes.DetachRoot: lambda site, _of, item, _running: detach_root(site, item.attachment.ref),
    upgrade_changes.SetUpgradeTo: lambda site, of, item, _running: upgrade_notes.set_upgrade_to(site, of, item),
    upgrade_changes.ForgetPrevious: lambda site, of, item, _running: upgrade_notes.forget_previous(site, of, item),
    # A restart is over when the VM runs, see below.
    vm_changes.EndRestart: lambda _site, _of, _item, _running: None,
}


def change(site: Worksite, action: Change) -> None:
    """Do all that the action says. Raises XapiError, ToolError; then a VM that ran is started again."""
    vm = action.instance.vm
    restarts = action.stop and action.start
    check_vm(site, vm)
    if restarts:
        site.add_key("VM", vm.ref, PREFIX + RESTARTING, "true")
    begin = time.monotonic()
    try:
        if action.stop:
            shut_down_vm(site, vm.ref, force=action.force)
        if action.lost:
            reattach(site, action.lost)
        do_items(site, action.instance, action.items, running=vm.power_state == "Running" and not action.stop)
        if action.start:
            _start(site, action)
        elif action.instance.is_being_restarted and not move_of(vm):
            forget_restart(site, vm.ref)
    except Stopped:
        raise
    except Exception as problem:
        if restarts:
            # Whoever looks at the failure had better find the service up.
            _recover(site, action, problem)
        raise
    move = _move_in(action)
    if action.start and move and site.patience is not None:
        upgrade_end.await_end(site, action.instance, move)
        site.record.downtime = time.monotonic() - begin if action.stop else None


def do_items(site: Worksite, instance: Instance, items: Iterable[Item], running: bool) -> None:
    """Carry out items one by one, on a VM that is running or halted. Raises XapiError, ToolError."""
    for item in items:
        _DO[type(item)](site, instance, item, running)
        site.done(item.text())


def forget_restart(site: Worksite, vm: str) -> None:
    """Nobody has to start the VM any more. Raises XapiError."""
    site.repeat("VM.remove_from_other_config", vm, PREFIX + RESTARTING)


def _recover(site: Worksite, action: Change, problem: Exception) -> None:
    """After a failure, start the VM if it is halted; it is being restarted no more.

    From which version, if it was to boot from another one: the one before. Raises NotMoved, which says so.
    """
    move = _move_in(action)
    is_whole = is_up = False
    with suppress(XapiError):
        is_whole = move is None or upgrade.undo(site, action.instance, move)
        if is_whole:
            _go_on(site, action)
            is_up = True
    if move:
        raise upgrade.not_moved(problem, move, is_whole, is_up) from problem


def _go_on(site: Worksite, action: Change) -> None:
    vm = action.instance.vm
    if site.read("VM.get_power_state", vm.ref) == "Halted":
        start_placed(site, vm.ref, site.pool.hosts.get(vm.host), action.pinned)
    forget_restart(site, vm.ref)


def _start(site: Worksite, action: Change) -> None:
    """Start the VM; after a restart where it ran, unless that host cannot take it any more."""
    vm = action.instance.vm
    start_placed(site, vm.ref, site.pool.hosts.get(vm.host) if action.stop else action.host, action.pinned)
    is_moving = _move_in(action) or (move_of(vm) and not any(isinstance(one, FinishMove) for one in action.items))
    # Of a move, it is a part until the guest has reported that it runs.
    if not is_moving and (action.stop or action.instance.is_being_restarted):
        forget_restart(site, vm.ref)


def _move_in(action: Change) -> MoveMaster | None:
    return next((item for item in action.items if isinstance(item, MoveMaster)), None)
