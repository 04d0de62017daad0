# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas of master versions: copies on further SRs. Pure."""

from __future__ import annotations

from typing import Sequence

from ..model.masters import MasterVersion
from ..model.records import Disk, HostPool, StorageRepository
from .lookup import find_srs
from .refusal import Refused
from .sizes import show_size
from .storage import THICK_TYPES, full_cost


def replica_srs(pool: HostPool, wanted: Sequence[str]) -> list[StorageRepository]:
    """The SRs of these names or uuids, each once. Raises Refused."""
    srs = find_srs(pool, wanted)
    for sr in srs:
        if not sr.attached_hosts:
            raise Refused(f"SR {sr.name!r} ({sr.uuid}) is attached to no host; plug its PBD first.")
    return srs


def without_copy(
    pool: HostPool, version: MasterVersion | None, srs: Sequence[StorageRepository], root: Disk, boot: Disk
) -> list[StorageRepository]:
    """The SRs on which a version, None when it is yet to be published from these disks, has no whole copy.

    Raises Refused when one of them has no space for it.
    """
    copies = [copy for copy in version.copies if not copy.missing] if version else []
    there = {disk.sr for copy in copies for disk in (copy.root, copy.boot) if disk} if copies else {root.sr}
    missing = [sr for sr in srs if sr.ref not in there]
    for sr in missing:
        needed = sum(_cost(sr, disk) for disk in (root, boot))
        if sr.size > 0 and needed > sr.free:
            raise Refused(
                f"replicas: SR {sr.name!r} ({sr.uuid}) has {show_size(sr.free)} free, {show_size(needed)} are needed "
                "for a copy of the master image. Free space or choose another SR."
            )
    return missing


def _cost(sr: StorageRepository, disk: Disk) -> int:
    """What a full copy takes: all of it on thick SRs, elsewhere no less than its last image has of its own."""
    return full_cost(sr.type, disk.size) if sr.type in THICK_TYPES else disk.used
