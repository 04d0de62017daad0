# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: provisioning a template, which makes the disks that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from lab import inner
from lab.classes import vm as machines
from lab.classes import vm_lifecycle as lifecycle
from lab.errors import Failure, internal
from lab.registry import implements
from lab.world import Call


@dataclass(frozen=True)
class Wanted:
    """A disk that a template asks for."""

    device: str
    size: int
    #: uuid of its repository
    repository: str
    bootable: bool
    type: str


@implements("VM.provision")
async def provision(call: Call, vm: str) -> None:
    """Makes the disks of other_config:disks; an `sr` that is no uuid of a repository is refused.

    The VM is no template any more, even when making a disk fails; it is one still when the text cannot be read.
    """
    async with lifecycle.hold(call, vm, "provision"):
        config = call.db.get("VM", vm)["other_config"]
        wanted = _read(config.get("disks", ""))
        machines.make_instance(call, vm)
        made: list[str] = []
        try:
            for disk in wanted:
                made.append(await _make_disk(call, vm, disk))
        except Failure:
            for vdi in made:
                await inner.try_call(call, "VDI.destroy", vdi)
            raise
        rest = {key: value for key, value in config.items() if key not in ("disks", "postinstall")}
        call.db.set("VM", vm, other_config=rest)
    lifecycle.refresh(call.world, vm)


def _read(text: str) -> list[Wanted]:
    """The disks of a `provision` document. Raises INTERNAL_ERROR when it is none."""
    if not text:
        return []
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise internal(f"Xml.Error({error})") from error
    try:
        if root.tag != "provision" or root.attrib:
            raise ValueError(root.tag)
        return [_disk(element) for element in root]
    except (KeyError, ValueError) as error:
        raise internal("Xapi_templates.Parse_failure") from error


def _disk(element: ElementTree.Element) -> Wanted:
    members = element.attrib
    if element.tag != "disk":
        raise ValueError(element.tag)
    return Wanted(
        members["device"], int(members["size"]), members["sr"], members["bootable"] == "true",
        members.get("type", "system"),
    )  # fmt: skip


async def _make_disk(call: Call, vm: str, disk: Wanted) -> str:
    """The disk, attached to the VM that is to own it."""
    fields = {
        "name_label": disk.device, "name_description": "Created by template provisioner",
        "SR": _repository(call, disk.repository), "virtual_size": disk.size, "type": disk.type, "sharable": False,
        "read_only": False, "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": [],
    }  # fmt: skip
    vdi = str(await inner.call(call, "VDI.create", fields))
    link = {
        "VM": vm, "VDI": vdi, "userdevice": disk.device, "mode": "RW", "type": "Disk", "empty": False, "device": "",
        "bootable": disk.bootable, "unpluggable": disk.type != "system", "currently_attached": False,
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
