# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host pool as XAPI's records, built by hand, and a plan carried out on it: for tests of planning without I/O."""

from __future__ import annotations

import itertools
import random
import uuid
from types import MappingProxyType
from typing import Any, Mapping, Sequence

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import unfinished_name
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Kind, other_config
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.reading import CLASSES, host_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import NULL, Host, HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import actions as plan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import blocked
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.attachments import nic_label
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.declaration import parse_vm_pool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.disk_changes import GrowDisk
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance_actions import Rebuild
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import VmPoolSpec
from tests.support.changing import carry_out_item, carry_out_rebuild, make_hardware, make_nics

GIB = 1 << 30
NEVER = "19700101T00:00:00Z"


def declaration(**options: Any) -> VmPoolSpec:
    """A VM pool web of one instance of noble; options as the module has them."""
    return parse_vm_pool({"name": "web", "size": 1, "master": "noble", **options})


class World:
    """Records of a host pool with one host, one SR and one network. References count up, uuids are made of them."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in CLASSES}
        self._numbers = itertools.count(1)
        for type_ in ("ext", "lvm", "nfs"):
            self.add("SM", type=type_, features={"VDI_RESET_ON_BOOT": "2", "VDI_SNAPSHOT": "1"})
        self.host = self.add_host("xen1")
        self.sr = self.add_sr("Local SSD")
        self.network = self.add_network("Production", self.host)
        self.pool = self.add(
            "pool", name_label="london", master=self.host, default_SR=self.sr, other_config={}, restrictions={}
        )

    def add(self, name: str, **fields: Any) -> str:
        """Add a record; its reference."""
        number = next(self._numbers)
        ref = f"OpaqueRef:{number:06d}"
        self.records[name][ref] = {"uuid": str(uuid.UUID(int=number)), **fields}
        return ref

    def model(self, shuffled: random.Random | None = None) -> HostPool:
        """What the records say, optionally after the records of every class were shuffled."""
        if shuffled is None:
            return host_pool(self.records)
        return host_pool({name: dict(_shuffle(list(found.items()), shuffled)) for name, found in self.records.items()})

    def add_host(self, name: str, memory: int = 256 * GIB, cpus: int = 32, **fields: Any) -> str:
        """A host that is enabled and, unless told otherwise, lives; its memory is in bytes."""
        metrics = self.add("host_metrics", live=fields.pop("live", True), memory_total=str(memory))
        return self.add("host", **{
            "name_label": name, "enabled": True, "metrics": metrics,
            "address": f"10.0.0.{len(self.records['host']) + 1}", "cpu_info": {"cpu_count": str(cpus)},
            "memory_overhead": str(GIB), "tags": [], "other_config": {}, **fields,
        })  # fmt: skip

    def add_network(self, name: str, *hosts: str, **fields: Any) -> str:
        """A network with a PIF on each of the hosts."""
        network = self.add("network", **{"name_label": name, "other_config": {}, **fields})
        for host in hosts:
            self.add("PIF", network=network, host=host)
        return network

    def add_sr(
        self,
        name: str,
        *,
        type_: str = "ext",
        content: str = "user",
        size: int = 500 * GIB,
        plugged: bool = True,
        shared: bool = False,
        hosts: Sequence[str] = (),
    ) -> str:
        """An SR with a plugged PBD on each of the hosts; on the first host of all unless told otherwise."""
        sr = self.add(
            "SR",
            name_label=name,
            type=type_,
            content_type=content,
            shared=shared,
            physical_size=str(size),
            physical_utilisation="0",
            tags=[],
            other_config={},
        )
        for host in hosts or [self.host]:
            self.add("PBD", SR=sr, host=host, currently_attached=plugged)
        return sr

    def add_disk(self, name: str, sr: str | None = None, size: int = GIB, **fields: Any) -> str:
        """A VDI."""
        return self.add("VDI", **{
            "name_label": name, "SR": sr or self.sr, "virtual_size": str(size), "physical_utilisation": "0",
            "type": "user", "managed": True, "missing": False, "read_only": False, "sharable": False,
            "on_boot": "persist", "sm_config": {}, "is_a_snapshot": False, "snapshot_of": NULL,
            "snapshot_time": NEVER, "snapshots": [], "other_config": {}, "VBDs": [], **fields,
        })  # fmt: skip

    def add_vm(self, name: str, power_state: str = "Halted", **fields: Any) -> str:
        """A VM."""
        return self.add("VM", **{
            "name_label": name, "power_state": power_state, "is_a_template": False, "is_a_snapshot": False,
            "is_control_domain": False, "resident_on": self.host if power_state == "Running" else NULL,
            "scheduled_to_be_resident_on": NULL, "affinity": NULL,
            "VCPUs_max": "1", "VCPUs_at_startup": "1", "VCPUs_params": {},
            "memory_static_max": str(GIB), "memory_dynamic_max": str(GIB), "memory_dynamic_min": str(GIB),
            "memory_static_min": str(GIB), "memory_overhead": "12582912",
            "platform": {}, "HVM_boot_params": {"order": "cd"}, "xenstore_data": {}, "blocked_operations": {},
            "current_operations": {}, "snapshot_of": NULL, "snapshot_schedule": NULL, "tags": [], "other_config": {},
            "guest_metrics": NULL, **fields,
        })  # fmt: skip

    def attach(self, vm: str, vdi: str, position: str, mode: str = "RW", type_: str = "Disk") -> str:
        """A VBD."""
        running = self.records["VM"][vm]["power_state"] == "Running"
        vbd = self.add("VBD", VM=vm, VDI=vdi, userdevice=position, type=type_, mode=mode, currently_attached=running,
                       bootable=False, other_config={})  # fmt: skip
        self.records["VDI"][vdi]["VBDs"].append(vbd)
        return vbd

    def add_nic(self, vm: str, device: int = 0, mac: str = "0a:00:00:00:00:01") -> str:
        """A VIF."""
        running = self.records["VM"][vm]["power_state"] == "Running"
        return self.add("VIF", VM=vm, network=self.network, device=str(device), MAC=mac, currently_attached=running)

    def add_guest(self, vm: str, can_plug: str = "yes", features: tuple[str, ...] = (), **fields: Any) -> str:
        """What a running VM's guest agent has told; ``features`` without their prefix."""
        metrics = self.add("VM_guest_metrics", **{
            "networks": {}, "other": {f"feature-{name}": "1" for name in features}, "PV_drivers_detected": True,
            "can_use_hotplug_vbd": can_plug, "can_use_hotplug_vif": can_plug, **fields,
        })  # fmt: skip
        self.records["VM"][vm]["guest_metrics"] = metrics
        return metrics

    def uuid_of(self, name: str, ref: str) -> str:
        return self.records[name][ref]["uuid"]

    def own(self, name: str, ref: str) -> None:
        """Add the uuid label, which makes an object a finished one."""
        record = self.records[name][ref]
        record["other_config"]["skinnybox:uuid"] = record["uuid"]

    def remove(self, name: str, ref: str) -> None:
        """Remove a VM or VDI as XAPI does: with its attachments and NICs; a VM's disks stay."""
        field = {"VM": "VM", "VDI": "VDI"}[name]
        del self.records[name][ref]
        for what in ("VBD", "VIF"):
            gone = [vbd for vbd, record in self.records[what].items() if record.get(field) == ref]
            for vbd in gone:
                del self.records[what][vbd]
                for disk in self.records["VDI"].values():
                    disk["VBDs"] = [other for other in disk["VBDs"] if other != vbd]

    def copy(self, name: str, ref: str, label: str) -> str:
        """What VM.clone and VDI.clone make: other_config and all, under a uuid of its own."""
        record = self.records[name][ref]
        return self.add(name, **{
            **{key: value for key, value in record.items() if key != "uuid"},
            "name_label": label, "other_config": dict(record["other_config"]),
            **({"VBDs": []} if name == "VDI" else {}),
        })  # fmt: skip

    def add_master(
        self,
        name: str = "noble",
        number: int = 1,
        promoted: int | None = 100,
        *,
        finished: bool = True,
        sr: str | None = None,
        size: int = 8 * GIB,
    ) -> str:
        """A published master version; the blueprint's reference."""
        labels = {
            "master": name,
            "version": str(number),
            "master_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}:{number}")),
        }
        base = {"vhd-parent": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"base of {name}:{number}"))}  # it is a snapshot
        config = other_config(Kind.ROOT, **labels)
        root = self.add_disk(f"{name}:{number} root", sr, size, other_config=config, sm_config=base)
        boot = self.add_disk(f"{name}:{number} boot CD", sr, 64 << 20, other_config=other_config(Kind.BOOT, **labels))
        self.own("VDI", root)
        self.own("VDI", boot)
        labels.update(
            root=self.uuid_of("VDI", root),
            boot=self.uuid_of("VDI", boot),
            network="netplan",
            networks=self.uuid_of("network", self.network),
            golden_vm="",
        )
        if promoted:
            labels["promoted"] = str(promoted)
        blueprint = self.add_vm(
            f"{name}:{number}",
            is_a_template=True,
            other_config=other_config(Kind.BLUEPRINT, **labels),
            blocked_operations=dict(blocked.BLUEPRINT),
        )
        self.attach(blueprint, root, "0", "RO", "CD")
        self.attach(blueprint, boot, "3", "RO", "CD")
        if finished:
            self.own("VM", blueprint)
        return blueprint

    def add_replica(self, blueprint: str, sr: str, *, finished: bool = True) -> str:
        """A copy of a master version on another SR; its blueprint's reference."""
        record = self.records["VM"][blueprint]
        title = f"{record['name_label']} on {self.records['SR'][sr]['name_label']}"
        of_version = self.labels(blueprint)
        labels = {key: of_version[key] for key in ("master", "version", "master_id")}
        disks = {}
        for kind, what, size in ((Kind.ROOT, "root", 8 * GIB), (Kind.BOOT, "boot CD", 64 << 20)):
            disks[kind.value] = self.add_disk(f"{title} {what}", sr, size, other_config=other_config(kind, **labels))
            self.own("VDI", disks[kind.value])
        labels |= {key: of_version[key] for key in ("network", "networks", "golden_vm")}
        labels |= {what: self.uuid_of("VDI", disk) for what, disk in disks.items()}
        replica = self.add_vm(
            title,
            is_a_template=True,
            other_config=other_config(Kind.BLUEPRINT, **labels, replica=record["uuid"]),
            blocked_operations=dict(blocked.BLUEPRINT),
        )
        self.attach(replica, disks["root"], "0", "RO", "CD")
        self.attach(replica, disks["boot"], "3", "RO", "CD")
        if finished:
            self.own("VM", replica)
        return replica

    def labels(self, vm: str) -> dict[str, str]:
        """A VM's labels without the prefix."""
        return {k.removeprefix("skinnybox:"): v for k, v in self.records["VM"][vm]["other_config"].items()}

    def add_instance(
        self,
        number: int,
        *,
        pool: str = "web",
        blueprint: str | None = None,
        power_state: str = "Running",
        addresses: str = "",
        swap: bool = False,
        finished: bool = True,
        overlay: str | None = None,
        sr: str | None = None,
        sizes: Mapping[str, int] = MappingProxyType({"overlay": GIB, "swap": GIB}),
        **fields: Any,
    ) -> str:
        """An instance of a master version (the first one by default) with its disks; the VM's reference.

        ``sizes`` of its disks are bytes, ``fields`` those of its VM record.
        """
        blueprint = blueprint or next(
            ref for ref, r in self.records["VM"].items() if r["other_config"].get("skinnybox:kind") == "blueprint"
        )
        master, name = self.labels(blueprint), f"{pool}-{number:03d}"
        vm = self.add_vm(name if finished else unfinished_name(name, pool), power_state, **fields)
        uuid_ = self.uuid_of("VM", vm)
        instance = (
            self.records["VDI"][overlay]["other_config"]["skinnybox:instance"] if overlay else f"instance-of-{uuid_}"
        )
        common = {"pool": pool, "name": name, "number": str(number), "instance": instance}
        common |= {key: master[key] for key in ("master", "version", "master_id")}
        mac = f"0a:00:00:00:00:{number % 256:02x}"
        nics = nic_label([(0, mac, self.uuid_of("network", self.network))])
        self.records["VM"][vm]["blocked_operations"] = dict(blocked.INSTANCE)
        self.records["VM"][vm]["other_config"] = other_config(Kind.INSTANCE, **common, addresses=addresses, nics=nics)
        by_uuid = {record["uuid"]: ref for ref, record in self.records["VDI"].items()}
        self.attach(vm, by_uuid[master["root"]], "0", "RO")
        self.attach(vm, by_uuid[master["boot"]], "3", "RO", "CD")
        kinds = ([] if overlay else [(Kind.OVERLAY, "1")]) + ([(Kind.SWAP, "2")] if swap else [])
        for kind, position in kinds:
            labels = other_config(kind, **common, vm=uuid_, nics=nics, host_key="ssh-ed25519 AAAA")
            disk = self.add_disk(f"{name} {kind.value}", sr, sizes[kind.value], other_config=labels)
            self.own("VDI", disk)
            self.attach(vm, disk, position)
        if overlay:
            self.attach(vm, overlay, "1")
            self.records["VDI"][overlay]["other_config"]["skinnybox:vm"] = uuid_
        self.add_nic(vm, 0, mac)
        if finished:
            self.own("VM", vm)
        return vm

    def carry_out(self, todo: plan.VmPoolPlan) -> None:
        """Do to the records what the plan says."""
        for action in todo.actions:
            if isinstance(action, plan.Create):
                self._create(todo, action)
            elif isinstance(action, plan.Remove):
                self._remove_instance(action)
            elif isinstance(action, plan.Tidy):
                self._remove(
                    action.leftover.vm.ref if action.leftover.vm else None, [d.ref for d in action.leftover.disks]
                )
            elif isinstance(action, plan.RemoveOverlay):
                self._remove(None, [disk.ref for disk in (*action.others, action.disk)])
            elif isinstance(action, plan.Start):
                self._power(action.instance.vm.ref, "Running", action.host)
            elif isinstance(action, plan.Stop):
                self._power(action.instance.vm.ref, "Halted")
            elif isinstance(action, plan.Reattach):
                self._reattach(action)
            elif isinstance(action, plan.Change):
                self._change(action)
            elif isinstance(action, Rebuild):
                self._rebuild(action)
            else:
                assert action not in todo.changes, f"{action} is not carried out here"

    def _create(self, todo: plan.VmPoolPlan, action: plan.Create) -> None:
        assert todo.spec is not None
        vm = self.add_instance(
            action.number,
            pool=todo.vm_pool,
            blueprint=action.master.blueprint.ref,
            power_state="Running" if action.start else "Halted",
            addresses=" ".join(address for nic in action.nics for address in nic.addresses),
            swap=bool(action.swap_size),
            overlay=action.kept_overlay.ref if action.kept_overlay else None,
            sr=action.overlay_sr.ref,
            sizes={"overlay": action.overlay_size, "swap": action.swap_size or 0},
        )
        self._power(vm, "Running" if action.start else "Halted", action.host)
        make_nics(self, vm, action)
        make_hardware(self, vm, todo.spec.hardware)
        for planned in action.disks:
            self.add_data_disk(vm, planned.name, planned.position, action.sr_of(planned).ref, planned.size)
        for kept in action.kept_disks:
            self.attach(vm, kept.ref, kept.labels["position"])
        for item in action.kept_items:
            fields = {"virtual_size": str(item.size)} if isinstance(item, GrowDisk) else {"on_boot": item.want}
            self.records["VDI"][item.disk.ref].update(fields)
        for disk in (action.kept_overlay, *action.kept_disks):
            if disk:
                labels = self.records["VDI"][disk.ref]["other_config"]
                labels["skinnybox:vm"] = self.uuid_of("VM", vm)
                labels.pop("skinnybox:kept", None)
        if action.on_boot == "reset" and not action.kept_overlay:
            for record in self.records["VDI"].values():
                labels = record["other_config"]
                if (labels.get("skinnybox:vm"), labels.get("skinnybox:kind")) == (self.uuid_of("VM", vm), "overlay"):
                    record["on_boot"] = "reset"

    def add_data_disk(self, vm: str, name: str, position: str = "4", sr: str | None = None, size: int = GIB) -> str:
        """A data disk of an instance; its reference."""
        labels = self.labels(vm)
        common = {key: labels[key] for key in ("pool", "name", "number", "instance", "master", "version", "master_id")}
        common |= {"vm": self.uuid_of("VM", vm), "disk": name, "position": position}
        disk = self.add_disk(f"{labels['name']} {name}", sr, size, other_config=other_config(Kind.DATA, **common))
        self.own("VDI", disk)
        self.attach(vm, disk, position)
        return disk

    def _remove_instance(self, action: plan.Remove) -> None:
        kept = ("overlay", "data", "snapshot") if action.keep_overlay else ()
        disks = action.instance.disks
        for disk in disks:
            if disk.labels.kind in kept:
                self.records["VDI"][disk.ref]["other_config"]["skinnybox:kept"] = "1767225600"
        self._remove(action.instance.vm.ref, [disk.ref for disk in disks if disk.labels.kind not in kept])

    def _remove(self, vm: str | None, disks: list[str]) -> None:
        for disk in disks:
            self.remove("VDI", disk)
        if vm:
            self.remove("VM", vm)

    def _power(self, vm: str, state: str, host: Host | None = None, before: str = NULL) -> None:
        running, where = state == "Running", host.ref if host else before if before != NULL else self.host
        self.records["VM"][vm].update(power_state=state, resident_on=where if running else NULL)
        for device in (*self.records["VBD"].values(), *self.records["VIF"].values()):
            if device["VM"] == vm:
                device["currently_attached"] = running

    def _change(self, action: plan.Change) -> None:
        vm = action.instance.vm
        before = self.records["VM"][vm.ref]["resident_on"]
        if action.stop:
            self._power(vm.ref, "Halted")
        if action.lost:
            self._reattach(action.lost)
        for item in action.items:
            carry_out_item(self, vm, item)
        if action.start:  # a restart stays where it is
            self._power(vm.ref, "Running", action.host, before)

    def _rebuild(self, action: Rebuild) -> None:
        vm = action.instance.vm
        before = self.records["VM"][vm.ref]["resident_on"]
        self._power(vm.ref, "Halted")
        if action.lost:
            self._reattach(action.lost)
        for item in action.items:
            carry_out_item(self, vm, item)
        carry_out_rebuild(self, action)
        if action.start:
            self._power(vm.ref, "Running", None, before)

    def _reattach(self, action: plan.Reattach) -> None:
        vm = action.instance.vm.ref
        for disk, position, mode, type_ in (
            (action.root, "0", "RO", "Disk"),
            (action.overlay, "1", "RW", "Disk"),
            (action.swap, "2", "RW", "Disk"),
            (action.boot, "3", "RO", "CD"),
        ):
            if disk:
                self.attach(vm, disk.ref, position, mode, type_)
        for data in action.disks:
            self.attach(vm, data.ref, data.labels["position"])
        for nic in action.nics:
            self.add_nic(vm, nic.device, nic.mac)
        if action.start:
            self._power(vm, "Running", action.host)


def _shuffle(items: list[Any], source: random.Random) -> list[Any]:
    source.shuffle(items)
    return items
