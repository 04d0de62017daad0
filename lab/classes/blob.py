# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""blob: small data kept for clients (their records only)."""

from __future__ import annotations

from lab.registry import Handler, implements
from lab.world import Call, now

OWNERS = ("VM", "SR", "network", "host", "pool")


@implements("blob.create")
def create(call: Call, mime_type: str, public: bool) -> str:
    fields = {"mime_type": mime_type or "application/octet-stream", "public": public, "last_updated": now()}
    return call.db.create("blob", fields)


@implements("blob.destroy")
def destroy(call: Call, blob: str) -> None:
    call.db.delete("blob", blob)


def create_new_blob(cls: str) -> Handler:
    """The create_new_blob call of a class that owns blobs."""

    def create_for(call: Call, owner: str, name: str, mime_type: str, public: bool) -> str:
        call.db.get(cls, owner)
        blob = create(call, mime_type, public)
        call.db.put(cls, owner, "blobs", name, blob)
        return blob

    return create_for


for owner in OWNERS:
    implements(f"{owner}.create_new_blob")(create_new_blob(owner))
