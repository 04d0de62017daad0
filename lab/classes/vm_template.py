# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: provisioning a template, which makes the disks that it asks for."""

from __future__ import annotations

from xml.etree import ElementTree

from lab import inner
from lab.classes import vm as machines
from lab.classes import vm_lifecycle as lifecycle
from lab.errors import Failure, internal
from lab.registry import implements
from lab.world import Call


@implements("VM.provision")
async def provision(call: Call, vm: str) -> None:
    """Makes the disks of other_config:disks; an `sr` that is no uuid of a repository is refused.

    The VM is no template any more, even when that fails.
    """
    async with lifecycle.hold(call, vm, "provision"):
        machines.make_instance(call, vm)
        config = call.db.get("VM", vm)["other_config"]
        made: list[str] = []
        try:
            for element in _wanted(config.get("disks", "")):
                made.append(await _make_disk(call, vm, element))
        except Failure:
            for vdi in made:
                await inner.try_call(call, "VDI.destroy", vdi)
            raise
        rest = {key: value for key, value in config.items() if key not in ("disks", "postinstall")}
        call.db.set("VM", vm, other_config=rest)
    lifecycle.refresh(call.world, vm)


def _wanted(text: str) -> list[ElementTree.Element]:
    if not text:
        return []
    try:
        return list(ElementTree.fromstring(text).iterfind("disk"))
    except ElementTree.ParseError as error:
        raise internal(f"Xml.Error({error})") from error


async def _make_disk(call: Call, vm: str, element: ElementTree.Element) -> str:
    """The disk, attached to the VM that is to own it."""
    device, kind = element.get("device", "0"), element.get("type", "system")
    fields = {
        "name_label": device, "name_description": "Created by template provisioner",
        "SR": _repository(call, element.get("sr", "")), "virtual_size": int(element.get("size", "0")), "type": kind,
        "sharable": False, "read_only": False, "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": [],
    }  # fmt: skip
    vdi = str(await inner.call(call, "VDI.create", fields))
    link = {
        "VM": vm, "VDI": vdi, "userdevice": device, "mode": "RW", "type": "Disk", "empty": False, "device": "",
        "bootable": element.get("bootable") == "true", "unpluggable": kind != "system", "currently_attached": False,
        "other_config": {"owner": ""}, "qos_algorithm_type": "", "qos_algorithm_params": {},
    }  # fmt: skip
    try:
        await inner.call(call, "VBD.create", link)
    except Failure:
        await inner.try_call(call, "VDI.destroy", vdi)
        raise
    return vdi


def _repository(call: Call, uuid: str) -> str:
    """The repository with that uuid; the error names its class in lower case, as XAPI's does."""
    ref = call.db.tables["SR"].by_uuid.get(uuid)
    if ref is None:
        raise Failure("UUID_INVALID", "sr", uuid)
    return ref
