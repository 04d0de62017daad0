# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look into a golden VM's disks, as only what is on them tells whether it can be published."""

from __future__ import annotations

from ..golden.boot_cd import Seal, read_seal
from ..golden.check import refusals
from ..golden.ext4 import read_superblock
from ..golden.reader import NotGoldenError
from ..model.records import Disk, HostPool, VirtualMachine
from ..plan.master import golden_disks
from ..plan.refusal import Refused
from ..plan.sizes import MIB
from ..xapi.client import Client
from ..xapi.streams import export_raw

#: A boot CD's disk is a small one; larger disks are not even looked at.
LARGEST_BOOT_DISK = 256 * MIB


def inspect_golden_vm(client: Client, pool: HostPool, golden: VirtualMachine) -> tuple[Disk, Disk, Seal]:
    """Find a golden VM's root disk, its boot CD disk and the seal on it.

    Reads the first sectors of its small disks, and the root disk up to the root filesystem's superblock.
    Raises Refused when the VM is not sealed, not cleanly shut down or was booted again since.
    """
    what = f"Golden VM {golden.name!r} ({golden.uuid})"
    disks = golden_disks(pool, golden)
    sealed = [(disk, seal) for disk in disks if disk.size <= LARGEST_BOOT_DISK and (seal := _seal_on(client, disk))]
    if not sealed:
        raise Refused(
            f"{what} is not sealed: none of its disks holds a Skinnybox boot CD. Run role skinnybox.xenserver.seal "
            "in it."
        )
    if len(sealed) > 1:
        raise Refused(f"{what} has {len(sealed)} disks with a Skinnybox boot CD; detach all but the current one.")
    boot, seal = sealed[0]
    for root in (disk for disk in disks if disk.ref != boot.ref):
        with export_raw(client, root.ref) as reader:
            superblock = read_superblock(reader, seal.root.partition_start)
        if superblock is None or superblock.uuid != seal.root.uuid:
            continue
        if reasons := refusals(seal, superblock):
            raise Refused(f"{what} cannot be published: {' '.join(reasons)}")
        return root, boot, seal
    raise Refused(
        f"{what} cannot be published: none of its disks holds the root filesystem {seal.root.uuid} that was sealed. "
        "Seal it again."
    )


def _seal_on(client: Client, disk: Disk) -> Seal | None:
    with export_raw(client, disk.ref) as reader:
        try:
            return read_seal(reader)
        except NotGoldenError as problem:
            raise Refused(f"Disk {disk.name!r} ({disk.uuid}): {problem}") from None
