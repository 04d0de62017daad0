# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan states upgraded, rolled_back and committed of one instance. Pure."""

from __future__ import annotations

from ..model.boot_report import boot_report
from ..model.instances import Instance
from ..model.masters import MasterVersion
from ..model.records import HostPool
from ..model.upgrades import ABANDONED, UPGRADE_TO, Move, move_of, previous_of, title_of
from .changes import Item
from .instance_wish import InstanceWish
from .lookup import find_master
from .refusal import Refused
from .spec import MasterName
from .upgrade import plan_rollback, plan_upgrade, source_id_of, version_by_id
from .upgrade_changes import ForgetPrevious, SetUpgradeTo
from .upgrade_rest import again, unfinished


def state_items(wish: InstanceWish, pool: HostPool, instance: Instance) -> tuple[Item, ...]:
    """What brings an instance to state upgraded, rolled_back or committed; nothing when it is there. Raises Refused."""
    if wish.state == "committed":
        return _commit(pool, instance)
    if wish.state == "rolled_back":
        return _roll_back(wish, pool, instance)
    return _upgrade(wish, pool, instance)


def _upgrade(wish: InstanceWish, pool: HostPool, instance: Instance) -> tuple[Item, ...]:
    labels, move = instance.vm.labels, move_of(instance.vm)
    target = _target(wish, pool, instance)
    if move and (move.is_back or move.target != target.master_id):
        _refuse_other(pool, instance, move)
    if target.master_id in previous_of(labels) and not move:
        raise Refused(
            f"{_who(instance)} was upgraded from {target.title} and can go back to it: use playbook rollback (state "
            "rolled_back), which takes its old layer. To carry its changes over to it anew, commit it first (state "
            "committed)."
        )
    if wish.when == "next_restart":
        wanted = "" if target.master_id == labels["master_id"] or move else target.master_id
        have = labels[UPGRADE_TO]
        if have == wanted:
            return ()
        if wanted:
            plan_upgrade(pool, instance, target)  # whether it can be
        return (SetUpgradeTo(title_of(pool, have) if have else "", target.title, wanted),)
    if target.master_id == labels["master_id"] and not move:
        return ()
    if move and move.has_arrived and not _has_failed(instance):
        return unfinished(pool, instance, wish.wait).items
    return (plan_upgrade(pool, instance, target),)


def _target(wish: InstanceWish, pool: HostPool, instance: Instance) -> MasterVersion:
    """The version that is asked for, or the promoted one of the instance's own master image. Raises Refused."""
    own = instance.vm.labels["master"]
    target = find_master(pool, wish.spec.master if wish.has_master else MasterName(own, None))
    source = version_by_id(pool, source_id_of(instance.vm))
    golden = {one.blueprint.labels["golden_vm"] for one in (target, source) if one}
    if target.name != own and (len(golden) > 1 or not source):
        raise Refused(
            f"{_who(instance)} is of master image {own!r}, {target.title} comes from another golden VM: its changes "
            "cannot be carried over. Rebuild it (state rebuilt), or choose a version of its own master image."
        )
    return target


def _refuse_other(pool: HostPool, instance: Instance, move: Move) -> None:
    title = title_of(pool, move.target)
    if move.is_back and move.has_arrived and instance.vm.power_state == "Halted" and not _has_failed(instance):
        raise Refused(f"{_who(instance)}: its rollback to {title} is over when it runs there: start it.")
    if move.is_back:
        raise Refused(
            f"{_who(instance)}: its rollback to {title} is not finished. Finish it with playbook rollback (state "
            "rolled_back)."
        )
    raise Refused(
        f"{_who(instance)}: its upgrade to {title} is not finished. Finish it (master: {title}), or roll it back "
        "(state rolled_back)."
    )


def _roll_back(wish: InstanceWish, pool: HostPool, instance: Instance) -> tuple[Item, ...]:
    vm, move = instance.vm, move_of(instance.vm)
    wanted = _way_back(wish, pool, instance, move)
    if wanted == vm.labels["master_id"] and (move is None or (move.is_back and move.has_arrived)):
        is_unheard_of = not boot_report(vm.xenstore_data).state and vm.power_state == "Halted"
        if move and (_has_failed(instance) or (is_unheard_of and instance.is_being_restarted)):
            return again(pool, instance, move)
        return unfinished(pool, instance, wish.wait).items
    version = version_by_id(pool, wanted)
    if version is None:
        raise Refused(
            f"{_who(instance)} cannot go back to {title_of(pool, wanted)}: that version is gone from the host pool. "
            "Publish it again from a backup, or rebuild the instance (state rebuilt)."
        )
    return (plan_rollback(pool, instance, version),)


def _way_back(wish: InstanceWish, pool: HostPool, instance: Instance, move: Move | None) -> str:
    """The id of the version to which an instance is to go back. Raises Refused when there is none."""
    labels = instance.vm.labels
    if move:
        nearest = move.target if move.is_back else source_id_of(instance.vm)
    else:
        # Once it has been rolled back, to ask for it again does not mean to go twice as far.
        nearest = labels["master_id"] if labels[ABANDONED] else ""
    ways = tuple(dict.fromkeys(one for one in (nearest, *previous_of(labels)) if one))
    if not wish.has_master:
        if ways:
            return ways[0]
        raise Refused(
            f"{_who(instance)} has no version to go back to: it was never upgraded, or its upgrade was committed."
        )
    name = wish.spec.master
    if name.number is None:
        raise Refused(f"master: say to which version of {name} it is to go back, such as {name}:3.")
    here = () if move else (labels["master_id"],)
    for one in (*ways, *here):
        if title_of(pool, one) == str(name):
            return one
    there_are = ", ".join(title_of(pool, one) for one in ways) or "none"
    raise Refused(f"{_who(instance)} cannot go back to {name}. Versions that it can go back to: {there_are}.")


def _commit(pool: HostPool, instance: Instance) -> tuple[Item, ...]:
    if move := move_of(instance.vm):
        title, what = title_of(pool, move.target), "rollback" if move.is_back else "upgrade"
        raise Refused(f"{_who(instance)}: its {what} to {title} is not finished yet; commit it when it runs there.")
    previous = previous_of(instance.vm.labels)
    if not previous and not instance.vm.labels[ABANDONED]:
        return ()
    return (ForgetPrevious(tuple(title_of(pool, one) for one in previous)),)


def _has_failed(instance: Instance) -> bool:
    """Whether the instance's last boot has ended otherwise than it should have."""
    report = boot_report(instance.vm.xenstore_data)
    return bool(report.state) and not report.is_running_on(instance.vm.labels["master_id"])


def _who(instance: Instance) -> str:
    return f"{instance.name} (VM {instance.vm.uuid})"
