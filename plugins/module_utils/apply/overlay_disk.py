# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the overlay of a halted instance as a whole: a fresh one, one from a snapshot, or none."""

from __future__ import annotations

from pathlib import Path

from ..model.instances import Instance
from ..model.labels import COPYING, Kind, other_config
from ..model.records import Disk
from ..plan.attachments import OVERLAY
from ..plan.overlay_changes import DeleteOverlay, ResetOverlay, RevertOverlay
from ..seed.identity import stamp
from ..seed.image import SeedImage
from ..seed.overlay import build_from_layers
from ..seed.tree import Layer
from .disks import NewDisk, new_disk
from .identity import fetch_identity
from .on_boot import set_on_boot
from .ownership import destroy_disk
from .replace import replace_disk
from .seeding import make_disk
from .snapshots import copy_snapshot
from .worksite import Worksite

#: Labels of an overlay that the one in its place does not get.
_ITS_OWN = frozenset({"kind", "uuid", "replaces", "kept", COPYING})


def reset_overlay(site: Worksite, instance: Instance, item: ResetOverlay) -> None:
    """Make an instance a fresh overlay with the identity that is on the old one. Raises XapiError, ToolError."""
    old = item.disk
    layers = {"identity": fetch_identity(site.client, old), "personality": Layer()}

    def build(disk: NewDisk, directory: Path) -> SeedImage:
        mark = stamp(instance.uuid, instance.pool, disk.uuid)
        return build_from_layers(mark, layers, disk.uuid, disk.size, directory)

    new = make_disk(site, instance.name, old.sr, Kind.OVERLAY, old.size, _labels(old), build, finished=False)
    set_on_boot(site, new.ref, old.sr, old.on_boot)
    replace_disk(site, instance, old, new, OVERLAY)
    site.done("fresh overlay put in place")


def revert_overlay(site: Worksite, instance: Instance, item: RevertOverlay) -> None:
    """Put a copy of a snapshot in the place of an instance's overlay. Raises XapiError.

    ``VDI.revert`` exists in the newest releases only.
    """
    old, snapshot = item.disk, item.snapshot
    vdi = copy_snapshot(site, snapshot, f"{instance.name} overlay", other_config(Kind.OVERLAY, **_labels(old)))
    set_on_boot(site, vdi, snapshot.sr, old.on_boot)
    replace_disk(site, instance, old, new_disk(site, vdi), OVERLAY)
    site.done("copy of the snapshot put in place")


def delete_overlay(site: Worksite, instance: Instance, item: DeleteOverlay) -> None:
    """Delete an instance's overlay and its snapshots. Raises XapiError."""
    for disk in (*item.snapshots, item.disk):
        destroy_disk(site, disk, instance.vm.ref)


def grow_kept(site: Worksite, disk: Disk, size: int) -> None:
    """Grow an overlay that has no VM to ``size`` bytes. Raises XapiError."""

    def look() -> str | None:
        return "" if int(site.read("VDI.get_virtual_size", disk.ref)) >= size else None

    with site.windows.disk_operation(disk.sr):
        site.settle(lambda: site.run("VDI.resize", disk.ref, str(size)), look)


def _labels(old: Disk) -> dict[str, str]:
    return {**{k: v for k, v in old.labels.values.items() if k not in _ITS_OWN}, "replaces": old.uuid}
