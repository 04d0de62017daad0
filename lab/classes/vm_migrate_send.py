# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: to another host together with its storage, in its pool or to another one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from lab import inner, placement
from lab.classes import host_migrate, vdi_move, vm_migrate, vm_transfer
from lab.classes import migration_checks as checks
from lab.classes import sr as repositories
from lab.classes import vbd as devices
from lab.classes import vm_domain as domains
from lab.classes import vm_lifecycle as lifecycle
from lab.classes.host_migrate import Destination
from lab.classes.migration_checks import Map
from lab.classes.vdi_move import Transfer
from lab.database import Record
from lab.errors import Failure, internal
from lab.hypervisor import HypervisorError
from lab.registry import implements
from lab.values import NULL
from lab.world import Call

#: Storage migrations that a host sends at a time.
LIMIT = 3
NO_COPY = (
    "Copy mode is disallowed on intra pool storage migration, try efficient alternatives e.g. VM.copy/clone."
)  # fmt: skip
#: Keys of other_config that a disk takes along.
KEPT_KEYS = ("config-drive",)
LIVE = ("Running", "Paused")


@implements("VM.migrate_send")
async def migrate_send(
    call: Call, vm: str, dest: Map, live: bool, vdi_map: Map, vif_map: Map, options: Map, vgpu_map: Map,
    vdi_format_map: Map | None = None,
) -> str:  # fmt: skip
    """Move a VM, or a copy of it with the option `copy`, to what migrate_receive of the other host answered.

    vdi_map has the repository for each disk, vif_map the network for each VIF (only across pools). The answer is the
    VM, a new one in the other pool.
    """
    running = call.db.get("VM", vm)["power_state"] in LIVE
    if running and "host" not in dest:
        raise internal("Not_found")
    async with lifecycle.hold(call, vm, "migrate_send"):
        checks.assert_can_migrate(call, vm, dest, live, vdi_map, vif_map, options, vgpu_map)
        target = host_migrate.destination(call, dest)
        if not running:
            return await send(call, vm, placement.choose(call.world, vm), target, vdi_map, vif_map, options)
        sender = call.db.get("VM", vm)["resident_on"]
        if not checks.inside_pool(call, target):
            return await send(call, vm, sender, target, vdi_map, vif_map, options)
        async with vm_migrate.reserved(call, vm, target.host):
            return await send(call, vm, sender, target, vdi_map, vif_map, options)


async def send(
    call: Call, vm: str, sender: str, target: Destination, vdi_map: Map, vif_map: Map, options: Map
) -> str:  # fmt: skip
    """What the sending host does; the caller holds the VM and has made the checks. Raises TOO_MANY_STORAGE_MIGRATES."""
    with _counted(call, sender):
        async with domains.worker(call, vm, sender):
            try:
                return await _send(call, vm, target, vdi_map, vif_map, options)
            finally:
                target.world.settle()


@contextmanager
def _counted(call: Call, host: str) -> Iterator[None]:
    running = call.world.storage_migrations
    if running[host] >= LIMIT:
        raise Failure("TOO_MANY_STORAGE_MIGRATES", LIMIT)
    running[host] += 1
    try:
        yield
    finally:
        running[host] -= 1


async def _send(call: Call, vm: str, target: Destination, vdi_map: Map, vif_map: Map, options: Map) -> str:
    inside, copy = checks.inside_pool(call, target), vm_migrate.asked(options, "copy")
    if copy and inside:
        raise Failure("OPERATION_NOT_ALLOWED", NO_COPY)
    own = checks.disks(call, vm)
    checks.require_mapped(own, vdi_map)
    networks = vif_map if inside else checks.infer_networks(call, vm, vif_map)
    for disk in own:
        if disk["on_boot"] == "reset":
            raise Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", disk.ref)
    others = _further_disks(call, vm, target, inside)
    places = {**vdi_map, **{disk.ref: _place(disk, target, vdi_map) for disk in others}}
    checks.require_movable(call, places)
    await _eject_discs(call, vm, places)
    disks = sorted({disk.ref: disk for disk in [*own, *others]}.values(), key=_by_size_and_age)
    transfer = Transfer(call, target, inside, copy, sum(disk["virtual_size"] for disk in disks))
    new = await _carry(transfer, vm, disks, places, networks)
    if not inside and not copy:
        vm_transfer.forget(call, vm, target.call("message.create"))
    return new


def _further_disks(call: Call, vm: str, target: Destination, inside: bool) -> list[Record]:
    """The memory images that the destination does not see, and the disks of the snapshots."""
    snapshots = call.db.get("VM", vm)["snapshots"]
    images = []
    for record in [call.db.get("VM", ref) for ref in (vm, *snapshots)]:
        if record["power_state"] == "Suspended" and call.db.exists("VDI", record["suspend_VDI"]):
            image = call.db.get("VDI", record["suspend_VDI"])
            if not (inside and target.host in repositories.plugged_hosts(call.world, image["SR"])):
                images.append(image)
    return [*images, *(disk for snapshot in snapshots for disk in checks.disks(call, snapshot))]


def _place(disk: Record, target: Destination, vdi_map: Map) -> str:
    """The repository for a disk that the caller need not have mapped. Raises VDI_NOT_IN_MAP."""
    if disk.ref in vdi_map:
        return vdi_map[disk.ref]
    if disk["snapshot_of"] in vdi_map:
        return vdi_map[disk["snapshot_of"]]
    world = target.world
    pool, host = world.database.get("pool", world.pool), world.database.get("host", target.host)
    images = [pool["suspend_image_SR"], host["suspend_image_sr"]] if disk["type"] == "suspend" else []
    for sr in [*images, pool["default_SR"]]:
        if sr != NULL:
            return str(sr)
    raise Failure("VDI_NOT_IN_MAP", disk.ref)


def _by_size_and_age(disk: Record) -> tuple[int, float]:
    return disk["virtual_size"], disk["snapshot_time"]


async def _eject_discs(call: Call, vm: str, places: Map) -> None:
    """Empty the drives whose disc does not stay where it is; a suspended VM keeps its discs."""
    record = call.db.get("VM", vm)
    if record["power_state"] == "Suspended":
        return
    for vbd in [call.db.get("VBD", vbd) for vbd in record["VBDs"]]:
        disc = call.db.find("VDI", vbd["VDI"])
        if vbd["type"] == "CD" and disc and places.get(disc.ref) != disc["SR"]:
            await inner.call(call, "VBD.eject", vbd.ref)


async def _carry(transfer: Transfer, vm: str, disks: list[Record], places: Map, networks: Map) -> str:
    """Move the disks, then the VM; the sources go when this ends."""
    call = transfer.call
    written = {vbd["VDI"] for vbd in _vbds(call, vm) if vbd["mode"] == "RW"}
    async with AsyncExitStack() as stack:
        async with _stopped(transfer, vm, any(not transfer.stays(disk, places[disk.ref]) for disk in disks)):
            found = {}
            for disk in disks:
                move = vdi_move.moved(transfer, disk, places[disk.ref], disk.ref in written)
                found[disk.ref] = await stack.enter_async_context(move)
            await vdi_move.link_snapshots(transfer, found)
            await _switch(transfer, vm, found)
        if not transfer.inside_pool:
            new = vm_transfer.send(transfer, vm, found, networks)
            if not transfer.copy:
                _release(call, vm)
            return new
        _remap(call, vm, found, transfer.target.host)
        if call.db.get("VM", vm)["power_state"] in LIVE:
            vm_migrate.settle_on(call, vm, transfer.target.host)
    lifecycle.refresh(call.world, vm)
    return vm


def _vbds(call: Call, vm: str) -> list[Record]:
    return [call.db.get("VBD", vbd) for vbd in call.db.get("VM", vm)["VBDs"]]


@asynccontextmanager
async def _stopped(transfer: Transfer, vm: str, needed: bool) -> AsyncIterator[None]:
    """Keep a running guest from writing while its disks are copied."""
    record = transfer.call.db.get("VM", vm)
    if not needed or transfer.copy or record["power_state"] != "Running":
        yield
        return
    hypervisor = transfer.call.world.hypervisor
    try:
        await hypervisor.pause(record["uuid"])
        try:
            yield
        finally:
            await hypervisor.unpause(record["uuid"])
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


async def _switch(transfer: Transfer, vm: str, found: Map) -> None:
    """Have a guest that runs use the copies from now on."""
    record, there = transfer.call.db.get("VM", vm), transfer.target.world.database
    if record["power_state"] not in LIVE or transfer.copy:
        return
    for vbd in _vbds(transfer.call, vm):
        new = found.get(vbd["VDI"])
        if new and new != vbd["VDI"] and vbd["currently_attached"]:
            disk = there.get("VDI", new)["uuid"]
            await transfer.call.world.hypervisor.move_disk(record["uuid"], devices.position(vbd), disk)


def _remap(call: Call, vm: str, found: Map, host: str) -> None:
    """Let the VM and its snapshots refer to the copies."""
    for owner in [call.db.get("VM", ref) for ref in (vm, *call.db.get("VM", vm)["snapshots"])]:
        for vbd in _vbds(call, owner.ref):
            new = found.get(vbd["VDI"], vbd["VDI"])
            if new != vbd["VDI"]:
                _keep_keys(call, vbd["VDI"], new)
                call.db.set("VBD", vbd.ref, VDI=new)
        if owner["suspend_VDI"] in found:
            call.db.set("VM", owner.ref, suspend_VDI=found[owner["suspend_VDI"]])
        sr = owner["suspend_SR"]
        if call.db.exists("SR", sr) and host not in repositories.plugged_hosts(call.world, sr):
            call.db.set("VM", owner.ref, suspend_SR=NULL)
    call.world.refresh("VDI", *found, *found.values())


def _release(call: Call, vm: str) -> None:
    """Let go of the disks of a VM that is elsewhere now, and of its snapshots, so that they can be destroyed."""
    for owner in (vm, *call.db.get("VM", vm)["snapshots"]):
        for vbd in _vbds(call, owner):
            devices.remove(call, vbd.ref)


def _keep_keys(call: Call, old: str, new: str) -> None:
    config = call.db.get("VDI", old)["other_config"]
    for key in KEPT_KEYS:
        if key in config:
            call.db.put("VDI", new, "other_config", key, config[key])
