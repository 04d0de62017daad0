# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data disks of new instances. Pure.

A data disk's position is in its labels, so that it comes back to the same place when it was detached.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ..model.records import Disk, HostPool
from .actions import DiskPlan
from .attachments import FIRST_DATA_DISK
from .lookup import find_sr
from .refusal import Refused
from .spec import VmPoolSpec


def data_disks_of(spec: VmPoolSpec, pool: HostPool, kept: Iterable[Disk] = ()) -> tuple[DiskPlan, ...]:
    """The declared data disks that are to be made, besides those which an instance has kept. Raises Refused."""
    kept = tuple(kept)
    there = {disk.labels["disk"] for disk in kept}
    wanted = [disk for disk in spec.disks if disk.name not in there]
    positions = free_positions({disk.labels["position"] for disk in kept}, len(wanted))
    found = []
    for disk, position in zip(wanted, positions, strict=True):
        sr = find_sr(pool, disk.sr) if disk.sr else None
        if sr and not sr.attached_hosts:
            raise Refused(f"SR {sr.name!r} ({sr.uuid}) is attached to no host; plug its PBD first.")
        found.append(DiskPlan(disk.name, disk.size, sr, position))
    return tuple(found)


def free_positions(taken: Iterable[str], count: int) -> Sequence[str]:
    """So many positions for data disks that are not taken, lowest first."""
    taken = set(taken)
    free: list[str] = []
    position = FIRST_DATA_DISK
    while len(free) < count:
        if str(position) not in taken:
            free.append(str(position))
        position += 1
    return free
