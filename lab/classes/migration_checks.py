# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a VM cannot move together with its storage: XAPI's checks in their order."""

from __future__ import annotations

from collections.abc import Iterable

from lab import placement
from lab.classes import host_migrate, vm_memory
from lab.classes.host_migrate import Destination
from lab.classes.vm_migrate import asked
from lab.database import Record
from lab.errors import Failure
from lab.placement import checks
from lab.registry import implements
from lab.values import NULL
from lab.world import Call, World

#: What the drivers of both repositories must be capable of.
CAPABILITIES = ("VDI_MIRROR", "VDI_SNAPSHOT")
NO_VIF_MAP = "VIF mapping is not allowed for intra-pool migration"
Map = dict[str, str]


@implements("VM.assert_can_migrate")
def assert_can_migrate(
    call: Call, vm: str, dest: Map, live: bool, vdi_map: Map, vif_map: Map, options: Map, vgpu_map: Map
) -> None:
    """Raises what would refuse VM.migrate_send, but for the VM's operations in progress and its power state."""
    target = host_migrate.destination(call, dest)
    record = call.db.get("VM", vm)
    moved = disks(call, vm)
    require_mapped(moved, vdi_map)
    for disk in moved:
        if disk["cbt_enabled"]:
            raise Failure("VDI_CBT_ENABLED", disk.ref)
    _require_capabilities(call, target, vdi_map)
    if inside_pool(call, target):
        _inside_pool(call, record, target, vif_map)
    else:
        _across_pools(call, record, target, vif_map, options)
    require_movable(call, vdi_map)


@implements("VM.assert_can_migrate_sender")
def assert_can_migrate_sender(
    call: Call, vm: str, dest: Map, live: bool, vdi_map: Map, vif_map: Map, vgpu_map: Map, options: Map
) -> None:
    """What the sending host looks at: only virtual GPUs, which the lab has none of."""
    call.db.get("VM", vm)
    host_migrate.destination(call, dest)


def disks(call: Call, vm: str) -> list[Record]:
    """The disks of the VM's VBDs, discs left out."""
    vbds = [call.db.get("VBD", vbd) for vbd in call.db.get("VM", vm)["VBDs"]]
    return [call.db.get("VDI", vbd["VDI"]) for vbd in vbds if vbd["type"] != "CD" and not vbd["empty"]]


def require_mapped(moved: Iterable[Record], vdi_map: Map) -> None:
    """Raises VDI_NOT_IN_MAP."""
    for disk in moved:
        if disk.ref not in vdi_map:
            raise Failure("VDI_NOT_IN_MAP", disk.ref)


def require_movable(call: Call, vdi_map: Map) -> None:
    """Raises VDI_CBT_ENABLED or VDI_IS_ENCRYPTED for disks that would go to another repository."""
    for vdi, sr in vdi_map.items():
        record = call.db.get("VDI", vdi)
        if record["SR"] == sr:
            continue
        if "key_hash" in record["sm_config"]:
            raise Failure("VDI_IS_ENCRYPTED", vdi)
        if record["cbt_enabled"]:
            raise Failure("VDI_CBT_ENABLED", vdi)


def _require_capabilities(call: Call, target: Destination, vdi_map: Map) -> None:
    remote = target.call("SM.get_all_records").world
    for vdi, sr in vdi_map.items():
        source = call.db.get("VDI", vdi)["SR"]
        if source != sr:
            _require_capable(call.world, source)
            _require_capable(remote, sr)


def _require_capable(world: World, sr: str) -> None:
    drivers = world.database.where("SM", type=world.database.get("SR", sr)["type"])
    known = drivers[0]["capabilities"] if len(drivers) == 1 else []
    if any(capability not in known for capability in CAPABILITIES):
        raise Failure("SR_DOES_NOT_SUPPORT_MIGRATION", sr)


def _inside_pool(call: Call, record: Record, target: Destination, vif_map: Map) -> None:
    failure = placement.refusal(call.world, record.ref, target.host, with_storage=False)
    if failure:
        raise failure
    if vif_map:
        raise Failure("OPERATION_NOT_ALLOWED", NO_VIF_MAP)


def _across_pools(call: Call, record: Record, target: Destination, vif_map: Map, options: Map) -> None:
    remote, copy = target.world, asked(options, "copy")
    if copy and not asked(options, "force") and record["power_state"] != "Halted":
        raise Failure("VM_BAD_POWER_STATE", record.ref, "halted", record["power_state"].lower())
    host = remote.database.get("host", target.host)
    for failure in checks.platform_refusals(record, host):
        raise failure
    if not host["enabled"]:
        raise Failure("HOST_DISABLED", target.host)
    for failure in checks.processor_refusals(record, host):
        raise failure
    for network in infer_networks(call, record.ref, vif_map).values():
        remote.database.get("network", network)
    if not copy:
        _require_unknown(remote, record)
    if record["power_state"] in ("Running", "Paused"):
        _require_memory(remote, target.host, record)


def _require_unknown(remote: World, record: Record) -> None:
    """Raises DUPLICATE_VM when the other pool has a VM with that uuid."""
    known = remote.database.tables["VM"].by_uuid.get(record["uuid"])
    if known:
        raise Failure("DUPLICATE_VM", known)


def _require_memory(remote: World, host: str, record: Record) -> None:
    free, needed = vm_memory.free_memory(remote, host), vm_memory.needed(record)
    if free < needed:
        raise Failure("HOST_NOT_ENOUGH_FREE_MEMORY", needed, free)


def infer_networks(call: Call, vm: str, vif_map: Map) -> Map:
    """The network for each VIF of the VM and its snapshots: as mapped, or as for another VIF with its MAC.

    Raises VIF_NOT_IN_MAP.
    """
    by_mac = {call.db.get("VIF", vif)["MAC"]: network for vif, network in vif_map.items()}
    found = {}
    for owner in [vm, *call.db.get("VM", vm)["snapshots"]]:
        for vif in call.db.get("VM", owner)["VIFs"]:
            network = vif_map.get(vif, by_mac.get(call.db.get("VIF", vif)["MAC"], NULL))
            if network == NULL:
                raise Failure("VIF_NOT_IN_MAP", vif)
            found[vif] = network
    return found


def inside_pool(call: Call, target: Destination) -> bool:
    """Whether the VM stays in its pool."""
    return call.db.exists("host", target.host)
