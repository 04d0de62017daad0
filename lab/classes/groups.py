# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GPU_group, USB_group, PVS_site: groups of things that the lab's hosts have none of."""

from __future__ import annotations

from lab.errors import Failure
from lab.registry import Handler, implements
from lab.world import Call

#: Class -> fields whose objects keep a group from being removed, and the error that names them.
MEMBERS = {
    "GPU_group": {"PGPUs": "GPU_GROUP_CONTAINS_PGPU", "VGPUs": "GPU_GROUP_CONTAINS_VGPU"},
    "USB_group": {"PUSBs": "USB_GROUP_CONTAINS_PUSB", "VUSBs": "USB_GROUP_CONTAINS_VUSB"},
    "PVS_site": {"servers": "PVS_SITE_CONTAINS_SERVERS"},
}


def _create(cls: str) -> Handler:
    def create(call: Call, name: str, description: str, other_config: dict[str, str]) -> str:
        fields = {"name_label": name, "name_description": description, "other_config": other_config}
        return call.db.create(cls, fields)

    return create


def _destroy(cls: str) -> Handler:
    def destroy(call: Call, group: str) -> None:
        record = call.db.get(cls, group)
        for field, code in MEMBERS[cls].items():
            if record[field]:
                raise Failure(code, *record[field])
        call.db.delete(cls, group)

    return destroy


for _cls in ("GPU_group", "USB_group"):
    implements(f"{_cls}.create")(_create(_cls))
    implements(f"{_cls}.destroy")(_destroy(_cls))
implements("PVS_site.forget")(_destroy("PVS_site"))


@implements("PVS_site.introduce")
def introduce_site(call: Call, name: str, description: str, uuid: str) -> str:
    return call.db.create("PVS_site", {"name_label": name, "name_description": description, "PVS_uuid": uuid})


@implements("PVS_site.set_PVS_uuid")
def set_site_uuid(call: Call, site: str, uuid: str) -> None:
    call.db.set("PVS_site", site, PVS_uuid=uuid)
