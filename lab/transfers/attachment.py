# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks attached to the control domain while their data moves.

XAPI plugs a temporary VBD into the control domain of the host that works. The rule that keeps a disk from two writers
does not count it; what the storage layer refuses stays refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from lab.classes import vbd as attachments
from lab.database import Record
from lab.errors import Failure, internal
from lab.values import NULL
from lab.world import Call

Mode = Literal["RO", "RW"]


@asynccontextmanager
async def attached(call: Call, host: str, vdi: str, mode: Mode) -> AsyncIterator[Record]:
    """The disk's record while it is attached. Raises VDI_READONLY, and what the storage layer refuses."""
    record = call.db.get("VDI", vdi)
    if mode == "RW" and record["read_only"]:
        raise Failure("VDI_READONLY", vdi)
    _require_compatible(call, record, host, mode)
    vbd = attachments.make(
        call,
        {
            "VM": call.db.get("host", host)["control_domain"], "VDI": vdi, "userdevice": "autodetect",
            "device": "", "mode": mode, "type": "Disk", "bootable": False, "empty": False, "unpluggable": True,
            "currently_attached": True, "other_config": {"task_id": call.task},
        },
    )  # fmt: skip
    call.world.settle()
    try:
        yield record
    finally:
        if call.db.exists("VBD", vbd):
            attachments.remove(call, vbd)
        call.world.refresh("VDI", vdi)
        call.world.settle()


def _require_compatible(call: Call, record: Record, host: str, mode: Mode) -> None:
    """What the storage layer says of a disk that is in use: another host's, or the same host's in another way."""
    for vbd in [call.db.get("VBD", ref) for ref in record["VBDs"]]:
        vm = call.db.find("VM", vbd["VM"])
        if not vbd["currently_attached"] or vm is None or vm["resident_on"] == NULL:
            continue
        both_read = mode == "RO" and vbd["mode"] == "RO"
        if vm["resident_on"] != host and not both_read:
            text = f"The VDI is not available [opterr=VDI {record['uuid']} already attached {vbd['mode']}]"
            raise Failure("SR_BACKEND_FAILURE_46", "", text, "")
        if vm["resident_on"] == host and mode == "RW" and vbd["mode"] == "RO":
            raise internal("Storage_error ([S(Illegal_transition);[[S(Activated);S(RO)];[S(Activated);S(RW)]]])")
