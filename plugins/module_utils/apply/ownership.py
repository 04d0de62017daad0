# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last look before something is destroyed: is it still ours, by label and uuid, and nobody else's?"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Mapping

from ..model.labels import Labels, Standing
from ..model.records import Disk
from ..xapi.client import Client
from ..xapi.errors import ApiFailure, XapiError
from .worksite import Worksite


class NotOurs(XapiError):
    """An object turned out not to be Skinnybox's; it was left alone."""


@contextmanager
def already_gone() -> Iterator[None]:
    """Take it for success when the object to be removed is not there any more."""
    try:
        yield
    except ApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise


def check_disk(client: Client, disk: Disk, of_vm: str | None) -> None:
    """Read a disk anew and raise NotOurs unless it is ours and attached to no other VM than `of_vm`.

    `of_vm` is the reference of the VM that goes with it. Raises ApiFailure when the disk is gone.
    """
    record = client.call("VDI.get_record", disk.ref)
    _check_labels("disk", record)
    for vbd in record["VBDs"]:
        vm = client.call("VBD.get_VM", vbd)
        if vm != of_vm:
            other = client.call("VM.get_record", vm)
            raise NotOurs(
                f"Disk {record['name_label']!r} ({record['uuid']}) is also attached to VM "
                f"{other['name_label']!r} ({other['uuid']}): not deleted. Detach it there first."
            )


def _check_labels(what: str, record: Mapping[str, Any]) -> None:
    if Labels.of(record["other_config"]).standing(record["uuid"]) is Standing.FOREIGN:
        raise NotOurs(f"The {what} {record['name_label']!r} ({record['uuid']}) is not Skinnybox's: left alone.")


def destroy_disk(site: Worksite, disk: Disk, of_vm: str | None) -> None:
    """Delete a disk of ours. One that is gone already is fine. Raises XapiError."""
    with already_gone():
        check_disk(site.client, disk, of_vm)
        with site.disk_window(disk.sr):
            site.tasks.run("VDI.destroy", disk.ref)
