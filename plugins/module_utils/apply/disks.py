# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making and attaching disks of ours."""
from __future__ import annotations

from typing import Mapping

from ..model.labels import TAG, Kind, other_config
from .worksite import Worksite


def create_disk(
    site: Worksite, name: str, description: str, sr: str, size: int, kind: Kind, labels: Mapping[str, str]
) -> str:
    """Make an empty VDI that bears its labels from the start, and return its reference.

    ``sr`` is a reference, ``size`` bytes, which the SR may round up. The caller holds the SR's disk window. The
    disk counts as unfinished until its uuid label is added. Raises XapiError.
    """
    return site.tasks.run(
        "VDI.create",
        {
            "name_label": name,
            "name_description": description,
            "SR": sr,
            "virtual_size": str(size),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": other_config(kind, **labels),
            "xenstore_data": {},
            "sm_config": {},
            "tags": [TAG],
        },
    )


def attach_disk(site: Worksite, vm: str, vdi: str, position: str, mode: str = "RW", kind: str = "Disk") -> str:
    """Make a VBD of a halted VM and return its reference. ``kind`` is Disk or CD."""
    return site.client.call(
        "VBD.create",
        {
            "VM": vm,
            "VDI": vdi,
            "userdevice": position,
            "bootable": kind == "CD",
            "mode": mode,
            "type": kind,
            "unpluggable": True,
            "empty": False,
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        },
    )
