# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a move to another master version is still to be done, and what goes along with a restart. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.boot_report import boot_report
from ..model.instances import Instance
from ..model.records import HostPool
from ..model.upgrades import UPGRADE_TO, Move, move_of, title_of
from .changes import Item
from .refusal import Refused
from .upgrade import next_restart, old_roots, plan_rollback, plan_upgrade, version_by_id
from .upgrade_changes import DetachRoot, FinishMove


@dataclass(frozen=True)
class Unfinished:
    """What a move that was begun still needs: items, or a person."""

    items: tuple[Item, ...] = ()
    note: str = ""
    stays_down: bool = False  # another start would only fail as the last one did


def unfinished(pool: HostPool, instance: Instance, is_awaited: bool = False) -> Unfinished:
    """What is still to be done of the move that an instance is in.

    With ``is_awaited`` the end of a boot that is under way is part of it. What was interrupted before the instance
    was complete is done again; what was not, and a guest that refused to boot, is a person's.
    """
    move = move_of(instance.vm)
    if move is None:
        return Unfinished()
    title = title_of(pool, move.target)
    if not move.has_arrived:
        return _interrupted(pool, instance, move, title)
    report = boot_report(instance.vm.xenstore_data)
    finish = FinishMove(move.target, title, move.is_back)
    if report.is_running_on(move.target):
        return Unfinished((finish,))
    if report.state:
        return Unfinished(note=_failed(move, title, report.trouble(move.target)), stays_down=True)
    is_booting = instance.vm.power_state == "Running" and is_awaited
    return Unfinished((finish,)) if is_booting else Unfinished()


def _interrupted(pool: HostPool, instance: Instance, move: Move, title: str) -> Unfinished:
    what = "rollback" if move.is_back else "upgrade"
    version = version_by_id(pool, move.target)
    if version is None:
        way_out = "rebuild it (module instance, state rebuilt)" if move.is_back else "roll it back (state rolled_back)"
        return Unfinished(note=f"its {what} to {title} was interrupted, and that version is gone: {way_out}")
    try:
        plan = plan_rollback if move.is_back else plan_upgrade
        return Unfinished((plan(pool, instance, version),))
    except Refused as refusal:
        return Unfinished(note=f"its {what} to {title} was interrupted and cannot be finished: {refusal}")


def _failed(move: Move, title: str, reason: str) -> str:
    if move.is_back:
        return f"could not boot {title} after its rollback: {reason}. Look at its console"
    return (
        f"could not boot {title} after its upgrade: {reason}. Roll it back (module instance, state "
        "rolled_back), or mend the cause and upgrade it again (state upgraded)"
    )


def along(pool: HostPool, instance: Instance, starts: bool) -> tuple[Item, ...]:
    """What is done to a halted instance besides, or to one that is restarted anyway; ``starts``: it will run then.

    Raises Refused when its next restart was to upgrade it, and that cannot be.
    """
    if move := move_of(instance.vm):
        is_unheard_of = move.has_arrived and not boot_report(instance.vm.xenstore_data).state
        return again(pool, instance, move) if starts and is_unheard_of else ()
    roots = [
        DetachRoot(attachment, title_of(pool, master_id), instance.vm.power_state != "Running")
        for attachment, master_id in old_roots(pool, instance)
    ]
    upgrade = next_restart(pool, instance) if starts else None
    return (*roots, *((upgrade,) if upgrade else ()))


def again(pool: HostPool, instance: Instance, move: Move) -> tuple[Item, ...]:
    """The move that an instance is in, to be made once more: what is done already is left. Raises Refused."""
    version = version_by_id(pool, move.target)
    if version is None:
        raise Refused(f"{instance.name} (VM {instance.vm.uuid}): version {title_of(pool, move.target)} is gone.")
    return ((plan_rollback if move.is_back else plan_upgrade)(pool, instance, version),)


def next_restart_note(pool: HostPool, instance: Instance) -> str:
    """Why the upgrade at the instance's next restart cannot be, for people; empty when nothing stands in its way."""
    try:
        next_restart(pool, instance)
    except Refused as refusal:
        title = title_of(pool, instance.vm.labels[UPGRADE_TO])
        return f"was to be upgraded to {title} at its next restart, which cannot be: {refusal}"
    return ""
