# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an instance: clone the blueprint, seed an overlay, attach, label as finished.

Killed anywhere, it leaves a VM that bears an unfinished name or labels without a uuid, and disks that name this
VM in their labels; the next run's plan removes both. The uuid label of the VM is the last thing that is written
before the start.
"""
from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

from ..model.identity import HostKey, Identity, Ipv4, Ipv6, Nic
from ..model.instances import unfinished_name
from ..model.labels import PREFIX, Kind, other_config
from ..plan import blocked
from ..plan.actions import Create, NicPlan
from ..plan.attachments import OVERLAY, ROOT, SWAP, nic_label, parse_nic_label
from ..plan.spec import VmPoolSpec
from ..seed.chunked import encode
from ..seed.host_keys import generate_host_key
from ..seed.image import SeedImage
from ..seed.overlay import build_overlay
from ..seed.swap import build_swap
from ..xapi.errors import ApiFailure
from ..xapi.streams import import_chunked
from .disks import attach_disk, create_disk
from .worksite import Worksite


def make_instance(site: Worksite, spec: VmPoolSpec, create: Create) -> str:
    """Make an instance, halted, and return its VM's reference. Raises XapiError, ToolError."""
    kept = create.kept_overlay
    instance = kept.labels["instance"] if kept else str(uuid.uuid4())
    vm = site.tasks.run("VM.clone", create.master.blueprint.ref, unfinished_name(create.name, spec.name))
    record = site.client.call("VM.get_record", vm)
    host_key = None if kept else generate_host_key(create.name)
    public_key = kept.labels["host_key"] if kept else host_key.public if host_key else ""
    macs = {device: mac for device, mac, _network in parse_nic_label(kept.labels["nics"])} if kept else {}
    nics = [(nic, _create_vif(site, vm, nic, macs.get(nic.device, ""))) for nic in create.nics]
    _label(site, vm, record, spec, create, instance, public_key, nics)
    _configure(site, vm, spec, instance)
    _attach_root(site, record["VBDs"], create)
    if kept:
        attach_disk(site, vm, kept.ref, OVERLAY)
    elif host_key:
        labels = _disk_labels(record["uuid"], spec, create, instance)
        _make_overlay(site, vm, spec, create, instance, host_key, nics, labels)
    if create.swap_size:
        _make_swap(site, vm, create, create.swap_size, _disk_labels(record["uuid"], spec, create, instance))
    site.client.call("VM.set_name_label", vm, create.name)
    site.client.call("VM.add_to_other_config", vm, PREFIX + "uuid", record["uuid"])
    if kept:
        site.client.call("VDI.remove_from_other_config", kept.ref, PREFIX + "vm")
        site.client.call("VDI.add_to_other_config", kept.ref, PREFIX + "vm", record["uuid"])
    return vm


def _create_vif(site: Worksite, vm: str, nic: NicPlan, mac: str) -> str:
    """Make a VIF, with the MAC address that a kept overlay knows or one of XAPI's making, and return that."""
    vif = create_vif(site, vm, nic.device, nic.network.ref, mac)
    return site.client.call("VIF.get_MAC", vif)


def create_vif(site: Worksite, vm: str, device: int, network: str, mac: str) -> str:
    """Make a VIF and return its reference; an empty MAC lets XAPI choose."""
    return site.client.call(
        "VIF.create",
        {
            "device": str(device),
            "network": network,
            "VM": vm,
            "MAC": mac,
            "MTU": "1500",
            "other_config": {},
            "qos_algorithm_type": "",
            "qos_algorithm_params": {},
        },
    )


def _label(
    site: Worksite,
    vm: str,
    record: dict[str, Any],
    spec: VmPoolSpec,
    create: Create,
    instance: str,
    public_key: str,
    nics: list[tuple[NicPlan, str]],
) -> None:
    """Replace the labels that the clone inherited from the blueprint; nobody else knows this VM yet."""
    foreign = {k: v for k, v in record["other_config"].items() if not k.startswith(PREFIX)}
    labels = other_config(
        Kind.INSTANCE,
        pool=spec.name,
        name=create.name,
        number=str(create.number),
        instance=instance,
        master=create.master.name,
        version=str(create.master.number),
        master_id=create.master.master_id,
        host_key=public_key,
        nics=nic_label([(nic.device, mac, nic.network.uuid) for nic, mac in nics]),
        addresses=" ".join(address for nic, _mac in nics for address in nic.addresses),
    )
    site.client.call("VM.set_other_config", vm, {**foreign, **labels})


def _configure(site: Worksite, vm: str, spec: VmPoolSpec, instance: str) -> None:
    site.client.call("VM.set_is_a_template", vm, False)
    if spec.hardware.memory is not None:
        size = str(spec.hardware.memory)
        site.client.call("VM.set_memory_limits", vm, size, size, size, size)
    if spec.hardware.vcpus is not None:
        set_vcpus(site, vm, spec.hardware.vcpus)
    site.client.call("VM.set_xenstore_data", vm, {"vm-data/skinnybox/instance": instance})
    site.client.call("VM.set_blocked_operations", vm, blocked.INSTANCE)


def set_vcpus(site: Worksite, vm: str, vcpus: int) -> None:
    """Set the vCPUs of a halted VM; in the order that never has more at start-up than at most."""
    calls = ["VM.set_VCPUs_max", "VM.set_VCPUs_at_startup"]
    if int(site.client.call("VM.get_VCPUs_at_startup", vm)) > vcpus:
        calls.reverse()
    for call in calls:
        site.client.call(call, vm, str(vcpus))


def _attach_root(site: Worksite, vbds: list[str], create: Create) -> None:
    """The clone shares the blueprint's CDs; the one at position 0 becomes the read-only root disk."""
    root = create.master.root
    for vbd in vbds:
        record = site.client.call("VBD.get_record", vbd)
        if root and record["userdevice"] == ROOT and record["VDI"] == root.ref and record["mode"] == "RO":
            site.client.call("VBD.set_type", vbd, "Disk")
            return
    raise ApiFailure("VM.clone", ["BLUEPRINT_DAMAGED", f"{create.master.title} lacks its root CD at position {ROOT}"])


def _disk_labels(vm_uuid: str, spec: VmPoolSpec, create: Create, instance: str) -> dict[str, str]:
    return {
        "pool": spec.name,
        "name": create.name,
        "number": str(create.number),
        "instance": instance,
        "vm": vm_uuid,
        "master": create.master.name,
        "version": str(create.master.number),
        "master_id": create.master.master_id,
    }


def _make_overlay(
    site: Worksite,
    vm: str,
    spec: VmPoolSpec,
    create: Create,
    instance: str,
    host_key: HostKey,
    nics: list[tuple[NicPlan, str]],
    labels: dict[str, str],
) -> None:
    nics_label = nic_label([(nic.device, mac, nic.network.uuid) for nic, mac in nics])
    labels = {**labels, "host_key": host_key.public, "nics": nics_label}
    vdi, vdi_uuid, size = _create_disk(site, create, Kind.OVERLAY, create.overlay_size, labels)
    identity = Identity(
        instance=instance,
        pool=spec.name,
        overlay=vdi_uuid,
        hostname=create.name,
        nics=tuple(_nic(nic, mac) for nic, mac in nics),
        authorized_keys=spec.authorized_keys,
        host_key=host_key,
        network=create.master.network,
    )
    # 0700 and removed also on an error: the image holds the private host key.
    with tempfile.TemporaryDirectory(prefix="skinnybox-") as directory:
        _upload(site, vdi, create, build_overlay(identity, size, Path(directory)))
    attach_disk(site, vm, vdi, OVERLAY)


def _make_swap(site: Worksite, vm: str, create: Create, size: int, labels: dict[str, str]) -> None:
    vdi, vdi_uuid, size = _create_disk(site, create, Kind.SWAP, size, labels)
    with tempfile.TemporaryDirectory(prefix="skinnybox-") as directory:
        _upload(site, vdi, create, build_swap(vdi_uuid, size, Path(directory)))
    attach_disk(site, vm, vdi, SWAP)


def _create_disk(
    site: Worksite, create: Create, kind: Kind, size: int, labels: dict[str, str]
) -> tuple[str, str, int]:
    """Make a labelled VDI: its reference, its uuid, and its size in bytes, which the SR may have rounded up."""
    name, description = f"{create.name} {kind.value}", f"Skinnybox {kind.value} disk of {create.name}"
    with site.disk_window(create.overlay_sr.ref):
        vdi = create_disk(site, name, description, create.overlay_sr.ref, size, kind, labels)
    record = site.client.call("VDI.get_record", vdi)
    site.client.call("VDI.add_to_other_config", vdi, PREFIX + "uuid", record["uuid"])
    return vdi, record["uuid"], int(record["virtual_size"])


def _upload(site: Worksite, vdi: str, create: Create, image: SeedImage) -> None:
    with site.disk_window(create.overlay_sr.ref):
        import_chunked(site.client, vdi, encode(image.extents()))


def _nic(nic: NicPlan, mac: str) -> Nic:
    ipv4 = None if nic.ipv4_method == "none" else Ipv4(nic.ipv4, nic.ipv4_gateway)
    ipv6 = Ipv6(nic.ipv6, nic.ipv6_method, nic.ipv6_gateway)  # type: ignore[arg-type]
    return Nic(mac.lower(), ipv4, ipv6, nic.dns, nic.search)
