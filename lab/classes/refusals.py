# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls whose answer is always the same: deprecated ones, the storage layer's own, features not set up."""

from __future__ import annotations

from typing import Any

from lab.errors import Failure
from lab.registry import Handler, implements
from lab.world import Call

ALWAYS: dict[str, tuple[str, ...]] = {
    "MESSAGE_DEPRECATED": ("SR.make",),
    "WLB_NOT_INITIALIZED": ("VM.retrieve_wlb_recommendations", "pool.retrieve_wlb_configuration"),
    "HA_NOT_ENABLED": ("pool.disable_ha",),
}  # fmt: skip
#: What only XAPI's storage layer may call, of a disk that is there, and of whatever is given.
OF_DISKS = (
    "VDI.set_read_only", "VDI.set_sharable", "VDI.set_managed", "VDI.set_missing", "VDI.set_virtual_size",
    "VDI.set_physical_utilisation", "VDI.set_is_a_snapshot", "VDI.set_snapshot_of", "VDI.set_snapshot_time",
    "VDI.set_metadata_of_pool", "VDI.set_cbt_enabled", "VDI.db_forget",
)  # fmt: skip
STORAGE_ONLY = (
    "VDI.db_introduce", "SR.set_virtual_allocation", "SR.set_physical_size", "SR.set_physical_utilisation",
)  # fmt: skip


def _refuse(*description: str) -> Handler:
    def refuse(call: Call, *arguments: Any) -> None:
        raise Failure(*description)

    return refuse


@implements(*OF_DISKS)
def refuse_disk(call: Call, vdi: str, *arguments: Any) -> None:
    """Raises HANDLE_INVALID first."""
    call.db.get("VDI", vdi)
    raise Failure("PERMISSION_DENIED", "")


for _code, _names in ALWAYS.items():
    implements(*_names)(_refuse(_code))
implements(*STORAGE_ONLY)(_refuse("PERMISSION_DENIED", ""))
