# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: snapshots and going back to them."""

from __future__ import annotations

import json

from lab import volumes
from lab.classes import vbd as disks
from lab.classes import vif as interfaces
from lab.classes import vm as machines
from lab.classes import vm_clone, vm_power
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, now

#: Fields that a revert leaves as they are.
KEPT_BY_REVERT = {
    "is_a_template", "is_a_snapshot", "snapshot_of", "snapshot_time", "snapshot_info", "snapshot_metadata",
    "other_config", "tags", "power_state",
}  # fmt: skip


@implements("VM.snapshot")
async def snapshot(call: Call, vm: str, name: str, ignored: list[str]) -> str:
    """A halted template of the VM as it is; disks in `ignored` are left out."""
    call.db.get("VM", vm)
    async with machines.hold(call, vm, "snapshot"):
        source = call.db.get("VM", vm)
        vm_clone.require_storage(call, source)
        made = await vm_clone.copy_disks(
            call, _without(call, source, ignored), lambda d: vm_clone.branch_disk(call, d, True)
        )
        new = vm_clone.copy_record(
            call, source, name, is_a_template=True, is_a_snapshot=True, snapshot_of=vm, snapshot_time=now(),
            parent=source["parent"], snapshot_metadata=json.dumps({"name_label": source["name_label"]}),
            snapshot_info={
                "power-state-at-snapshot": source["power_state"], "disk-snapshot-type": "crash_consistent",
            },
            transportable_snapshot_id="",
        )  # fmt: skip
        seed = source["other_config"].get("mac_seed", "")
        call.db.put("VM", new, "other_config", "mac_seed", seed)
        vm_clone.copy_devices(call, source, new, made, keep_macs=True)
        call.db.set("VM", vm, parent=new)
    call.world.refresh("VM", new)
    return new


def _without(call: Call, source: Record, ignored: list[str]) -> Record:
    if not ignored:
        return source
    vbds = [vbd for vbd in source["VBDs"] if call.db.get("VBD", vbd)["VDI"] not in ignored]
    return Record("VM", source.ref, {**source.fields, "VBDs": vbds}, source.created, source.modified)


@implements("VM.revert")
async def revert(call: Call, snapshot: str) -> None:
    """Gives the VM new clones of the snapshot's disks; its own disks are destroyed."""
    record = call.db.get("VM", snapshot)
    if not record["is_a_snapshot"]:
        raise Failure("VM_REVERT_FAILED", snapshot, NULL)
    vm = record["snapshot_of"]
    async with machines.hold(call, snapshot, "revert"):
        if not call.db.exists("VM", vm):
            vm = vm_clone.copy_record(call, record, record["name_label"], is_a_template=False)
        if call.db.get("VM", vm)["power_state"] != "Halted":
            await call.world.hypervisor.destroy(call.db.get("VM", vm)["uuid"])
            vm_power.note_halted(call.world, vm)
        made = await vm_clone.copy_disks(call, record, lambda disk: vm_clone.branch_disk(call, disk, False))
        await _remove_devices(call, vm)
        taken = {k: v for k, v in record.fields.items() if k not in vm_clone.NOT_COPIED | KEPT_BY_REVERT}
        taken.update(json.loads(record["snapshot_metadata"] or "{}"))
        call.db.set("VM", vm, **taken, parent=snapshot)
        vm_clone.copy_devices(call, record, vm, made, keep_macs=True)
    machines.refresh(call.world, vm)


async def _remove_devices(call: Call, vm: str) -> None:
    for vbd in call.db.get("VM", vm)["VBDs"]:
        found = call.db.get("VBD", vbd)
        disks.remove(call, vbd)
        if found["type"] != "CD" and call.db.exists("VDI", found["VDI"]):
            await volumes.erase(call, found["VDI"])
    for vif in call.db.get("VM", vm)["VIFs"]:
        interfaces.remove(call, vif)


@implements("VM.checkpoint")
async def checkpoint(call: Call, vm: str, name: str) -> str:
    """A snapshot; the lab keeps no memory images, so it is refused for running guests as without an agent."""
    failure = machines.refusal(call.world, vm, "checkpoint")
    if failure:
        raise failure
    raise Failure("VM_LACKS_FEATURE", vm)


@implements("VM.suspend")
async def suspend(call: Call, vm: str) -> None:
    """The lab keeps no memory images: refused as for a guest that cannot be suspended."""
    failure = machines.refusal(call.world, vm, "suspend")
    if failure:
        raise failure
    raise Failure("VM_LACKS_FEATURE", vm)


@implements("VM.resume")
def resume(call: Call, vm: str, start_paused: bool, force: bool) -> None:
    raise machines.refusal(call.world, vm, "resume") or Failure("VM_LACKS_FEATURE", vm)


@implements("VM.resume_on")
def resume_on(call: Call, vm: str, host: str, start_paused: bool, force: bool) -> None:
    raise machines.refusal(call.world, vm, "resume_on") or Failure("VM_LACKS_FEATURE", vm)
