# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of disk images: what a disk differs in from its parent, that one from its own, and so on. Pure."""

from __future__ import annotations

from .records import Disk, HostPool

#: XAPI's storage manager makes none that is longer (error SR_BACKEND_FAILURE_109).
LONGEST_CHAIN = 30


class Chains:
    """The chains of all disks of a host pool."""

    def __init__(self, pool: HostPool) -> None:
        self._parents = {disk.uuid: disk.parent for disk in pool.disks.values() if disk.parent}

    def depth(self, disk: Disk) -> int:
        """How many images the disk consists of, itself included; 1 when it has no parent."""
        seen, uuid = {disk.uuid}, disk.parent
        while uuid and uuid not in seen:
            seen.add(uuid)
            uuid = self._parents.get(uuid, "")
        return len(seen)
