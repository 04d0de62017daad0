# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bears the labels of a VM pool and is nothing that its plan knows what to do with. Pure.

The guards find such objects, among much else. A plan names them, since whoever changes a VM pool should know of them.
"""

from __future__ import annotations

from typing import Iterator

from ..model.records import HostPool
from .actions import Attention
from .guards import disks, instances, lone_disks
from .guards.finding import Severity
from .guards.view import View

_GUARDS = (
    instances.copies,
    instances.snapshots,
    instances.running_unfinished,
    lone_disks.lone_disks,
    lone_disks.surplus_disks,
    lone_disks.copied_disks,
    disks.attachments_of_instances,
)

#: Plans say by themselves what becomes of an overlay whose VM is gone; a mere attribute is no object.
_NO_STRAYS = {"kept-overlay", "orphan-overlay", "disk-owner-key"}


def strays(pool: HostPool) -> dict[str, list[Attention]]:
    """What a person should look at, by the VM pool whose labels it bears."""
    found: dict[str, list[Attention]] = {}
    for vm_pool, stray in _strays(View(pool)):
        found.setdefault(vm_pool, []).append(stray)
    return {vm_pool: sorted(of_pool, key=lambda one: (one.name, one.note)) for vm_pool, of_pool in found.items()}


def _strays(view: View) -> Iterator[tuple[str, Attention]]:
    for finding in (finding for guard in _GUARDS for finding in guard(view)):
        if finding.guard in _NO_STRAYS or finding.severity is Severity.NOTE:
            continue
        what = f"{finding.subject.cls} {finding.subject.uuid} {finding.problem}: {finding.remedy}"
        for vm_pool in finding.pools:
            yield vm_pool, Attention(finding.subject.name, what)
