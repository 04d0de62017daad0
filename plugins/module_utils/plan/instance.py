# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan what is asked for of one instance. Pure: no I/O, clock or randomness."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Sequence

from ..model.instances import Instance, instances, leftovers
from ..model.masters import MasterVersion, master_versions
from ..model.records import HostPool, VirtualMachine
from ..model.upgrades import move_of
from .action import Action
from .actions import Attention, Change, Remove, Start, Stop, Tidy, VmPoolPlan
from .assignment import assign_hosts
from .capacity import capacity_of
from .changes import Item
from .drift import Drift, Wish, wish_of
from .instance_actions import Restart
from .instance_creation import plan_creation, to_make
from .instance_wish import InstanceWish
from .keep import keep
from .lookup import find_master
from .rebuild import plan_rebuild
from .refusal import Refused
from .spec import MasterName, VmPoolSpec
from .upgrade_changes import MoveMaster
from .upgrade_rest import unfinished
from .upgrade_states import state_items
from .vm_changes import EndRestart

#: The power state that each state brings about; the others leave it as it is.
_POWER = {"started": "running", "stopped": "halted"}

#: The states that are about the master version of an instance.
_OF_MASTER = ("upgraded", "rolled_back", "committed")


def plan_instance(wish: InstanceWish, pool: HostPool, host_pool: str) -> VmPoolPlan | None:
    """Make the plan that brings an instance to what is asked for; None when it is not there and not to be.

    Raises Refused when it cannot be.
    """
    instance = _find(wish, pool)
    vm_pool = instance.pool if instance else wish.pool or _pool_of_remains(wish, pool)
    if vm_pool is None:
        if wish.state == "absent":
            return None
        raise Refused(f"There is no instance {wish.name!r} in host pool {pool.name!r} ({pool.uuid}). {to_make(wish)}")
    present = len(instances(pool, vm_pool))
    left = [one for one in leftovers(pool, vm_pool) if one.name == wish.name]
    tidied = tuple(Tidy(one) for one in left)
    if wish.state == "absent":
        tidied = tuple(one for one in tidied if not one.leftover.of)  # it goes with all its disks
        removed = (Remove(instance, "declared absent"),) if instance else ()
        return VmPoolPlan(host_pool, vm_pool, present, None, None, (*tidied, *removed))
    if instance is None:
        return plan_creation(wish, pool, vm_pool, left, VmPoolPlan(host_pool, vm_pool, present, None, None, tidied))
    return _change(wish, pool, instance, VmPoolPlan(host_pool, vm_pool, present, None, None, tidied))


def _pool_of_remains(wish: InstanceWish, pool: HostPool) -> str | None:
    """The VM pool of what killed runs left of an instance of that name; None when there is nothing, or of several."""
    found = {leftover.pool for leftover in leftovers(pool) if leftover.name == wish.name}
    return found.pop() if len(found) == 1 else None


def _find(wish: InstanceWish, pool: HostPool) -> Instance | None:
    """The instance of that name. Raises Refused when it is not clear which, or another VM has the name."""
    found = [one for one in instances(pool) if one.name == wish.name]
    fitting = [one for one in found if wish.pool in (None, one.pool)]
    others = _others_of_that_name(wish, pool, found)
    if len(fitting) + len(others) > 1:
        ours = [f"{one.vm.uuid} (instance of VM pool {one.pool!r})" for one in fitting]
        which = ", ".join([*ours, *(f"{vm.uuid} (not Skinnybox's)" for vm in others)])
        raise Refused(
            f"{len(fitting) + len(others)} VMs are called {wish.name!r}: {which}. Rename or remove all but one of them"
            + (", or give the instance's VM pool." if len(fitting) > 1 else ".")
        )
    if others:
        raise Refused(f"VM {wish.name!r} ({others[0].uuid}) is no instance of Skinnybox's: left alone.")
    if found and not fitting:
        where = ", ".join(f"VM pool {one.pool!r} (VM {one.vm.uuid})" for one in found)
        raise Refused(f"Instance {wish.name!r} belongs to {where}, not to VM pool {wish.pool!r}.")
    return fitting[0] if fitting else None


def _others_of_that_name(wish: InstanceWish, pool: HostPool, found: Sequence[Instance]) -> list[VirtualMachine]:
    """VMs that bear the name and are nothing of ours."""
    ours = {leftover.vm.ref for leftover in leftovers(pool) if leftover.vm} | {one.vm.ref for one in found}
    named = (vm for vm in pool.vms.values() if vm.name == wish.name and not vm.is_snapshot)
    return sorted((vm for vm in named if vm.ref not in ours), key=lambda vm: vm.uuid)


def _change(wish: InstanceWish, pool: HostPool, instance: Instance, plan: VmPoolPlan) -> VmPoolPlan:
    """The plan with what brings an instance that is there to what is asked for. Raises Refused."""
    _check_whole(wish, instance)
    spec = replace(_spec_of(wish, pool, instance), size=plan.present)
    master = find_master(pool, spec.master) if wish.has_master else _version_of(pool, instance)
    plan = replace(plan, spec=spec, master=master)
    drift = Drift(_wish_of(wish, spec, pool, instance), pool)
    if wish.state == "rebuilt":
        rebuilt = _rebuild(wish, spec, pool, drift, instance)
        return replace(plan, actions=(*plan.actions, rebuilt))
    asked = state_items(wish, pool, instance) if wish.state in _OF_MASTER else ()
    if wish.state in ("rolled_back", "committed"):
        return replace(plan, actions=(*plan.actions, *_assigned(spec, pool, _only(wish, instance, asked), instance)))
    if asked:
        spec = replace(spec, allow_restart=spec.allow_restart or wish.when == "now")
    rest = unfinished(pool, instance)
    if rest.stays_down and not asked and wish.state in ("started", "restarted"):
        raise Refused(f"{wish.name} (VM {instance.vm.uuid}) {rest.note}.")
    is_restarted = wish.state == "restarted" and instance.vm.power_state == "Running"
    found = keep(spec, pool, drift, instance, asked, is_restarted)
    actions = [_forced(action, wish.force) for action in found]
    _check_power(wish, instance)
    if is_restarted:
        restarts = any(action.downtime == "restart" for action in actions)
        actions += [] if restarts else [Restart(instance, wish.force)]
    return replace(plan, actions=(*plan.actions, *_assigned(spec, pool, actions, instance)))


def _only(wish: InstanceWish, instance: Instance, items: tuple[Item, ...]) -> list[Action]:
    """Nothing but these items, within a restart where they need one: what else differs can wait. Raises Refused."""
    state = instance.vm.power_state
    if not items and wish.state == "rolled_back" and instance.is_being_restarted and not move_of(instance.vm):
        # A run was killed between its shutdown and its move.
        return [Change(instance, (EndRestart(),), start=state == "Halted")]
    if not items:
        return []
    if not any(isinstance(item, MoveMaster) for item in items):
        return [Change(instance, items)]
    if state not in ("Running", "Halted") and not wish.force:
        raise Refused(
            f"{wish.name} (VM {instance.vm.uuid}) is {state.lower()}: resume it, or use force to have it switched off."
        )
    stops = state != "Halted"
    return [Change(instance, items, stop=stops, start=stops or instance.is_being_restarted, force=wish.force)]


def _spec_of(wish: InstanceWish, pool: HostPool, instance: Instance) -> VmPoolSpec:
    power = _POWER.get(wish.state, "unmanaged")
    if wish.state == "restarted" and instance.vm.power_state == "Halted":
        power = "running"
    labels = instance.vm.labels
    master = wish.spec.master if wish.has_master else MasterName(labels["master"], labels.number("version"))
    return replace(wish.spec, name=instance.pool, master=master, power_state=power)


def _wish_of(wish: InstanceWish, spec: VmPoolSpec, pool: HostPool, instance: Instance) -> Wish:
    """What is given of an instance that is there; all else is not compared."""
    master = find_master(pool, spec.master) if wish.has_master else _version_of(pool, instance)
    if master is None:
        return Wish(hardware=spec.hardware)
    everything = wish_of(spec, pool, master)
    return replace(
        everything,
        overlay_size=everything.overlay_size if wish.has_overlay_size else None,
        on_boot=everything.on_boot if wish.has_on_boot else None,
        swap=everything.swap if wish.has_swap else None,
        master=master if wish.has_master and wish.state not in ("rebuilt", *_OF_MASTER) else None,
    )


def _version_of(pool: HostPool, instance: Instance) -> MasterVersion | None:
    wanted = instance.vm.labels["master_id"]
    return next((version for version in master_versions(pool) if version.master_id == wanted), None)


def _check_whole(wish: InstanceWish, instance: Instance) -> None:
    """What was begun with an instance is to be finished first. Raises Refused."""
    if instance.is_being_removed:
        raise Refused(
            f"{wish.name} (VM {instance.vm.uuid}): its removal was interrupted. Finish it with state absent, or by "
            f"apply of VM pool {instance.pool!r}."
        )
    if instance.is_being_rebuilt and wish.state != "rebuilt":
        raise Refused(
            f"{wish.name} (VM {instance.vm.uuid}): its rebuilding was interrupted. Finish it with state rebuilt, or by "
            f"apply of VM pool {instance.pool!r}."
        )


def _check_power(wish: InstanceWish, instance: Instance) -> None:
    state = instance.vm.power_state
    if state not in ("Running", "Halted") and wish.state != "present":
        raise Refused(
            f"{wish.name} (VM {instance.vm.uuid}) is {state.lower()}: resume it, or shut it down, then run this again."
        )


def _rebuild(wish: InstanceWish, spec: VmPoolSpec, pool: HostPool, drift: Drift, instance: Instance) -> Action:
    master = find_master(pool, spec.master) if wish.has_master else _version_of(pool, instance)
    if master is None or master.missing:
        raise Refused(
            f"{wish.name} (VM {instance.vm.uuid}): its master image {instance.vm.labels['master']}:"
            f"{instance.vm.labels['version']} is gone. Give another one (master)."
        )
    if instance.addresses and not spec.networks:
        raise Refused(
            f"{wish.name} (VM {instance.vm.uuid}) has static addresses ({', '.join(instance.addresses)}), which a "
            "fresh overlay must be given: say networks (and authorized_keys) as its VM pool does."
        )
    overlay = replace(
        spec.overlay,
        size=spec.overlay.size if wish.has_overlay_size or not instance.overlay else instance.overlay.size,
        on_boot=spec.overlay.on_boot if wish.has_on_boot or not instance.overlay else instance.overlay.on_boot,
    )
    swap = spec.swap if wish.has_swap or not instance.swap else instance.swap.size
    start = instance.vm.power_state != "Halted" or instance.is_being_restarted
    spec = replace(spec, overlay=overlay, swap=swap)
    return replace(plan_rebuild(spec, pool, drift, instance, master, "rebuilt", start), force=wish.force)


def _forced(action: Action, force: bool) -> Action:
    return replace(action, force=force) if isinstance(action, (Change, Stop)) else action


def _assigned(spec: VmPoolSpec, pool: HostPool, actions: Iterable[Action], instance: Instance) -> list[Action]:
    """The actions with a host for what is started. Raises Refused when none can run it."""
    found = list(assign_hosts(spec, pool, capacity_of(pool), list(actions), [instance]))
    starts = any(isinstance(action, Start) for action in actions)
    if starts and not any(isinstance(action, Start) for action in found):
        notes = [action.note for action in found if isinstance(action, Attention)]
        raise Refused(f"{instance.name} (VM {instance.vm.uuid}) {'; '.join(notes)}.")
    return found
