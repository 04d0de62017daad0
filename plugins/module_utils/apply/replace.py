# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a new disk in the place of one that a halted instance has.

The new disk bears the label ``replaces`` (the old one's uuid) from the start and is finished here: from then on it is
the instance's, and the old one is what a killed run left over.
"""

from __future__ import annotations

from ..model.instances import Instance
from ..model.records import Disk
from .disks import NewDisk, attach_disk, finish_disk
from .ownership import destroy_disk
from .worksite import Worksite


def replace_disk(site: Worksite, instance: Instance, old: Disk | None, new: NewDisk, position: str) -> None:
    """Finish a new disk, attach it in the old one's place and delete that. Raises XapiError."""
    finish_disk(site, new.ref, new.uuid)
    if old is not None:
        for attachment in instance.vm.attachments:
            if attachment.vdi == old.ref:
                site.destroy("VBD", attachment.ref)
    attach_disk(site, instance.vm.ref, new.ref, position)
    if old is not None:
        destroy_disk(site, old, instance.vm.ref)
