# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change of an instance does to records made by hand: the part of tests.support.model that carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Kind, other_config
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import VirtualMachine
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import (
    blocked,
    changes,
    disk_changes,
    nic_changes,
    vm_changes,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import Create
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.attachments import nic_label
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance_actions import Rebuild
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import Hardware

if TYPE_CHECKING:
    from tests.support.model import World

ROUNDING = 2 << 20


def carry_out_item(world: World, vm: VirtualMachine, item: changes.Item) -> None:
    """Do to the records of a VM what one item says; sizes are rounded up as SRs do."""
    record = world.records["VM"][vm.ref]
    if isinstance(item, vm_changes.SetVcpus):
        record.update(VCPUs_at_startup=str(item.want), VCPUs_max=str(item.want_max))
    elif isinstance(item, vm_changes.SetMemory):
        want = str(item.want)
        record.update(memory_dynamic_min=want, memory_dynamic_max=want, memory_static_max=str(item.want_max),
                      memory_static_min=str(item.static_min))  # fmt: skip
    elif isinstance(item, vm_changes.SetKey):
        record[item.field] = {**record[item.field], item.key: item.want}
    elif isinstance(item, vm_changes.SetName):
        record["name_label"] = item.want
    elif isinstance(item, vm_changes.BlockOperations):
        record["blocked_operations"] = dict(blocked.INSTANCE)
    elif isinstance(item, vm_changes.EndRestart):
        record["other_config"].pop("skinnybox:restarting")
    else:
        _carry_out_device(world, vm, item)


def _carry_out_device(world: World, vm: VirtualMachine, item: changes.Item) -> None:
    vbds, running = world.records["VBD"], vm.power_state == "Running"
    if isinstance(item, disk_changes.DropOwner):
        vbds[item.attachment.ref]["other_config"].pop("owner")
    elif isinstance(item, disk_changes.SetAttachment):
        vbds[item.attachment.ref].update(mode=item.mode, type=item.type)
    elif isinstance(item, disk_changes.AddDisk):
        labels = _labels(world, vm) | {"disk": item.disk}
        _add_disk(world, vm, Kind.DATA, item.disk, item.size, item.sr.ref, item.position, labels)
    elif isinstance(item, disk_changes.ClaimDisk):
        labels = world.records["VDI"][item.disk.ref]["other_config"]
        labels["skinnybox:vm"] = vm.uuid
        labels.pop("skinnybox:kept", None)
    elif isinstance(item, disk_changes.AttachDisk):
        ref = item.attachment.ref if item.attachment else world.attach(vm.ref, item.disk.ref, item.position)
        vbds[ref]["currently_attached"] = running
    elif isinstance(item, disk_changes.GrowDisk):
        world.records["VDI"][item.disk.ref]["virtual_size"] = str(_rounded(item.size))
    elif isinstance(item, disk_changes.SetOnBoot):
        world.records["VDI"][item.disk.ref]["on_boot"] = item.want
    elif isinstance(item, disk_changes.SetSwap):
        if item.disk:
            world.remove("VDI", item.disk.ref)
        if item.size:
            _add_disk(world, vm, Kind.SWAP, "swap", item.size, item.sr.ref, "2", _labels(world, vm))
    else:
        _carry_out_nic(world, vm, item)


def _carry_out_nic(world: World, vm: VirtualMachine, item: changes.Item) -> None:
    vifs = world.records["VIF"]
    if isinstance(item, nic_changes.AddNic):
        mac = item.mac or f"0a:00:00:{item.device:02x}:00:{int(vm.labels['number']):02x}"
        ref = world.add_nic(vm.ref, item.device, mac)
        vifs[ref].update(network=item.network.ref, currently_attached=vm.power_state == "Running")
    elif isinstance(item, nic_changes.MoveNic):
        vifs[item.nic.ref]["network"] = item.network.ref
    elif isinstance(item, nic_changes.PlugNic):
        vifs[item.nic.ref]["currently_attached"] = True
    elif isinstance(item, nic_changes.RemoveNic):
        del vifs[item.nic.ref]
    note_nics(world, vm.ref)


def carry_out_rebuild(world: World, action: Rebuild) -> None:
    """Give an instance a fresh overlay and swap disk, and have it on the master version that was planned."""
    vm, create, record = action.instance.vm, action.create, world.records["VM"][action.instance.vm.ref]
    for disk in (action.instance.overlay, action.instance.swap, *action.instance.superseded):
        if disk and disk.ref in world.records["VDI"]:
            world.remove("VDI", disk.ref)
    for ref in [ref for ref, r in world.records["VBD"].items() if r["VM"] == vm.ref and r["userdevice"] in ("0", "3")]:
        del world.records["VBD"][ref]
    for disk, position, kind in ((create.master.root, "0", "Disk"), (create.master.boot, "3", "CD")):
        assert disk is not None
        world.attach(vm.ref, disk.ref, position, "RO", kind)
    master = {"master": create.master.name, "version": str(create.master.number), "master_id": create.master.master_id}
    labels = record["other_config"]
    labels.update({f"skinnybox:{name}": value for name, value in master.items()})
    labels["skinnybox:addresses"] = " ".join(address for nic in create.nics for address in nic.addresses)
    for label in ("rebuilding", "restarting"):
        labels.pop(f"skinnybox:{label}", None)
    of_disks = _labels(world, vm) | master
    _add_disk(world, vm, Kind.OVERLAY, "overlay", create.overlay_size, create.overlay_sr.ref, "1", of_disks)
    if create.swap_size:
        _add_disk(world, vm, Kind.SWAP, "swap", create.swap_size, create.overlay_sr.ref, "2", of_disks)
    for disk_record in world.records["VDI"].values():
        own = disk_record["other_config"]
        if own.get("skinnybox:kind") == "overlay" and own.get("skinnybox:vm") == vm.uuid:
            disk_record["on_boot"] = create.on_boot


def make_nics(world: World, vm: str, create: Create) -> None:
    """Give a new instance the NICs that were planned."""
    vifs = world.records["VIF"]
    macs = [vifs.pop(ref)["MAC"] for ref, record in list(vifs.items()) if record["VM"] == vm]
    for nic in create.nics:
        mac = macs.pop(0) if macs else f"0a:00:00:{nic.device:02x}:00:{create.number:02x}"
        vifs[world.add_nic(vm, nic.device, mac)]["network"] = nic.network.ref
    note_nics(world, vm)


def make_hardware(world: World, vm: str, hardware: Hardware) -> None:
    """Give a new instance the declared hardware."""
    record = world.records["VM"][vm]
    if hardware.vcpus:
        most = hardware.vcpus_max or hardware.vcpus
        record.update(VCPUs_at_startup=str(hardware.vcpus), VCPUs_max=str(most))
    if hardware.memory:
        memory, limit = str(hardware.memory), str(hardware.memory_max or hardware.memory)
        record.update(memory_dynamic_min=memory, memory_dynamic_max=memory, memory_static_max=limit)
    for field, key, value in (
        ("platform", "cores-per-socket", hardware.cores_per_socket),
        ("VCPUs_params", "weight", hardware.cpu_weight),
        ("VCPUs_params", "cap", hardware.cpu_cap),
    ):
        if value is not None:
            record[field] = {**record[field], key: str(value)}


def note_nics(world: World, vm: str) -> None:
    """Have the VM's label say which NICs it has."""
    nics = [r for r in world.records["VIF"].values() if r["VM"] == vm]
    noted = [(int(r["device"]), r["MAC"], world.uuid_of("network", r["network"])) for r in nics]
    world.records["VM"][vm]["other_config"]["skinnybox:nics"] = nic_label(noted)


def _labels(world: World, vm: VirtualMachine) -> dict[str, str]:
    kept = ("pool", "name", "number", "instance", "master", "version", "master_id")
    return {**{name: vm.labels[name] for name in kept}, "vm": vm.uuid}


def _add_disk(
    world: World, vm: VirtualMachine, kind: Kind, what: str, size: int, sr: str, position: str, labels: dict[str, str]
) -> None:
    fields: dict[str, Any] = {"other_config": other_config(kind, **labels)}
    disk = world.add_disk(f"{vm.labels['name']} {what}", sr, _rounded(size), **fields)
    world.own("VDI", disk)
    world.records["VBD"][world.attach(vm.ref, disk, position)]["currently_attached"] = vm.power_state == "Running"


def _rounded(size: int) -> int:
    return -(-size // ROUNDING) * ROUNDING
