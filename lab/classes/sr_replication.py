# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SR: copies of the pool's database kept in disks of their own."""

from __future__ import annotations

from lab import inner
from lab.classes.sr import assert_supports_database_replication
from lab.database import Record
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: What the disk is called, and its size in bytes.
NAME, DESCRIPTION, SIZE = "Metadata for DR", "Used for disaster recovery", 256 * 1024**2


def _disks(call: Call, sr: str) -> list[Record]:
    """The disks with this pool's database."""
    found = [call.db.get("VDI", vdi) for vdi in call.db.get("SR", sr)["VDIs"]]
    return [vdi for vdi in found if vdi["type"] == "metadata" and vdi["metadata_of_pool"] == call.world.pool]


@implements("SR.enable_database_replication")
async def enable(call: Call, sr: str) -> None:
    assert_supports_database_replication(call, sr)
    if _disks(call, sr):
        return
    fields = {
        "SR": sr, "name_label": NAME, "name_description": DESCRIPTION, "virtual_size": SIZE, "type": "metadata",
        "sharable": False, "read_only": False, "other_config": {},
    }  # fmt: skip
    vdi = await inner.call(call, "VDI.create", fields)
    call.db.set("VDI", vdi, metadata_of_pool=call.world.pool, metadata_latest=False)


@implements("SR.disable_database_replication")
async def disable(call: Call, sr: str) -> None:
    for vdi in _disks(call, sr):
        call.db.set("VDI", vdi.ref, metadata_of_pool=NULL)
        await inner.call(call, "VDI.destroy", vdi.ref)
