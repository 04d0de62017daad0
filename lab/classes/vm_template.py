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

#: Types of disks that a template can ask for; others are taken for the first.
DISK_TYPES = ("system", "user", "ephemeral", "suspend", "crashdump")


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
    Disks that were made before one could not be stay. What asks for nothing stays in other_config.
    """
    async with lifecycle.hold(call, vm, "provision"):
        config = call.db.get("VM", vm)["other_config"]
        wanted = _read(config["disks"]) if "disks" in config else []
        machines.make_instance(call, vm)
        for disk in wanted:
            await _make_disk(call, vm, disk)
        if wanted or "postinstall" in config:
            rest = {key: value for key, value in config.items() if key not in ("disks", "postinstall")}
            call.db.set("VM", vm, other_config=rest)
    lifecycle.refresh(call.world, vm)


def _read(text: str) -> list[Wanted]:
    """The disks of a `provision` document. Raises INTERNAL_ERROR when it is none."""
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
    if element.tag != "disk" or len(element):
        raise ValueError(element.tag)
    kind = members.get("type", "system")
    return Wanted(
        members["device"], int(members["size"]), members["sr"], members["bootable"] == "true",
        kind if kind in DISK_TYPES else "system",
    )  # fmt: skip


async def _make_disk(call: Call, vm: str, disk: Wanted) -> None:
    """Make the disk, attach it to the VM that is to own it, and name it after its position there."""
    fields = {
        "name_label": "", "name_description": "Created by template provisioner",
        "SR": _repository(call, disk.repository), "virtual_size": disk.size, "type": disk.type, "sharable": False,
        "read_only": False, "other_config": {}, "xenstore_data": {}, "sm_config": {}, "tags": [],
    }  # fmt: skip
    vdi = str(await inner.call(call, "VDI.create", fields))
    link = {
        "VM": vm, "VDI": vdi, "userdevice": disk.device, "mode": "RW", "type": "Disk", "empty": False, "device": "",
        "bootable": disk.bootable, "unpluggable": disk.type != "system", "currently_attached": False,
        "other_config": {"owner": ""}, "qos_algorithm_type": "", "qos_algorithm_params": {},
    }  # fmt: skip
    vbd = str(await inner.call(call, "VBD.create", link))
    await inner.call(call, "VDI.set_name_label", vdi, call.db.get("VBD", vbd)["userdevice"])


def _repository(call: Call, uuid: str) -> str:
    """The repository with that uuid; the error names its class in lower case, as XAPI's does."""
    ref = call.db.tables["SR"].by_uuid.get(uuid)
    if ref is None:
        raise Failure("UUID_INVALID", "sr", uuid)
    return ref
