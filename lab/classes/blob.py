# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""blob: small data kept for clients (their records only)."""

from __future__ import annotations

from lab import generated
from lab.registry import Handler, implements
from lab.world import Call

OWNERS = ("VM", "SR", "network", "host", "pool")
DEFAULT_TYPE = "application/octet-stream"


@implements("blob.create")
def create(call: Call, mime_type: str, public: bool) -> str:
    """An empty blob; it was never updated."""
    return call.db.create("blob", {"mime_type": mime_type or DEFAULT_TYPE, "public": public})


@implements("blob.destroy")
def destroy(call: Call, blob: str) -> None:
    """VMs forget it; other owners do not, as in XAPI."""
    call.db.get("blob", blob)
    for vm in call.db.all("VM"):
        if blob in vm["blobs"].values():
            left = {name: other for name, other in vm["blobs"].items() if other != blob}
            call.db.set("VM", vm.ref, blobs=left)
    call.db.delete("blob", blob)


def create_new_blob(cls: str) -> Handler:
    """The create_new_blob call of a class that owns blobs. The blob stays even if the owner cannot have it."""

    def create_for(call: Call, owner: str, name: str, mime_type: str, public: bool) -> str:
        blob = create(call, mime_type, public)
        generated.add_key(call, cls, owner, "blobs", name, blob)
        return blob

    return create_for


for owner in OWNERS:
    implements(f"{owner}.create_new_blob")(create_new_blob(owner))
