# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds in a host pool whenever nothing is going on, whatever was called before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.classes import vm_memory
from lab.database import Record
from lab.repositories import space
from lab.values import NULL, Type
from lab.world import World

#: References that XAPI itself leaves when what they refer to goes, or stores without looking.
MAY_DANGLE = {
    ("VM", "affinity"), ("VM", "appliance"), ("VM", "suspend_SR"), ("VM", "suspend_VDI"), ("VM", "snapshot_of"),
    ("VM", "parent"), ("VM", "groups"), ("VM", "protection_policy"), ("VM", "snapshot_schedule"),
    ("VDI", "snapshot_of"), ("VBD", "VDI"), ("VBD", "VM"), ("pool", "default_SR"), ("pool", "suspend_image_SR"),
    ("pool", "crash_dump_SR"), ("host", "suspend_image_sr"), ("host", "crash_dump_sr"), ("host", "local_cache_sr"),
    ("session", "this_user"), ("session", "subject"), ("session", "parent"), ("task", "resident_on"),
}  # fmt: skip
RUNNING = ("Running", "Paused")


def broken(world: World) -> list[str]:
    """All that does not hold, in words; empty when all is well."""
    world.settle()
    return [*_relations(world), *_references(world), *_guests(world), *_operations(world), *_sharing(world)]


def _relations(world: World) -> Iterator[str]:
    """Both ends of every relation agree."""
    for (cls, name), (other_cls, other_name) in world.schema.relations.items():
        for record in world.database.all(cls):
            for ref in _refs(record[name]):
                other = world.database.find(other_cls, ref)
                if other and record.ref not in _refs(other[other_name]):
                    yield f"{cls}.{name} of {record.ref} has {ref}, whose {other_name} does not have it"
            if len(_refs(record[name])) != len(set(_refs(record[name]))):
                yield f"{cls}.{name} of {record.ref} has something twice"


def _refs(value: Any) -> list[str]:
    found = [value] if isinstance(value, str) else list(value)
    return [ref for ref in found if ref not in (NULL, "")]


def _references(world: World) -> Iterator[str]:
    """Nothing refers to what is not there."""
    for cls, definition in world.schema.classes.items():
        for name, field in definition.fields.items():
            target = _target(field.type)
            if target not in world.database.tables or (cls, name) in MAY_DANGLE:
                continue
            for record in world.database.all(cls):
                for ref in _refs(record[name]):
                    if not world.database.exists(target, ref):
                        yield f"{cls}.{name} of {record.ref} dangles: {ref}"


def _target(kind: Type) -> str:
    if kind.kind == "set" and kind.item:
        return _target(kind.item)
    return kind.name if kind.kind == "ref" else ""


def _guests(world: World) -> Iterator[str]:
    """VMs have a host and a domain while they run, and only then; devices are attached only to VMs with memory."""
    for vm in world.database.all("VM"):
        runs = vm["power_state"] in RUNNING
        if (vm["resident_on"] != NULL) != runs or (vm["domid"] >= 0) != runs:
            yield f"VM {vm.ref} is {vm['power_state']} on {vm['resident_on']} with domain {vm['domid']}"
        for cls, name in (("VBD", "VBDs"), ("VIF", "VIFs")):
            for device in [world.database.get(cls, ref) for ref in vm[name]]:
                if device["currently_attached"] and vm["power_state"] == "Halted":
                    yield f"{cls} {device.ref} is attached to a halted VM"
    for host in world.database.all("host"):
        metrics = world.database.get("host_metrics", host["metrics"])
        free = vm_memory.free_memory(world, host.ref)
        if metrics["live"] and metrics["memory_free"] != free:
            yield f"host {host.ref} says {metrics['memory_free']} bytes are free, there are {free}"


def _operations(world: World) -> Iterator[str]:
    """Nothing is in progress, and allowed operations are what they would be if they were computed now."""
    for vm in world.database.all("VM"):
        if vm["scheduled_to_be_resident_on"] != NULL:
            yield f"VM {vm.ref} is still scheduled"
    for cls, definition in world.schema.classes.items():
        if "current_operations" not in definition.fields or cls == "task":
            continue
        for record in world.database.all(cls):
            if record["current_operations"]:
                yield f"{cls} {record.ref} is still busy: {record['current_operations']}"
            if cls in world.allowed and not _is_fresh(world, record):
                fresh = world.allowed[cls](world, record.ref)
                yield f"{cls} {record.ref} allows {record['allowed_operations']}, should allow {fresh}"


def _is_fresh(world: World, record: Record) -> bool:
    """Two things XAPI does not compute anew either.

    Devices of clones have no allowed operations until they are first touched, and a VBD that was looked at during an
    operation on its disk does not hear of its end.
    """
    stored, fresh = record["allowed_operations"], world.allowed[record.cls](world, record.ref)
    if record.cls == "VBD":
        stored, fresh = [[name for name in names if name != "attach"] for names in (stored, fresh)]
    return stored == fresh or (record.cls in ("VBD", "VIF") and record["allowed_operations"] == [])


def _sharing(world: World) -> Iterator[str]:
    """A disk that is not sharable is written by one VM at most, and then nobody else reads it."""
    for vdi in world.database.all("VDI"):
        vbds = [world.database.get("VBD", ref) for ref in vdi["VBDs"]]
        held = [vbd for vbd in vbds if vbd["currently_attached"] and _counts(world, vbd)]
        if len(held) > 1 and not vdi["sharable"] and any(vbd["mode"] == "RW" for vbd in held):
            yield f"VDI {vdi.ref} is shared while it is written"


def _counts(world: World, vbd: Record) -> bool:
    vm = world.database.find("VM", vbd["VM"])
    return vm is not None and vm["power_state"] in RUNNING and not vm["is_control_domain"]


async def broken_storage(worlds: list[World], without_record: set[str]) -> list[str]:
    """What does not hold between the records of disks and the disks that are there.

    without_record has uuids of disks that are there without a record because it was forgotten.
    """
    found = []
    existing, known = await worlds[0].disks.existing(), set()
    for world in worlds:
        for sr in world.database.all("SR"):
            found += [text async for text in _space(world, sr, existing)]
        known |= {vdi["uuid"] for vdi in world.database.all("VDI")}
    found += [f"disk {uuid} is there without a record" for uuid in existing - known - without_record]
    return found


async def _space(world: World, sr: Record, existing: set[str]) -> Any:
    disks = [world.database.get("VDI", ref) for ref in sr["VDIs"]]
    for vdi in disks:
        if vdi["type"] == "cbt_metadata":
            # its data was destroyed, what is left is a list of blocks
            continue
        if vdi["uuid"] not in existing:
            yield f"VDI {vdi.ref} ({vdi['type']}) has no disk"
        elif sr["content_type"] != "iso":
            taken = space.kind(world, sr.ref).taken(await space.volume(world, vdi))
            if vdi["physical_utilisation"] != taken:
                yield f"VDI {vdi.ref} says it takes {vdi['physical_utilisation']} bytes, it takes {taken}"
    taken = sum(vdi["physical_utilisation"] for vdi in disks) + world.foreign_bytes.get(sr.ref, 0)
    if disks and sr["physical_utilisation"] != taken:
        yield f"SR {sr.ref} says it has {sr['physical_utilisation']} bytes, its disks take {taken}"
    virtual = sum(vdi["virtual_size"] for vdi in disks if vdi["managed"])
    if disks and sr["virtual_allocation"] != virtual:
        yield f"SR {sr.ref} says {sr['virtual_allocation']} bytes are allocated, its disks have {virtual}"
