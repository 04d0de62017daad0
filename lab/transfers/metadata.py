# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ova.xml: the records of VMs and of all that belongs to them, with references that mean something in the file only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lab.database import Record
from lab.errors import Failure
from lab.schema import Field
from lab.values import NULL, Type, copied, empty, from_wire
from lab.wire import xmlrpc
from lab.world import World

STRING, INT = Type("string"), Type("int")
#: Version of the format: 2 has a checksum behind each part of a disk.
EXPORT_VERSION = 2
#: The classes in the order in which their objects are written.
CLASSES = ("host", "VM", "VM_guest_metrics", "VBD", "VIF", "network", "VDI", "SR")
#: Fields that are emptied: they mean nothing anywhere else.
EMPTIED: dict[str, tuple[str, ...]] = {
    "host": (
        "PIFs", "PBDs", "PGPUs", "PCIs", "host_CPUs", "license_params", "blobs", "external_auth_type",
        "external_auth_service_name", "external_auth_configuration", "metrics", "patches", "crashdumps", "logging",
        "supported_bootloaders", "cpu_configuration", "other_config", "capabilities", "software_version",
        "sched_policy", "ha_statefiles", "ha_network_peers", "tags",
    ),
    "VM": (
        "current_operations", "allowed_operations", "crash_dumps", "consoles", "metrics", "protection_policy", "blobs",
    ),
    "VBD": ("metrics", "current_operations", "allowed_operations"),
    "VIF": ("metrics", "current_operations", "allowed_operations"),
    "network": ("PIFs", "current_operations", "allowed_operations"),
    "VDI": ("crash_dumps", "current_operations", "allowed_operations"),
    "SR": ("PBDs", "current_operations", "allowed_operations"),
}  # fmt: skip
#: What says that a VM is a snapshot, and of what; left out where snapshots are not exported along.
SNAPSHOT_FIELDS = (
    "is_a_snapshot", "snapshot_of", "snapshots", "snapshot_time", "transportable_snapshot_id", "parent",
)  # fmt: skip


@dataclass
class Export:
    """What is to be written about some VMs."""

    world: World
    with_snapshots: bool = False
    preserve_power_state: bool = False
    #: also the hidden bases below the disks
    with_bases: bool = False
    #: reference -> reference in the file
    table: dict[str, str] = field(default_factory=dict)

    def _add(self, cls: str, ref: str) -> Record | None:
        """Note an object to be exported; its record if it is there and new."""
        record = self.world.database.find(cls, ref)
        if record is None or ref in self.table:
            return None
        self.table[ref] = f"Ref:{len(self.table)}"
        return record

    def add_vm(self, vm: str) -> None:
        """Note a VM and everything it needs."""
        record = self._add("VM", vm)
        if record is None:
            return
        for ref in record["VIFs"]:
            vif = self._add("VIF", ref)
            if vif:
                self._add("network", vif["network"])
        for ref in record["VBDs"]:
            vbd = self._add("VBD", ref)
            if vbd and not vbd["empty"]:
                self._add_disk(vbd["VDI"])
        if self.with_snapshots:
            self._add_snapshots(record)
        if self.preserve_power_state and record["power_state"] == "Suspended":
            self._add_disk(record["suspend_VDI"])
        self._add("VM_guest_metrics", record["guest_metrics"])
        self._add("host", record["resident_on"])
        self._add("host", record["affinity"])

    def _add_snapshots(self, record: Record) -> None:
        """A snapshot brings neither its own snapshots nor its parent along."""
        self.with_snapshots = False
        for snapshot in [*record["snapshots"], record["parent"]]:
            self.add_vm(snapshot)
        self.with_snapshots = True

    def _add_disk(self, vdi: str) -> None:
        record = self._add("VDI", vdi)
        if record is None:
            return
        self._add("SR", record["SR"])
        parent = record["sm_config"].get("vhd-parent", "")
        if self.with_bases and parent in self.world.database.tables["VDI"].by_uuid:
            self._add_disk(self.world.database.by_uuid("VDI", parent))

    def xml(self) -> bytes:
        """The file's content."""
        objects = [self._object(record) for cls in CLASSES for record in self.world.database.all(cls)
                   if record.ref in self.table]  # fmt: skip
        array = f"<value><array><data>{''.join(objects)}</data></array></value>"
        return xmlrpc.dump_struct({"version": self._version(), "objects": array}).encode("utf-8", "replace")

    def _version(self) -> str:
        host = self.world.database.get("host", self.world.coordinator)
        software = host["software_version"]
        texts = {
            "hostname": host["hostname"], "date": time.strftime("%Y-%m-%d"),
            "product_version": software.get("product_version", ""),
            "product_brand": software.get("product_brand", ""), "build_number": software.get("build_number", ""),
        }  # fmt: skip
        numbers = {
            "xapi_major": host["API_version_major"], "xapi_minor": host["API_version_minor"],
            "export_vsn": EXPORT_VERSION,
        }  # fmt: skip
        return xmlrpc.dump_struct(
            {name: xmlrpc.dump_value(STRING, text) for name, text in texts.items()}
            | {name: xmlrpc.dump_value(INT, number) for name, number in numbers.items()}
        )

    def _object(self, record: Record) -> str:
        definition = self.world.schema.classes[record.cls].record
        snapshot = {
            name: xmlrpc.dump_value(kind, self._exported(record, name, kind))
            for name, kind in definition.fields.items()
        }
        members = {
            "class": xmlrpc.dump_value(STRING, record.cls),
            "id": xmlrpc.dump_value(STRING, self.table[record.ref]),
            "snapshot": xmlrpc.dump_struct(snapshot),
        }
        return xmlrpc.dump_struct(members)

    def _exported(self, record: Record, name: str, kind: Type) -> Any:
        """A field's value as it is written."""
        value = record[name]
        if name in EMPTIED.get(record.cls, ()):
            return empty(kind)
        if record.cls == "VM" and not self.with_snapshots and name in SNAPSHOT_FIELDS:
            return empty(kind)
        if not self.preserve_power_state:
            if record.cls == "VM" and name in ("power_state", "suspend_VDI"):
                return "Halted" if name == "power_state" else NULL
            if name == "currently_attached":
                return False
        return self._renamed(kind, value)

    def _renamed(self, kind: Type, value: Any) -> Any:
        """The value with the file's references; those to what is not in it become none."""
        if kind.kind == "ref":
            return self.table.get(value, NULL)
        if kind.kind == "set" and kind.item and kind.item.kind == "ref":
            return [self.table[item] for item in value if item in self.table]
        return value


def export(exported: Export, vms: Iterable[str]) -> tuple[dict[str, str], bytes]:
    """The references in the file and its content."""
    for vm in vms:
        exported.add_vm(vm)
    return exported.table, exported.xml()


# ---- reading


@dataclass(frozen=True)
class Imported:
    """An object in the file: its class, its reference there, and its fields as they are kept."""

    cls: str
    id: str
    fields: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@dataclass(frozen=True)
class Ova:
    """The content of a file that was read."""

    version: dict[str, Any]
    objects: list[Imported]

    def of(self, cls: str) -> list[Imported]:
        return [found for found in self.objects if found.cls == cls]

    def find(self, ref: str) -> Imported | None:
        return next((found for found in self.objects if found.id == ref), None)


def _kept(known: Field, snapshot: dict[str, Any]) -> Any:
    """A field's value, its default where the file has none, or one that another version had other words for."""
    try:
        return from_wire(known.type, snapshot[known.name])
    except (KeyError, Failure):
        return copied(known.default)


def parse(world: World, data: bytes) -> Ova:
    """Read a file's content. Raises ValueError, KeyError, TypeError, Malformed for what is none."""
    content = xmlrpc.parse_value(data)
    objects = []
    for found in content["objects"]:
        definition = world.schema.classes.get(found["class"])
        if definition:
            snapshot = found["snapshot"]
            fields = {name: _kept(known, snapshot) for name, known in definition.fields.items()}
            objects.append(Imported(found["class"], found["id"], fields))
    return Ova(content["version"], objects)
