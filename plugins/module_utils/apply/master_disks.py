# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root and boot CD of a master version at a halted VM, and the root of a former one."""

from __future__ import annotations

from typing import Any, Mapping

from ..model.labels import Kind
from ..model.masters import MasterVersion
from ..model.records import Disk
from ..plan.attachments import BOOT, ROOT
from ..xapi.errors import ApiFailure
from .disks import attach_disk
from .worksite import Worksite


def version_labels(master: MasterVersion) -> dict[str, str]:
    """The labels that say of which version an instance is."""
    return {"master": master.name, "version": str(master.number), "master_id": master.master_id}


def attach_master(site: Worksite, vm: str, master: MasterVersion) -> None:
    """Attach root and boot CD of a master version to a halted VM, where others are. Raises XapiError."""
    attached = {record["userdevice"]: (vbd, record) for vbd, record in _attachments(site, vm).items()}
    for position, disk, kind in ((ROOT, master.root, "Disk"), (BOOT, master.boot, "CD")):
        vbd, record = attached.get(position, ("", {}))
        if disk is None or (record.get("VDI"), record.get("type"), record.get("mode")) == (disk.ref, kind, "RO"):
            continue
        if vbd:
            site.destroy("VBD", vbd)
        attach_disk(site, vm, disk.ref, position, "RO", kind)


def attach_old_root(site: Worksite, vm: str, root: Disk, position: str) -> None:
    """Have a former version's root attached to a halted VM as well. Raises XapiError."""
    there = (record for record in _attachments(site, vm).values() if record["userdevice"] == position)
    if not any(record["VDI"] == root.ref for record in there):
        attach_disk(site, vm, root.ref, position, "RO")


def detach_old_roots(site: Worksite, vm: str) -> None:
    """Detach the roots of former versions, as far as the guest lets go of them. Raises XapiError.

    One that a running guest holds is detached when the VM is halted, by whichever run comes then.
    """
    for vbd, record in _attachments(site, vm).items():
        disk = site.pool.disks.get(record["VDI"])
        if disk and disk.labels.kind == Kind.ROOT.value and record["userdevice"] != ROOT:
            detach_root(site, vbd)


def detach_root(site: Worksite, vbd: str) -> None:
    """Detach a former version's root, unless a running guest holds it. Raises XapiError."""

    def look() -> str | None:
        return None if site.read("VBD.get_currently_attached", vbd) else ""

    try:
        if look() is None:
            site.settle(lambda: site.run("VBD.unplug", vbd), look)
    except ApiFailure as failure:
        if failure.code != "DEVICE_ALREADY_DETACHED":
            site.done(f"old root not detached before the next halt: {failure}")
            return
    site.destroy("VBD", vbd)
    site.done("old root detached")


def _attachments(site: Worksite, vm: str) -> Mapping[str, Mapping[str, Any]]:
    """VBD records by reference."""
    return {vbd: site.read("VBD.get_record", vbd) for vbd in site.read("VM.get_VBDs", vm)}
