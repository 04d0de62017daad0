# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of the SRs on which our disks are. Pure."""

from __future__ import annotations

from typing import Iterable, Iterator

from ...model.labels import Labels
from ...model.records import Disk, StorageRepository
from ..sizes import show_size
from ..storage import THICK_TYPES
from .finding import Finding, Severity, subject
from .view import View

#: Shares of an SR that are free, in percent: below, guests are about to get errors when they write.
SCARCE, VERY_SCARCE = 10, 2


def collection(view: View) -> Iterator[Finding]:
    """SRs on which nobody collects what was deleted."""
    for sr, labels in _with_disks(view, view.disks):
        if sr.uncollected:
            yield Finding(
                "coalescing-off",
                Severity.WARNING,
                subject(sr),
                "garbage collection is switched off here: deleted disks keep their space, and chains only grow",
                f"xe sr-param-remove uuid={sr.uuid} param-name=other-config param-key=gc (or coalesce, leaf-coalesce)",
                **view.concerned_all(labels),
            )


def space(view: View) -> Iterator[Finding]:
    """Thin SRs that have hardly any room for what instances are about to write."""
    for sr, labels in _with_disks(view, view.own_disks):
        free = 100 * sr.free // sr.size if sr.size > 0 else 100
        if sr.type not in THICK_TYPES and free < SCARCE:
            yield Finding(
                "sr-space",
                Severity.DANGER if free < VERY_SCARCE else Severity.WARNING,
                subject(sr),
                f"has {show_size(sr.free)} of {show_size(sr.size)} left: when it is full, what instances write fails, "
                "and their overlays may be damaged",
                "delete disks that nobody needs (see orphan-overlay, leftover, copied-disk), move others away, or"
                " enlarge the SR",
                **view.concerned_all(labels),
            )


def _with_disks(view: View, disks: Iterable[Disk]) -> Iterator[tuple[StorageRepository, list[Labels]]]:
    """The SRs of disks, each with the labels of those that are on it."""
    labels: dict[str, list[Labels]] = {}
    for disk in disks:
        labels.setdefault(disk.sr, []).append(disk.labels)
    for ref, found in labels.items():
        yield view.pool.srs[ref], found
