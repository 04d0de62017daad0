# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: clone and copy, and what they share with snapshots."""

from __future__ import annotations

import secrets
import uuid as uuids
from collections.abc import Container
from typing import Any, Literal

from lab import inner, placement
from lab.classes import sr as repositories
from lab.classes import vif as interfaces
from lab.classes import vm_domain, vm_memory, vtpm
from lab.classes import vm_lifecycle as lifecycle
from lab.classes.vm import new_metrics
from lab.database import Record
from lab.errors import Failure
from lab.hosts import membership
from lab.registry import implements
from lab.values import NULL, copied
from lab.world import Call

Kind = Literal["clone", "copy", "snapshot", "checkpoint"]
#: Fields that no copy of a VM takes over.
NOT_COPIED = {
    "uuid", "allowed_operations", "current_operations", "VBDs", "VIFs", "VUSBs", "VTPMs", "VGPUs", "consoles",
    "crash_dumps", "snapshots", "children", "attached_PCIs", "resident_on", "scheduled_to_be_resident_on", "domid",
    "domarch", "blocked_operations", "appliance", "start_delay", "order", "shutdown_delay", "is_default_template",
    "power_state", "metrics", "guest_metrics", "parent", "snapshot_of", "snapshot_time", "is_a_snapshot", "blobs",
    "snapshot_info", "snapshot_metadata", "transportable_snapshot_id", "groups", "suspend_VDI", "suspend_SR",
    "requires_reboot", "version", "ha_always_run", "protection_policy", "snapshot_schedule", "is_vmss_snapshot",
    "pending_guidances", "pending_guidances_full", "pending_guidances_recommended", "memory_target",
}  # fmt: skip
DROPPED_FROM_OTHER_CONFIG = ("default_template", "xensource_internal")


def copy_metrics(call: Call, cls: str, ref: str) -> str:
    """A copy of a metrics object, or NULL when there is none."""
    record = call.db.find(cls, ref)
    return call.db.create(cls, {**record.fields, "uuid": ""}) if record else NULL


def fresh_generation(current: str) -> str:
    """A new generation id for a VM that has one."""
    if not current:
        return ""
    return ":".join(str(secrets.randbits(64) - 2**63) for _half in range(2))


def copy_record(call: Call, source: Record, name: str, kind: Kind, **changes: Any) -> str:
    """A new VM with the source's settings, without devices."""
    fields = {key: copied(value) for key, value in source.fields.items() if key not in NOT_COPIED}
    config = {k: v for k, v in fields["other_config"].items() if k not in DROPPED_FROM_OTHER_CONFIG}
    if source["is_a_template"]:
        config.setdefault("base_template_name", source["name_label"])
    if kind in ("clone", "copy"):
        config["mac_seed"] = str(uuids.uuid4())
    fields.update(
        name_label=name,
        other_config=config,
        power_state=_new_state(source, kind),
        domid=-1,
        memory_overhead=vm_memory.overhead(source),
        generation_id=fresh_generation(source["generation_id"]),
        metrics=copy_metrics(call, "VM_metrics", source["metrics"]),
        guest_metrics=copy_metrics(call, "VM_guest_metrics", source["guest_metrics"]),
    )
    if fields["metrics"] == NULL:
        fields["metrics"] = new_metrics(call)
    return call.db.create("VM", {**fields, **changes})


def _new_state(source: Record, kind: Kind) -> str:
    keeps_memory = kind != "snapshot" and source["power_state"] == "Suspended"
    return "Suspended" if keeps_memory else "Halted"


async def copy_disk(call: Call, vdi: str, kind: Kind, sr: str = NULL) -> str:
    """A copy of one disk, as the kind wants it; full copies go to sr, or stay where the disk is."""
    if kind == "copy":
        target = sr if sr != NULL else call.db.get("VDI", vdi)["SR"]
        return str(await inner.call(call, "VDI.copy", vdi, target, NULL, NULL))
    name = "VDI.clone" if kind == "clone" else "VDI.snapshot"
    return str(await inner.call(call, name, vdi, {}))


async def copy_disks(call: Call, vbds: list[Record], kind: Kind, sr: str = NULL) -> list[tuple[Record, str]]:
    """Copies of the disks of VBDs: a CD is shared as it is. On failure what was made is removed again."""
    made: list[tuple[Record, str]] = []
    try:
        for record in vbds:
            shared = record["empty"] or record["type"] == "CD"
            made.append((record, record["VDI"] if shared else await copy_disk(call, record["VDI"], kind, sr)))
    except Failure:
        await remove_disks(call, made)
        raise
    return made


async def remove_disks(call: Call, made: list[tuple[Record, str]]) -> None:
    for record, vdi in made:
        if vdi != record["VDI"]:
            await inner.try_call(call, "VDI.destroy", vdi)


def copy_devices(call: Call, vifs: list[str], vm: str, made: list[tuple[Record, str]], keep_macs: bool) -> None:
    """VBDs of the copied disks and VIFs on the same networks. Allowed operations of VBDs stay empty until used."""
    suspended = call.db.get("VM", vm)["power_state"] == "Suspended"
    for record, vdi in made:
        config = record["other_config"] if record["type"] != "Disk" else {"owner": "", **record["other_config"]}
        fields = {
            **record.fields, "uuid": "", "VM": vm, "VDI": vdi, "allowed_operations": [], "current_operations": {},
            "currently_attached": suspended and record["currently_attached"], "other_config": config,
            "metrics": call.db.create("VBD_metrics", {}),
        }  # fmt: skip
        call.db.create("VBD", fields)
        call.world.refresh("VDI", vdi)
    seed = call.db.get("VM", vm)["other_config"].get("mac_seed", "")
    for vif in vifs:
        record = call.db.get("VIF", vif)
        number = interfaces.device_number(record["device"]) or 0
        mac = {} if keep_macs else {
            "MAC": interfaces.mac_from_seed(seed, number), "MAC_autogenerated": True,
        }  # fmt: skip
        attached = suspended and record["currently_attached"]
        fields = {**record.fields, **mac, "uuid": "", "VM": vm, "currently_attached": attached}
        interfaces.make(call, {**fields, "current_operations": {}})


def require_storage(call: Call, source: Record) -> None:
    """Raises NO_HOSTS_AVAILABLE when no live host sees all repositories of the VM's disks."""
    needed = placement.repositories_of(call.world, source)
    hosts = [record.ref for record in call.db.all("host") if membership.live(call.world, record.ref)]
    if not any(all(host in repositories.plugged_hosts(call.world, sr) for sr in needed) for host in hosts):
        raise Failure("NO_HOSTS_AVAILABLE")


async def duplicate(
    call: Call, vm: str, name: str, kind: Kind, sr: str = NULL, ignored: Container[str] = (), **changes: Any
) -> str:
    """A VM like another one, with disks of its own; the caller holds the source.

    Disks in ignored are left out. The memory of a suspended VM is copied, too, but for a plain snapshot.
    """
    source = call.db.get("VM", vm)
    vbds = [record for record in (call.db.get("VBD", vbd) for vbd in source["VBDs"]) if record["VDI"] not in ignored]
    made = await copy_disks(call, vbds, kind, sr)
    try:
        keeps_memory = _new_state(source, kind) == "Suspended" and source["suspend_VDI"] != NULL
        image = await copy_disk(call, source["suspend_VDI"], kind, sr) if keeps_memory else NULL
    except Failure:
        await remove_disks(call, made)
        raise
    new = copy_record(call, source, name, kind, suspend_VDI=image, **changes)
    copy_devices(call, source["VIFs"], new, made, keep_macs=kind in ("snapshot", "checkpoint"))
    for module in source["VTPMs"]:
        vtpm.copy(call, module, new)
    call.world.refresh("VM", new)
    return new


@implements("VM.clone")
async def clone(call: Call, vm: str, name: str) -> str:
    """Keeps is_a_template, so a clone of a template is a template."""
    async with lifecycle.hold(call, vm, "clone"):
        require_storage(call, call.db.get("VM", vm))
        new = await duplicate(call, vm, name, "clone")
        await _forget_memory(call, vm, new)
    return new


@implements("VM.copy")
async def copy(call: Call, vm: str, name: str, sr: str) -> str:
    """Full copies of the disks, on sr, or each on its own repository when there is no such one."""
    async with lifecycle.hold(call, vm, "copy"):
        target = sr if call.db.exists("SR", sr) else NULL
        if target != NULL and call.db.get("SR", target)["content_type"] == "iso":
            raise Failure("OPERATION_NOT_ALLOWED", "Cannot copy a VM's disks to an ISO SR")
        new = await duplicate(call, vm, name, "copy", target)
        await _forget_memory(call, vm, new)
    return new


async def _forget_memory(call: Call, source: str, new: str) -> None:
    """What is made of a snapshot with memory is a halted VM."""
    image = call.db.get("VM", new)["suspend_VDI"]
    if call.db.get("VM", source)["is_a_snapshot"] and call.db.get("VM", new)["power_state"] == "Suspended":
        call.db.set("VM", new, suspend_VDI=NULL)
        await inner.try_call(call, "VDI.destroy", image)
        vm_domain.note_halted(call.world, new)
