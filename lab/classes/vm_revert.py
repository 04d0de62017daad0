# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: going back to a snapshot."""

from __future__ import annotations

import json
from typing import Any

from lab import inner
from lab.classes import sr as repositories
from lab.classes import vbd as disks
from lab.classes import vif as interfaces
from lab.classes import vm_clone
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.classes.vm import new_metrics
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: Fields that a VM keeps as they are.
KEPT = {
    "uuid", "suspend_VDI", "power_state", "parent", "children", "current_operations", "allowed_operations", "metrics",
    "guest_metrics", "resident_on", "scheduled_to_be_resident_on", "domid", "domarch", "protection_policy",
    "snapshot_schedule", "snapshots", "tags", "affinity", "consoles", "VBDs", "VIFs", "VGPUs", "VUSBs", "VTPMs",
    "crash_dumps", "attached_PCIs", "ha_always_run",
}  # fmt: skip
#: Fields in which a snapshot differs from what it is a snapshot of.
OF_SNAPSHOTS = {
    "name_label", "is_a_snapshot", "is_a_template", "is_default_template", "snapshot_of", "snapshot_time",
    "snapshot_info", "snapshot_metadata", "transportable_snapshot_id",
}  # fmt: skip
#: Failures that are told as they are; any other is told as VM_REVERT_FAILED.
TOLD = ("SR_BACKEND_FAILURE_44", "SR_BACKEND_FAILURE_109", "VDI_INCOMPATIBLE_TYPE")


@implements("VM.revert")
async def revert(call: Call, snapshot: str) -> None:
    """Gives the VM new clones of the snapshot's disks; the disks that these go back on are destroyed.

    A VM that is gone is made anew, with its old uuid.
    """
    record = call.db.get("VM", snapshot)
    vm = record["snapshot_of"] if call.db.exists("VM", record["snapshot_of"]) else _make_anew(call, record)
    async with lifecycle.hold(call, snapshot, "revert"), lifecycle.hold(call, vm, "reverting"):
        _require_memory(call, record)
        if call.db.get("VM", vm)["power_state"] != "Halted":
            await inner.call(call, "VM.hard_shutdown", vm)
        call.db.set("VM", vm, **_saved(record), ha_always_run=False)
        _agree_on_domain_type(call, vm)
        try:
            await _revert_devices(call, record, vm)
        except Failure as failure:
            domains.note_halted(call.world, vm)
            raise failure if failure.code in TOLD else Failure("VM_REVERT_FAILED", snapshot, vm) from failure
        _revert_metrics(call, record, vm)
        generation = vm_clone.fresh_generation(call.db.get("VM", vm)["generation_id"])
        call.db.set("VM", vm, parent=snapshot, generation_id=generation, power_state=record["power_state"])
    lifecycle.refresh(call.world, vm)


def _saved(snapshot: Record) -> dict[str, Any]:
    """The fields that the VM had when the snapshot was taken; those of the snapshot when it does not say."""
    if not snapshot["snapshot_metadata"]:
        return {name: value for name, value in snapshot.fields.items() if name not in KEPT | OF_SNAPSHOTS}
    saved = json.loads(snapshot["snapshot_metadata"])
    return {name: value for name, value in saved.items() if name in snapshot.fields and name not in KEPT}


def _agree_on_domain_type(call: Call, vm: str) -> None:
    """Have the domain type be what the boot policy says, whatever the snapshot says."""
    call.db.set("VM", vm, domain_type="hvm" if call.db.get("VM", vm)["HVM_boot_policy"] else "pv")


def _make_anew(call: Call, snapshot: Record) -> str:
    if not snapshot["is_a_snapshot"] or not snapshot["snapshot_metadata"]:
        raise Failure("VM_REVERT_FAILED", snapshot.ref, snapshot["snapshot_of"])
    saved = json.loads(snapshot["snapshot_metadata"])
    kept = {name: snapshot[name] for name in ("tags", "affinity")}
    fields = {**_saved(snapshot), **kept, "uuid": saved["uuid"], "power_state": "Halted", "domid": -1}
    vm = call.db.create("VM", {**fields, "metrics": new_metrics(call)})
    for other in call.db.where("VM", snapshot_of=snapshot["snapshot_of"]):
        call.db.set("VM", other.ref, snapshot_of=vm)
    return vm


def _require_memory(call: Call, snapshot: Record) -> None:
    """Raises, before anything is destroyed, when the memory that belongs to the snapshot is out of reach."""
    if snapshot["power_state"] == "Suspended":
        sr = call.db.get("VDI", snapshot["suspend_VDI"])["SR"]
        if not repositories.plugged_hosts(call.world, sr):
            raise Failure("SR_HAS_NO_PBDS", sr)


async def _revert_devices(call: Call, snapshot: Record, vm: str) -> None:
    vbds = [call.db.get("VBD", vbd) for vbd in snapshot["VBDs"]]
    await _remove_devices(call, vm, {_snapshot_of(call, vbd) for vbd in vbds})
    made = await vm_clone.copy_disks(call, vbds, "clone")
    for record, vdi in made:
        origin = _snapshot_of(call, record)
        if vdi != record["VDI"] and origin != NULL:
            for other in call.db.where("VDI", snapshot_of=origin):
                call.db.set("VDI", other.ref, snapshot_of=vdi)
    image = snapshot["suspend_VDI"]
    call.db.set("VM", vm, suspend_VDI=NULL if image == NULL else await vm_clone.copy_disk(call, image, "clone"))
    call.db.set("VM", vm, power_state=snapshot["power_state"])
    vm_clone.copy_devices(call, snapshot["VIFs"], vm, made, keep_macs=True)


def _snapshot_of(call: Call, vbd: Record) -> str:
    vdi = call.db.find("VDI", vbd["VDI"])
    return str(vdi["snapshot_of"]) if vdi and vbd["type"] == "Disk" else NULL


async def _remove_devices(call: Call, vm: str, origins: set[str]) -> None:
    """Remove the VM's VBDs and VIFs, its memory, and those of its disks that the snapshot has another state of."""
    record = call.db.get("VM", vm)
    found = [call.db.get("VBD", vbd) for vbd in record["VBDs"]]
    for vbd in found:
        disks.remove(call, vbd.ref)
    for vdi in [record["suspend_VDI"], *(vbd["VDI"] for vbd in found if vbd["type"] == "Disk")]:
        if call.db.exists("VDI", vdi) and vdi in {*origins, record["suspend_VDI"]}:
            await inner.call(call, "VDI.destroy", vdi)
    for vif in record["VIFs"]:
        interfaces.remove(call, vif)


def _revert_metrics(call: Call, snapshot: Record, vm: str) -> None:
    for cls, field in (("VM_metrics", "metrics"), ("VM_guest_metrics", "guest_metrics")):
        old = call.db.get("VM", vm)[field]
        new = vm_clone.copy_metrics(call, cls, snapshot[field])
        if new != NULL or field == "guest_metrics":
            call.db.set("VM", vm, **{field: new})
            if call.db.exists(cls, old):
                call.db.delete(cls, old)
