# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: provisioning a template, which makes the disks that it asks for."""

from __future__ import annotations

from xml.etree import ElementTree

from lab import volumes
from lab.classes import vbd as disks
from lab.classes import vdi_life
from lab.classes import vm as machines
from lab.errors import Failure, internal
from lab.registry import implements
from lab.world import Call


@implements("VM.provision")
async def provision(call: Call, vm: str) -> None:
    """Makes the disks of other_config:disks; an `sr` that is no uuid of a repository is refused."""
    call.db.get("VM", vm)
    async with machines.hold(call, vm, "provision"):
        config = call.db.get("VM", vm)["other_config"]
        call.db.set("VM", vm, is_a_template=False, is_default_template=False)
        made: list[str] = []
        try:
            for element in _wanted(config.get("disks", "")):
                made.append(await _make_disk(call, vm, element))
        except Failure:
            for vdi in made:
                await volumes.erase(call, vdi)
            raise
        rest = {key: value for key, value in config.items() if key not in ("disks", "postinstall")}
        call.db.set("VM", vm, other_config=rest)
    machines.refresh(call.world, vm)


def _wanted(text: str) -> list[ElementTree.Element]:
    if not text:
        return []
    try:
        return list(ElementTree.fromstring(text).iterfind("disk"))
    except ElementTree.ParseError as error:
        raise internal(f"Xml.Error({error})") from error


async def _make_disk(call: Call, vm: str, element: ElementTree.Element) -> str:
    sr = _repository(call, element.get("sr", ""))
    fields = {
        "name_label": element.get("device", "0"), "name_description": "Created by template provisioner", "SR": sr,
        "virtual_size": int(element.get("size", "0")), "type": element.get("type", "system"), "sharable": False,
        "read_only": False, "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": [],
    }  # fmt: skip
    vdi = await vdi_life.create(call, fields)
    disks.make(
        call,
        {
            "VM": vm, "VDI": vdi, "userdevice": element.get("device", "0"), "mode": "RW", "type": "Disk",
            "bootable": element.get("bootable") == "true", "unpluggable": element.get("type") != "system",
            "other_config": {"owner": ""},
        },
    )  # fmt: skip
    return vdi


def _repository(call: Call, uuid: str) -> str:
    """The repository with that uuid; the error names its class in lower case, as XAPI's does."""
    ref = call.db.tables["SR"].by_uuid.get(uuid)
    if ref is None:
        raise Failure("UUID_INVALID", "sr", uuid)
    return ref
