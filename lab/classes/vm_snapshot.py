# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: snapshots, of the disks alone or with the guest's memory (checkpoints)."""

from __future__ import annotations

import json
from typing import Any

from lab.classes import sr as repositories
from lab.classes import vm_clone, vm_suspend
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.database import Record
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, now


def _as_snapshot(source: Record, power_state: str) -> dict[str, Any]:
    """The fields by which a copy of the VM is its snapshot."""
    return {
        "is_a_template": True, "is_a_snapshot": True, "snapshot_of": source.ref, "snapshot_time": now(),
        "parent": source["parent"], "snapshot_metadata": json.dumps(source.fields),
        "snapshot_info": {"power-state-at-snapshot": power_state, "disk-snapshot-type": "crash_consistent"},
    }  # fmt: skip


async def _take(call: Call, vm: str, name: str, kind: vm_clone.Kind, state: str, ignored: list[str]) -> str:
    source = call.db.get("VM", vm)
    new = await vm_clone.duplicate(call, vm, name, kind, ignored=ignored, **_as_snapshot(source, state))
    call.db.set("VM", vm, parent=new)
    return new


@implements("VM.snapshot")
async def snapshot(call: Call, vm: str, name: str, ignored: list[str]) -> str:
    """A halted template of the VM as it is; disks in `ignored` are left out."""
    async with lifecycle.hold(call, vm, "snapshot"):
        source = call.db.get("VM", vm)
        vm_clone.require_storage(call, source)
        return await _take(call, vm, name, "snapshot", source["power_state"], ignored)


@implements("VM.checkpoint")
async def checkpoint(call: Call, vm: str, name: str) -> str:
    """A snapshot with the memory of the guest, which is suspended and resumed for it."""
    async with lifecycle.hold(call, vm, "checkpoint"):
        source = call.db.get("VM", vm)
        state, host = source["power_state"], source["resident_on"]
        if state != "Running":
            vm_clone.require_storage(call, source)
            return await _take(call, vm, name, "checkpoint", state, [])
        _require_snapshots(call, source)
        async with domains.worker(call, vm, host):
            await vm_suspend.write_memory(call, vm)
            try:
                return await _take(call, vm, name, "checkpoint", state, [])
            finally:
                await vm_suspend.read_memory(call, vm, host, paused=False)


def _require_snapshots(call: Call, source: Record) -> None:
    """Raises SR_OPERATION_NOT_SUPPORTED, which names the VM here, when a repository cannot take snapshots."""
    for vbd in source["VBDs"]:
        record = call.db.get("VBD", vbd)
        vdi = call.db.find("VDI", record["VDI"])
        if record["type"] == "CD" or vdi is None:
            continue
        try:
            repositories.require_operation(call.world, vdi["SR"], "vdi_snapshot")
        except Failure as failure:
            raise Failure("SR_OPERATION_NOT_SUPPORTED", source.ref) from failure


@implements("VM.update_snapshot_metadata")
def update_snapshot_metadata(call: Call, vm: str, snapshot_of: str, time: float, transportable: str) -> None:
    """Make the VM a snapshot of another one, for those that bring it from elsewhere."""
    call.db.set(
        "VM", vm, is_a_snapshot=True, snapshot_time=time, snapshot_of=snapshot_of,
        transportable_snapshot_id=transportable,
    )  # fmt: skip
    lifecycle.refresh(call.world, vm)
