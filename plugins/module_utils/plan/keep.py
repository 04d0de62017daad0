# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance that stays needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterable, Iterator

from ..model.instances import Instance
from ..model.records import HostPool
from .actions import Action, Attention, Change, Reattach, Start, Stop
from .attachments import lost_attachments
from .changes import Item
from .drift import Drift
from .rebuild import plan_rebuild, version_to_finish
from .refusal import Refused
from .spec import VmPoolSpec
from .upgrade_changes import FinishMove, MoveMaster
from .upgrade_rest import Unfinished, along, next_restart_note, unfinished
from .vm_changes import EndRestart, SetKey


def keep(
    spec: VmPoolSpec,
    pool: HostPool,
    drift: Drift,
    instance: Instance,
    asked: tuple[Item, ...] = (),
    is_restarted: bool = False,
) -> Iterator[Action]:
    """Actions that bring an instance which stays to its declared state. Raises Refused.

    ``asked`` is done besides; with ``is_restarted`` it is about to be restarted anyway.
    """
    state, labels = instance.vm.power_state, instance.vm.labels
    if instance.is_being_rebuilt and drift.wish.master:
        start = spec.power_state == "running" or (instance.is_being_restarted and spec.power_state != "halted")
        version = version_to_finish(pool, instance, drift.wish.master)
        yield plan_rebuild(spec, pool, drift, instance, version, "its rebuilding was interrupted", start)
        return
    if instance.overlay is None:
        yield Attention(instance.name, "overlay disk is missing: `demolish` it and `apply`, or attach it again")
        return
    if state == "Halted" and drift.version_of(instance.overlay) is None and not _moves(asked):
        yield Attention(
            instance.name, f"its master image {labels['master']}:{labels['version']} is gone: it cannot start"
        )
        return
    if state not in ("Halted", "Running"):
        if spec.power_state != "unmanaged":
            yield Attention(instance.name, f"is {state.lower()}: resume or shut it down yourself")
        return
    rest = Unfinished(asked) if asked else unfinished(pool, instance)
    if rest.note:
        yield Attention(instance.name, rest.note)
    if rest.stays_down and state == "Halted":
        return
    found = drift.of(instance)
    items = _together(found.items, rest.items)
    if state == "Halted":
        yield from _halted(spec, pool, drift, instance, items)
    else:
        yield from _running(spec, pool, instance, items, is_restarted)
    for note in (*found.notes, *filter(None, [next_restart_note(pool, instance)])):
        yield Attention(instance.name, note)


def _moves(items: Iterable[Item]) -> bool:
    return any(isinstance(item, MoveMaster) for item in items)


def _together(items: tuple[Item, ...], more: tuple[Item, ...]) -> tuple[Item, ...]:
    """Both, the latter last. A move brings the firmware and the boot order of its version along, and ends a restart."""
    if _moves(more):
        items = tuple(item for item in items if not isinstance(item, EndRestart) and not _is_of_firmware(item))
    return (*items, *more)


def _is_of_firmware(item: Item) -> bool:
    return isinstance(item, SetKey) and item.field == "HVM_boot_params"


def _along(pool: HostPool, instance: Instance, starts: bool, items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The items, and what goes along with them; an upgrade that cannot be is noted, and nothing waits for it."""
    if _moves(items):
        return items
    try:
        more = along(pool, instance, starts)
    except Refused:
        more = along(pool, instance, False)
    return _together(items, more)


def _halted(
    spec: VmPoolSpec, pool: HostPool, drift: Drift, instance: Instance, items: tuple[Item, ...]
) -> Iterator[Action]:
    # What has reported that it runs was halted by somebody since.
    ran = instance.is_being_restarted and not any(isinstance(item, FinishMove) for item in items)
    start = spec.power_state == "running" or (ran and spec.power_state != "halted")
    items = _along(pool, instance, start, items)
    lost = _lost(pool, drift, instance, start)
    if lost and _moves(items):
        lost = replace(lost, root=None, boot=None)
        lost = lost if any((lost.overlay, lost.swap, lost.nics, lost.disks)) else None
    if items:
        yield Change(instance, items, lost, start=start)
    elif lost:
        yield lost
    elif start:
        yield Start(instance)


def _lost(pool: HostPool, drift: Drift, instance: Instance, start: bool) -> Reattach | None:
    """What the instance has lost of that which it is to have still; declared NICs are among its differences."""
    lost = lost_attachments(pool, instance, drift.version_of(instance.overlay), start)
    if lost is None:
        return None
    lost = replace(
        lost,
        swap=None if drift.wish.swap == 0 else lost.swap,
        nics=() if drift.wish.networks else lost.nics,
    )
    return lost if any((lost.root, lost.boot, lost.overlay, lost.swap, lost.nics, lost.disks)) else None


def _running(
    spec: VmPoolSpec, pool: HostPool, instance: Instance, items: tuple[Item, ...], is_restarted: bool
) -> Iterator[Action]:
    waiting = [item for item in items if not item.live]
    if spec.power_state == "halted":
        yield Change(instance, items, stop=True) if items else Stop(instance)
    elif (waiting and spec.allow_restart) or (is_restarted and _along(pool, instance, True, items) != items):
        yield Change(instance, _along(pool, instance, True, items), stop=True, start=True)
    else:
        if live := tuple(item for item in items if item.live):
            yield Change(instance, live)
        if waiting:
            yield Attention(
                instance.name,
                f"needs a restart: {', '.join(item.text() for item in waiting)}. Declare allow_restart, or shut it "
                "down and apply",
            )
