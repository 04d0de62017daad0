# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an instance: clone the blueprint, seed an overlay, attach, label as finished.

Killed anywhere, it leaves a VM that bears an unfinished name or labels without a uuid, and disks that name this
VM in their labels; the next run's plan removes both. The uuid label of the VM is the last thing that is written
before the start. When XAPI refuses a step, what was made is removed at once.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Mapping

from ..model.identity import HostKey
from ..model.instances import unfinished_name
from ..model.labels import PREFIX, Kind, other_config
from ..plan import blocked
from ..plan.actions import Create, NicPlan
from ..plan.attachments import OVERLAY, ROOT, SWAP, nic_label, parse_nic_label
from ..plan.disk_changes import GrowDisk
from ..plan.spec import VmPoolSpec
from ..seed.host_keys import generate_host_key
from ..seed.tools import ToolError
from ..xapi.errors import ApiFailure, XapiError
from .alter_disks import change_on_boot, grow_disk
from .disks import attach_disk, claim_disk, make_empty_disk
from .hardware import set_hardware
from .nics import create_vif, new_mac
from .seeding import make_overlay, make_swap
from .worksite import Worksite

_NOTHING = "Nothing of it is left."


class NotMade(XapiError):
    """An instance could not be made; ``left`` says what is left of it."""

    def __init__(self, problem: Exception, left: str) -> None:
        super().__init__(str(problem))
        self.left = left


@dataclass(frozen=True)
class _Making:
    """An instance that is being made."""

    site: Worksite
    spec: VmPoolSpec
    create: Create
    vm: str
    record: Mapping[str, Any]  # of the VM, as it was cloned
    instance: str
    host_key: HostKey | None  # None: the kept overlay has one
    nics: tuple[tuple[NicPlan, str], ...]  # with MAC addresses

    @property
    def uuid(self) -> str:
        """The VM's."""
        return str(self.record["uuid"])


def make_instance(site: Worksite, spec: VmPoolSpec, create: Create) -> str:
    """Make an instance, halted, and return its VM's reference. Raises NotMade and other XapiErrors, ToolError."""
    kept = create.kept_overlay
    macs = {device: mac for device, mac, _network in parse_nic_label(kept.labels["nics"])} if kept else {}
    host_key = None if kept else generate_host_key(create.name)
    vm = _clone(site, spec, create)
    making = _Making(
        site=site,
        spec=spec,
        create=create,
        vm=vm,
        record=site.read("VM.get_record", vm),
        instance=kept.labels["instance"] if kept else str(uuid.uuid4()),
        host_key=host_key,
        nics=tuple((nic, macs.get(nic.device) or new_mac()) for nic in create.nics),
    )
    try:
        _complete(making)
    except (ApiFailure, ToolError, OSError) as problem:
        raise NotMade(problem, _undo(making)) from problem
    return vm


def _clone(site: Worksite, spec: VmPoolSpec, create: Create) -> str:
    name = unfinished_name(create.name, spec.name)

    def look() -> str | None:
        return next((vm for vm in site.read("VM.get_by_name_label", name) if vm not in site.pool.vms), None)

    try:
        vm = site.settle(lambda: site.run("VM.clone", create.master.blueprint.ref, name), look)
    except ApiFailure as failure:
        raise NotMade(failure, _NOTHING) from failure
    site.done("VM cloned")
    return vm


def _complete(making: _Making) -> None:
    site, create, vm = making.site, making.create, making.vm
    _label(making)
    _configure(making)
    for nic, mac in making.nics:
        create_vif(site, vm, nic.device, nic.network.ref, mac)
    _attach_root(making)
    _make_disks(making)
    site.repeat("VM.set_name_label", vm, create.name)
    site.add_key("VM", vm, PREFIX + "uuid", making.uuid)
    for disk in (create.kept_overlay, *create.kept_disks):
        if disk is not None:
            claim_disk(site, disk, making.uuid)


def _label(making: _Making) -> None:
    """Replace the labels that the clone inherited from the blueprint; nobody else knows this VM yet."""
    create, kept = making.create, making.create.kept_overlay
    foreign = {k: v for k, v in making.record["other_config"].items() if not k.startswith(PREFIX)}
    labels = other_config(
        Kind.INSTANCE,
        pool=making.spec.name,
        name=create.name,
        number=str(create.number),
        instance=making.instance,
        master=create.master.name,
        version=str(create.master.number),
        master_id=create.master.master_id,
        host_key=making.host_key.public if making.host_key else kept.labels["host_key"] if kept else "",
        nics=nic_label([(nic.device, mac, nic.network.uuid) for nic, mac in making.nics]),
        addresses=" ".join(address for nic, _mac in making.nics for address in nic.addresses),
    )
    making.site.repeat("VM.set_other_config", making.vm, {**foreign, **labels})


def _configure(making: _Making) -> None:
    site, vm = making.site, making.vm
    site.repeat("VM.set_is_a_template", vm, False)
    set_hardware(site, vm, making.record, making.spec.hardware)
    if making.create.host:  # so that XAPI agrees when it is to choose
        site.repeat("VM.set_affinity", vm, making.create.host.ref)
    site.repeat("VM.set_xenstore_data", vm, {"vm-data/skinnybox/instance": making.instance})
    site.repeat("VM.set_blocked_operations", vm, blocked.INSTANCE)


def _attach_root(making: _Making) -> None:
    """The clone shares the blueprint's CDs; the one at position 0 becomes the read-only root disk."""
    site, master = making.site, making.create.master
    for vbd in making.record["VBDs"]:
        record = site.read("VBD.get_record", vbd)
        if master.root and record["userdevice"] == ROOT and record["VDI"] == master.root.ref and record["mode"] == "RO":
            site.repeat("VBD.set_type", vbd, "Disk")
            return
    raise ApiFailure("VM.clone", ["BLUEPRINT_DAMAGED", f"{master.title} lacks its root CD at position {ROOT}"])


def _make_disks(making: _Making) -> None:
    site, create, vm = making.site, making.create, making.vm
    labels = {
        "pool": making.spec.name,
        "name": create.name,
        "number": str(create.number),
        "instance": making.instance,
        "vm": making.uuid,
        "master": create.master.name,
        "version": str(create.master.number),
        "master_id": create.master.master_id,
    }
    for item in create.kept_items:
        grow_disk(site, item) if isinstance(item, GrowDisk) else change_on_boot(site, item)
        site.done(item.text())
    if create.kept_overlay:
        attach_disk(site, vm, create.kept_overlay.ref, OVERLAY)
    elif making.host_key:
        overlay = make_overlay(site, making.spec, create, list(making.nics), making.host_key, labels)
        attach_disk(site, vm, overlay.ref, OVERLAY)
        site.done("overlay made")
    if create.swap_size:
        swap = make_swap(site, create.name, create.overlay_sr.ref, create.swap_size, labels)
        attach_disk(site, vm, swap.ref, SWAP)
        site.done("swap disk made")
    for kept in create.kept_disks:
        attach_disk(site, vm, kept.ref, kept.labels["position"])
    for planned in create.disks:
        its_labels = {**labels, "disk": planned.name, "position": planned.position}
        made = make_empty_disk(site, create.name, create.sr_of(planned).ref, planned.size, its_labels)
        attach_disk(site, vm, made.ref, planned.position)
        site.done(f"disk {planned.name} made")


def _undo(making: _Making) -> str:
    """Remove what was made of an instance that cannot be completed; says what is left."""
    site = making.site
    try:
        for vdi, sr in site.record.disks.items():
            with site.windows.disk_operation(sr):
                site.destroy("VDI", vdi)
        site.destroy("VM", making.vm)
    except XapiError:
        return "What was made of it is removed by the next run."
    return _NOTHING
