# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance that stays needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterator

from ..model.instances import Instance
from ..model.records import HostPool
from .actions import Action, Attention, Change, Reattach, Start, Stop
from .attachments import lost_attachments
from .changes import Item
from .drift import Drift
from .rebuild import plan_rebuild, version_to_finish
from .spec import VmPoolSpec


def keep(spec: VmPoolSpec, pool: HostPool, drift: Drift, instance: Instance) -> Iterator[Action]:
    """Actions that bring an instance which stays to its declared state. Raises Refused."""
    state, labels = instance.vm.power_state, instance.vm.labels
    if instance.is_being_rebuilt and drift.wish.master:
        start = spec.power_state == "running" or (instance.is_being_restarted and spec.power_state != "halted")
        version = version_to_finish(pool, instance, drift.wish.master)
        yield plan_rebuild(spec, pool, drift, instance, version, "its rebuilding was interrupted", start)
        return
    if instance.overlay is None:
        yield Attention(instance.name, "overlay disk is missing: `demolish` it and `apply`, or attach it again")
        return
    if state == "Halted" and drift.version_of(instance.overlay) is None:
        yield Attention(
            instance.name, f"its master image {labels['master']}:{labels['version']} is gone: it cannot start"
        )
        return
    if state not in ("Halted", "Running"):
        if spec.power_state != "unmanaged":
            yield Attention(instance.name, f"is {state.lower()}: resume or shut it down yourself")
        return
    found = drift.of(instance)
    if state == "Halted":
        yield from _halted(spec, pool, drift, instance, found.items)
    else:
        yield from _running(spec, instance, found.items)
    for note in found.notes:
        yield Attention(instance.name, note)


def _halted(
    spec: VmPoolSpec, pool: HostPool, drift: Drift, instance: Instance, items: tuple[Item, ...]
) -> Iterator[Action]:
    was_running = instance.is_being_restarted and spec.power_state != "halted"
    start = spec.power_state == "running" or was_running
    lost = _lost(pool, drift, instance, start)
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


def _running(spec: VmPoolSpec, instance: Instance, items: tuple[Item, ...]) -> Iterator[Action]:
    waiting = [item for item in items if not item.live]
    if spec.power_state == "halted":
        yield Change(instance, items, stop=True) if items else Stop(instance)
    elif waiting and spec.allow_restart:
        yield Change(instance, items, stop=True, start=True)
    else:
        if live := tuple(item for item in items if item.live):
            yield Change(instance, live)
        if waiting:
            yield Attention(
                instance.name,
                f"needs a restart: {', '.join(item.text() for item in waiting)}. Declare allow_restart, or shut it "
                "down and apply",
            )
