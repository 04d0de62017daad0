# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of an imported archive: found where they are already, else made."""

from __future__ import annotations

import logging
import uuid as uuids
from collections.abc import Awaitable, Callable

from lab import inner
from lab.classes import vm_lifecycle as lifecycle
from lab.database import Record
from lab.errors import Failure
from lab.transfers.making import Making
from lab.transfers.metadata import Imported
from lab.values import NULL

LOG = logging.getLogger("lab")
#: Fields of a VM that its constructor does not take.
BEYOND_CONSTRUCTOR = (
    "is_a_snapshot", "snapshot_info", "snapshot_of", "snapshot_time", "transportable_snapshot_id", "parent",
    "bios_strings", "last_booted_record", "last_boot_CPU_flags",
)  # fmt: skip


class Importer(Making):
    """What becomes of the objects of each class."""

    def require_readable(self) -> None:
        """Raises IMPORT_INCOMPATIBLE_VERSION, DUPLICATE_VM."""
        version, host = self.ova.version, self.call.db.get("host", self.call.world.coordinator)
        own = (host["API_version_major"], host["API_version_minor"])
        if (int(version["xapi_major"]), int(version["xapi_minor"])) > own:
            raise Failure("IMPORT_INCOMPATIBLE_VERSION")
        if not self.options.restore:
            return
        known = {record["other_config"].get("mac_seed"): record.ref for record in self.call.db.all("VM")}
        for vm in self.ova.of("VM"):
            seed = vm["other_config"].get("mac_seed")
            if seed in known and seed is not None and vm["uuid"] not in self.call.db.tables["VM"].by_uuid:
                raise Failure("DUPLICATE_VM", known[seed])

    async def make_all(self) -> None:
        """Find or make everything. Raises Failure."""
        steps: dict[str, Callable[[Imported], Awaitable[None]]] = {
            "host": self._host, "SR": self._repository, "VDI": self._disk, "VM_guest_metrics": self._guest_metrics,
            "VM": self._machine, "network": self._network, "VBD": self._vbd, "VIF": self._vif,
        }  # fmt: skip
        for cls, step in steps.items():
            for found in self.ova.of(cls):
                await step(found)
        if not self.options.dry_run:
            self._link_snapshots()

    def finish(self) -> list[str]:
        """The VMs are free from now on; those that are no snapshots."""
        for vm in self.vms:
            self.call.db.drop("VM", vm, "current_operations", self.call.task)
            lifecycle.refresh(self.call.world, vm)
        self.call.world.settle()
        return [vm for vm in self.vms if not self.call.db.get("VM", vm)["is_a_snapshot"]]

    # ---- one class after the other

    async def _host(self, found: Imported) -> None:
        self.table[found.id] = self.call.db.tables["host"].by_uuid.get(found["uuid"], NULL)

    async def _repository(self, found: Imported) -> None:
        """With data, all disks go to one repository, and CDs into none; without, they stay where they are."""
        if self.options.metadata_only:
            known = self.call.db.tables["SR"].by_uuid.get(found["uuid"])
            if known:
                self.table[found.id] = known
        elif found["content_type"] != "iso":
            self.table[found.id] = self.options.sr

    async def _disk(self, found: Imported) -> None:
        original = self.ova.find(found["SR"])
        if original is None:
            raise Failure("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", found["SR"])
        if original["content_type"] == "iso":
            self._iso(found)
        elif self.options.metadata_only:
            self._existing_disk(found)
        else:
            changes = {"SR": self.table[found["SR"]], "read_only": False}
            changes["sm_config"] = {"import_task": self.call.task}
            await self.make(found, changes)

    def _iso(self, found: Imported) -> None:
        """A disc of the same name in any library; without one the drive will be empty."""
        for vdi in self.call.db.where("VDI", location=found["location"]):
            sr = self.call.db.find("SR", vdi["SR"])
            if sr and sr["content_type"] == "iso" and sr["type"] != "udev":
                self.table[found.id] = vdi.ref
                return

    def _existing_disk(self, found: Imported) -> None:
        sr = self.table.get(found["SR"])
        same = self.call.db.where("VDI", location=found["location"])
        here = [vdi.ref for vdi in same if vdi["SR"] == sr]
        if here:
            self.table[found.id] = here[0]
        elif self.options.dry_run and self.options.live:
            # it will be copied before the VM comes
            self.dummy(found)
        elif not self.options.force:
            raise Failure("VDI_LOCATION_MISSING", sr, found["location"]) if sr else Failure("VDI_CONTENT_ID_MISSING")

    async def _guest_metrics(self, found: Imported) -> None:
        if self.options.dry_run:
            self.dummy(found)
            return
        fields = {name: value for name, value in found.fields.items() if name != "uuid"}
        self.table[found.id] = self.call.db.create("VM_guest_metrics", fields)

    async def _machine(self, found: Imported) -> None:
        if found["is_a_template"] and found["is_default_template"]:
            same = self.call.db.where("VM", name_label=found["name_label"])
            self.table[found.id] = same[0].ref if same else NULL
            return
        replaced = self.call.db.tables["VM"].by_uuid.get(found["uuid"]) if self.options.restore else None
        if replaced and not self._replaceable(found, self.call.db.get("VM", replaced)):
            return
        if self.options.dry_run:
            self.dummy(found)
            return
        if replaced:
            await inner.call(self.call, "VM.destroy", replaced)
        await self._new_machine(found)

    def _replaceable(self, found: Imported, old: Record) -> bool:
        """Whether the VM that is there may be replaced; False to leave it. Raises why not."""
        if old["power_state"] != "Halted":
            if self.options.force:
                return False
            raise Failure("VM_BAD_POWER_STATE", old.ref, "Halted", old["power_state"])
        if old["version"] >= found["version"] and not self.options.force:
            raise Failure("VM_TO_IMPORT_IS_NOT_NEWER_VERSION", old.ref, old["version"], found["version"])
        return True

    async def _new_machine(self, found: Imported) -> None:
        restore = self.options.restore
        other_config = dict(found["other_config"])
        if not restore:
            other_config["mac_seed"] = str(uuids.uuid4())
        changes = {
            "power_state": "Halted", "suspend_VDI": NULL, "affinity": self.table.get(found["affinity"], NULL),
            "appliance": NULL, "protection_policy": NULL, "snapshot_schedule": NULL,
            "version": found["version"] + 1 if restore else 0, "other_config": other_config,
            "generation_id": _fresh_generation(),
        }  # fmt: skip
        if not self.call.db.exists("SR", found["suspend_SR"]):
            changes["suspend_SR"] = NULL
        vm = await self.make(found, changes)
        self.keep_uuid(found)
        later = {name: found[name] for name in BEYOND_CONSTRUCTOR}
        later["other_config"] = {**self.call.db.get("VM", vm)["other_config"], "import_task": self.call.task}
        later["guest_metrics"] = self.table.get(found["guest_metrics"], NULL)
        if found["power_state"] == "Suspended":
            later |= {"power_state": "Suspended", "suspend_VDI": self.lookup(found["suspend_VDI"])}
        self.call.db.set("VM", vm, **later)
        if not self.options.force:
            self.call.db.put("VM", vm, "current_operations", self.call.task, "import")
        self.call.world.refresh("VM", vm)
        self.vms.append(vm)

    async def _network(self, found: Imported) -> None:
        """A network of that name, or else on a bridge of that name."""
        same = self.call.db.where("network", name_label=found["name_label"])
        same = same or self.call.db.where("network", bridge=found["bridge"])
        if same:
            self.table[found.id] = same[0].ref
        elif self.options.dry_run:
            self.dummy(found)
        else:
            network = await self.make(found, {"bridge": ""})
            self.call.db.put("network", network, "other_config", "import_task", self.call.task)

    def _known(self, found: Imported) -> bool:
        """Whether a device that is to be restored is there already."""
        known = self.call.db.tables[found.cls].by_uuid.get(found["uuid"]) if self.options.restore else None
        if known:
            self.table[found.id] = known
        return bool(known)

    async def _vbd(self, found: Imported) -> None:
        """A CD whose disc is not here is empty; a disk that is not here has no VBD."""
        if self._known(found) or found["VM"] not in self.table:
            return
        present = found["VDI"] in self.table
        if found["type"] != "CD" and not present:
            LOG.warning("imported VM: its disk %s is not in the archive", found["userdevice"])
            return
        if self.options.dry_run:
            self.dummy(found)
            return
        disc = {"VDI": self.table[found["VDI"]], "empty": False} if present else {"VDI": NULL, "empty": True}
        vbd = await self.make(found, {"VM": self.table[found["VM"]], **disc})
        self.keep_uuid(found)
        self._keep_attached(found, vbd)

    async def _vif(self, found: Imported) -> None:
        if self._known(found):
            return
        if self.options.dry_run:
            self.dummy(found)
            return
        places = {"VM": self.lookup(found["VM"]), "network": self.lookup(found["network"])}
        vif = await self.make(found, {**places, "MAC": found["MAC"] if self.options.restore else ""})
        self.keep_uuid(found)
        self._keep_attached(found, vif)

    def _keep_attached(self, found: Imported, ref: str) -> None:
        """The devices of a suspended VM stay attached."""
        if self.call.db.get("VM", self.table[found["VM"]])["power_state"] != "Halted":
            self.call.db.set(found.cls, ref, currently_attached=found["currently_attached"])

    def _link_snapshots(self) -> None:
        for vm in self.vms:
            record = self.call.db.get("VM", vm)
            if record["is_a_snapshot"] and record["snapshot_of"] != NULL:
                self.call.db.set("VM", vm, snapshot_of=self.lookup(record["snapshot_of"]))
            self.call.db.set("VM", vm, parent=self.table.get(record["parent"], NULL))


def _fresh_generation() -> str:
    """A generation id: two 64-bit numbers."""
    number = uuids.uuid4().int
    signed = [part - 2**64 if part >= 2**63 else part for part in (number >> 64, number & (2**64 - 1))]
    return f"{signed[0]}:{signed[1]}"
