# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a halted golden VM may be published."""

from __future__ import annotations

from .boot_cd import Seal
from .ext4 import Superblock


def refusals(seal: Seal | None, superblock: Superblock | None) -> list[str]:
    """Return why a golden VM must not be published, one sentence each; empty when it may.

    ``superblock`` is what was found at the seal's ``root.partition_start`` on the root disk.
    """
    if seal is None:
        return ["It is not sealed: none of its disks holds a boot CD. Run role skinnybox.xenserver.seal in it."]
    if seal.root.fstype != "ext4":
        return [f"Its root file system is {seal.root.fstype}; only ext4 can be published."]
    if superblock is None:
        return [f"Its root disk has no ext4 at byte {seal.root.partition_start}, where it was sealed."]
    if superblock.uuid != seal.root.uuid:
        return [f"Its root file system is {superblock.uuid}, not the {seal.root.uuid} of its boot CD. Seal it again."]
    return [*_unclean(superblock), *_changed(seal, superblock)]


def _unclean(superblock: Superblock) -> list[str]:
    # An unclean ext4 cannot be mounted from a read-only disk: its journal would have to be replayed first.
    if superblock.needs_recovery:
        return ["Its root file system was not unmounted: its journal needs recovery. Start it and seal it again."]
    if not superblock.clean:
        return ["Its root file system is not clean. Start it, let e2fsck repair it, and seal it again."]
    return []


def _changed(seal: Seal, superblock: Superblock) -> list[str]:
    # Sealing happens while the root is mounted; both times come from the golden VM's own clock.
    if superblock.mounted_at > seal.sealed_at:
        return ["It was started again after it had been sealed. Seal it again."]
    return []
