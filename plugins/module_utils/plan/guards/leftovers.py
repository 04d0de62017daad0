# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of what runs that were killed left behind. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

from ...model.instances import REBUILDING
from ...model.labels import Kind, Standing
from ...model.records import Disk, VirtualMachine
from ..master import remains
from .finding import Finding, Severity, subject
from .view import MASTER_KINDS, View, title_of


@dataclass(frozen=True)
class DeadLock:
    """A lock whose owner is dead: its key in ``other_config`` of the pool, what it locks, who held it."""

    key: str
    what: str  # such as ``VM pool web`` or ``master image noble``
    owner: str


def leftovers(view: View) -> Iterator[Finding]:
    """Instances that were never finished, and disks that nobody misses."""
    for leftover in view.leftovers:
        if leftover.of is not None:
            continue  # see unfinished_disks
        thing = leftover.vm or leftover.disks[0]
        disks = f" with {len(leftover.disks)} disk(s)" if leftover.disks else ""
        yield Finding(
            "leftover",
            Severity.WARNING,
            subject(thing),
            f"is left of {leftover.name}{disks if leftover.vm else ''}: a run was killed while it made it, or its VM "
            "was deleted by hand",
            f"run apply for VM pool {leftover.pool}: it removes this first",
            pools=(leftover.pool,),
            masters=(title_of(thing.labels),) if thing.labels["master"] else (),
        )


def unfinished_disks(view: View) -> Iterator[Finding]:
    """Disks that a run was making for an instance that is there, or had put another one in the place of."""
    embodied = {instance.uuid: instance for instance in view.instances}
    for disk in view.all_disks:
        instance = embodied.get(disk.labels["instance"])
        if not instance or disk.labels.kind in MASTER_KINDS:
            continue
        if disk.standing is Standing.UNFINISHED or disk in instance.superseded:
            state = "a replaced" if disk in instance.superseded else "an unfinished"
            yield Finding(
                "leftover",
                Severity.WARNING,
                subject(disk),
                f"is {state} {disk.labels.kind} disk of {instance.name}: a run makes it just now, or was killed "
                "while it did",
                f"run apply for VM pool {instance.pool}, or overlay_disk for {instance.name}, again",
                **view.concerned(disk.labels),
            )


def interrupted_removals(view: View) -> Iterator[Finding]:
    """Instances of which a part may be gone already."""
    for instance in view.instances:
        if instance.is_being_removed:
            yield Finding(
                "removal-interrupted",
                Severity.WARNING,
                subject(instance.vm),
                "is being removed, or a run was killed while it did: its disks may be gone already",
                f"run apply for VM pool {instance.pool}: it goes on with the removal",
                **view.concerned(instance.vm.labels),
            )


def interrupted_rebuilds(view: View) -> Iterator[Finding]:
    """Instances that are partly of what they were, partly of what they are to be."""
    for instance in view.instances:
        if REBUILDING in instance.vm.labels:
            yield Finding(
                "rebuild-interrupted",
                Severity.WARNING,
                subject(instance.vm),
                "is being rebuilt, or a run was killed while it did: it must not be started before that is done",
                f"run apply for VM pool {instance.pool}: it goes on with it",
                **view.concerned(instance.vm.labels),
            )


def remains_of_masters(view: View) -> Iterator[Finding]:
    """What interrupted publications and retirements left."""
    kinds = (Kind.ROOT.value, Kind.BOOT.value, Kind.BLUEPRINT.value)
    things: list[VirtualMachine | Disk] = [*view.vms, *view.all_disks]
    published = {thing.labels["master"] for thing in things if thing.labels.kind in kinds}
    announced = {disk.labels["publishing"].rpartition(" ")[0] for disk in view.all_disks}
    for name in sorted((published | announced) - {""}):
        left = remains(view.pool, name)
        remaining: list[VirtualMachine | Disk] = [*left.blueprints, *left.disks]
        for thing in remaining:
            if view.pools_on(thing.labels["master_id"]):
                continue  # needed: its blueprint was lost, which another guard tells
            yield Finding(
                "leftover",
                Severity.WARNING,
                subject(thing),
                f"is left of master image {name}: a run was killed while it published or retired a version",
                f"publish {name} again, or retire a version of it (module master_image): this is removed first",
                masters=(title_of(thing.labels) if thing.labels["version"] else name,),
            )


def dead_locks(view: View, locks: Iterable[DeadLock]) -> Iterator[Finding]:
    """Locks that nobody holds any more."""
    pool = view.pool
    for lock in locks:
        kind, _space, name = lock.what.rpartition(" ")
        yield Finding(
            "dead-lock",
            Severity.NOTE,
            subject(pool),
            f"{lock.what} is locked by {lock.owner}, which is dead: its work may be half done",
            "run the same again: the lock is taken over; or remove it: "
            f"xe pool-param-remove uuid={pool.uuid} param-name=other-config param-key={lock.key!r}",
            pools=(name,) if kind == "VM pool" else (),
            masters=(name,) if kind == "master image" else (),
        )
