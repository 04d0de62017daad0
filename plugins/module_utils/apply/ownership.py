# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last look before something is destroyed: is it still ours, by label and uuid, and nobody else's?"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any, Iterator, Mapping

from ..model.labels import Labels, Standing
from ..model.records import Disk
from ..xapi.errors import ApiFailure, XapiError
from .stopping import Stopped
from .worksite import Worksite

#: Seconds that the upload of a killed run gets to end before its disk is deleted: XAPI notices by itself that it broke.
UPLOAD_PATIENCE = 120.0


class NotOurs(XapiError):
    """An object turned out not to be Skinnybox's; it was left alone."""


@contextmanager
def already_gone(ref: str) -> Iterator[None]:
    """Take it for success when the object to be removed is not there any more; that of this reference, no other."""
    try:
        yield
    except ApiFailure as failure:
        if failure.code != "HANDLE_INVALID" or ref not in failure.params:
            raise


def check_disk(site: Worksite, disk: Disk, of_vm: str | None) -> None:
    """Read a disk anew and raise NotOurs unless it is ours and attached to no other VM than `of_vm`.

    `of_vm` is the reference of the VM that goes with it. Waits for an upload that is under way: it has the disk
    attached to a control domain. Raises ApiFailure when the disk is gone.
    """
    deadline = time.monotonic() + UPLOAD_PATIENCE
    while True:
        record = site.read("VDI.get_record", disk.ref)
        _check_labels("disk", record)
        others = {_vm_of(site, vbd) for vbd in record["VBDs"]} - {of_vm, None}
        if not others:
            return
        other = site.read("VM.get_record", others.pop())
        if not other["is_control_domain"] or time.monotonic() > deadline:
            raise NotOurs(
                f"Disk {record['name_label']!r} ({record['uuid']}) is also attached to VM "
                f"{other['name_label']!r} ({other['uuid']}): not deleted. Detach it there first."
            )
        if site.client.stopping.wait(0.2):
            raise Stopped


def _vm_of(site: Worksite, vbd: str) -> str | None:
    """The VM of a VBD; None when it has just been destroyed."""
    with already_gone(vbd):
        vm: str = site.read("VBD.get_VM", vbd)
        return vm
    return None


def _check_labels(what: str, record: Mapping[str, Any]) -> None:
    if Labels.of(record["other_config"]).standing(record["uuid"]) is Standing.FOREIGN:
        raise NotOurs(f"The {what} {record['name_label']!r} ({record['uuid']}) is not Skinnybox's: left alone.")


def destroy_disk(site: Worksite, disk: Disk, of_vm: str | None) -> None:
    """Delete a disk of ours. One that is gone already is fine. Raises XapiError."""
    with already_gone(disk.ref):
        check_disk(site, disk, of_vm)
        with site.windows.disk_operation(disk.sr):
            site.destroy("VDI", disk.ref)
        site.done(f"disk {disk.name!r} deleted")
