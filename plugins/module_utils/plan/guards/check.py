# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All guards together. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Callable, Iterable, Iterator

from ...model.records import HostPool
from . import (
    blueprints,
    disks,
    duplicates,
    instances,
    labels,
    leftovers,
    lone_disks,
    master_disks,
    masters,
    repositories,
    upgrades,
)
from .finding import Finding, Severity
from .leftovers import DeadLock
from .view import View

GUARDS: tuple[Callable[[View], Iterator[Finding]], ...] = (
    master_disks.attachments_of_masters,
    master_disks.foreign_machines,
    master_disks.roots_of_instances,
    master_disks.flags_of_masters,
    blueprints.blueprints,
    masters.incomplete_versions,
    masters.needed_versions,
    masters.reach,
    masters.uncached_roots,
    masters.twins,
    instances.protections,
    instances.snapshots,
    instances.copies,
    instances.running_unfinished,
    duplicates.names,
    duplicates.macs,
    duplicates.addresses,
    duplicates.identities,
    disks.attachments_of_instances,
    disks.properties,
    disks.all_disks,
    lone_disks.lone_disks,
    lone_disks.surplus_disks,
    lone_disks.copied_disks,
    repositories.collection,
    repositories.space,
    labels.damaged_labels,
    leftovers.leftovers,
    leftovers.unfinished_disks,
    leftovers.interrupted_removals,
    leftovers.interrupted_rebuilds,
    leftovers.remains_of_masters,
    upgrades.unfinished_moves,
    upgrades.attached_old_roots,
    upgrades.lost_ways_back,
)

_ORDER = list(Severity)


def findings(
    pool: HostPool, locks: Iterable[DeadLock] = (), vm_pool: str | None = None, master: str | None = None
) -> list[Finding]:
    """All that guards find, the most urgent first.

    Only what concerns the VM pool and the master image (``noble``) or version (``noble:7``), when they are given.
    """
    view = View(pool)
    found = [finding for guard in GUARDS for finding in guard(view)]
    found += leftovers.dead_locks(view, locks)
    wanted = (finding for finding in found if finding.concerns(vm_pool, master))
    return sorted(wanted, key=lambda f: (_ORDER.index(f.severity), f.guard, f.subject.name, f.subject.uuid))


def counts(found: Iterable[Finding]) -> dict[str, int]:
    """How many findings there are of each severity."""
    totals = Counter(finding.severity for finding in found)
    return {severity.value: totals[severity] for severity in Severity}
