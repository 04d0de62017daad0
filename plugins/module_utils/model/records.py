# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XAPI's records as frozen dataclasses, and the whole host pool made of them. Pure: no I/O."""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Mapping

from .labels import Kind, Labels, Standing

Records = Mapping[str, Mapping[str, Mapping[str, Any]]]

#: The classes that make up a :class:`HostPool`: one ``get_all_records`` each, however many VMs there are.
CLASSES = ("pool", "host", "SR", "PBD", "network", "VM", "VDI", "VBD", "VIF", "VM_guest_metrics")

NULL = "OpaqueRef:NULL"


@dataclass(frozen=True)
class Host:
    ref: str
    uuid: str
    name: str
    enabled: bool


@dataclass(frozen=True)
class StorageRepository:
    ref: str
    uuid: str
    name: str
    type: str
    content_type: str
    shared: bool
    free: int  # bytes not yet used, as XAPI last counted them
    attached_hosts: tuple[str, ...]  # refs of the hosts on which a PBD is plugged


@dataclass(frozen=True)
class Network:
    ref: str
    uuid: str
    name: str


@dataclass(frozen=True)
class Disk:
    """A VDI."""

    ref: str
    uuid: str
    name: str
    sr: str
    size: int  # bytes, as the guest sees it
    used: int  # bytes that it takes on its SR
    managed: bool
    snapshot_of: str
    snapshot_time: float  # epoch seconds by the host's clock; 0 for what is no snapshot
    labels: Labels
    vbds: tuple[str, ...]

    @property
    def standing(self) -> Standing:
        return self.labels.standing(self.uuid)


@dataclass(frozen=True)
class Attachment:
    """A VBD."""

    ref: str
    uuid: str
    vm: str
    vdi: str
    position: str
    type: str
    mode: str
    attached: bool


@dataclass(frozen=True)
class NetworkInterface:
    """A VIF."""

    ref: str
    uuid: str
    vm: str
    network: str
    device: int
    mac: str


@dataclass(frozen=True)
class VirtualMachine:
    ref: str
    uuid: str
    name: str
    power_state: str
    is_template: bool
    is_snapshot: bool
    is_control_domain: bool
    host: str
    vcpus: int
    memory: int  # bytes, static maximum
    labels: Labels
    addresses: tuple[str, ...]  # as the guest's agent reports them, first NIC first
    attachments: tuple[Attachment, ...]
    interfaces: tuple[NetworkInterface, ...]
    record: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def standing(self) -> Standing:
        return self.labels.standing(self.uuid)

    def is_ours(self, kind: Kind) -> bool:
        """Whether it is a finished object of this kind that Skinnybox owns."""
        return self.labels.kind == kind.value and self.standing is Standing.OWNED


@dataclass(frozen=True)
class HostPool:
    """All of a host pool that Skinnybox looks at. Maps are keyed by reference."""

    ref: str
    uuid: str
    name: str
    default_sr: str
    other_config: Mapping[str, str]
    hosts: Mapping[str, Host]
    srs: Mapping[str, StorageRepository]
    networks: Mapping[str, Network]
    disks: Mapping[str, Disk]
    vms: Mapping[str, VirtualMachine]

    def users_of(self, disk: Disk) -> list[VirtualMachine]:
        """The VMs and templates that have an attachment of this disk."""
        return [vm for vm in self.vms.values() if any(a.vdi == disk.ref for a in vm.attachments)]


def host_pool(records: Records) -> HostPool:
    """Make the model out of the answers of ``get_all_records`` of :data:`CLASSES`."""
    ref, pool = next(iter(records["pool"].items()))
    return HostPool(
        ref=ref,
        uuid=pool["uuid"],
        name=pool["name_label"],
        default_sr=pool["default_SR"],
        other_config=pool["other_config"],
        hosts={
            ref: Host(ref, r["uuid"], r["name_label"], bool(r["enabled"])) for ref, r in records["host"].items()
        },
        srs=_storage_repositories(records),
        networks={ref: Network(ref, r["uuid"], r["name_label"]) for ref, r in records["network"].items()},
        disks={ref: _disk(ref, r) for ref, r in records["VDI"].items()},
        vms=_virtual_machines(records),
    )


def _storage_repositories(records: Records) -> dict[str, StorageRepository]:
    attached: dict[str, list[str]] = {}
    for pbd in records["PBD"].values():
        if pbd["currently_attached"]:
            attached.setdefault(pbd["SR"], []).append(pbd["host"])
    return {
        ref: StorageRepository(
            ref=ref,
            uuid=r["uuid"],
            name=r["name_label"],
            type=r["type"],
            content_type=r["content_type"],
            shared=bool(r["shared"]),
            free=max(0, int(r["physical_size"]) - int(r["physical_utilisation"])),
            attached_hosts=tuple(attached.get(ref, ())),
        )
        for ref, r in records["SR"].items()
    }


def _disk(ref: str, r: Mapping[str, Any]) -> Disk:
    return Disk(
        ref=ref,
        uuid=r["uuid"],
        name=r["name_label"],
        sr=r["SR"],
        size=int(r["virtual_size"]),
        used=int(r["physical_utilisation"]),
        managed=bool(r["managed"]),
        snapshot_of=r["snapshot_of"],
        snapshot_time=epoch(r["snapshot_time"]),
        labels=Labels.of(r["other_config"]),
        vbds=tuple(r["VBDs"]),
    )


def _virtual_machines(records: Records) -> dict[str, VirtualMachine]:
    attachments: dict[str, list[Attachment]] = {}
    for ref, r in records["VBD"].items():
        attachments.setdefault(r["VM"], []).append(
            Attachment(
                ref=ref,
                uuid=r["uuid"],
                vm=r["VM"],
                vdi=r["VDI"],
                position=r["userdevice"],
                type=r["type"],
                mode=r["mode"],
                attached=bool(r["currently_attached"]),
            )
        )
    interfaces: dict[str, list[NetworkInterface]] = {}
    for ref, r in records["VIF"].items():
        interfaces.setdefault(r["VM"], []).append(
            NetworkInterface(ref, r["uuid"], r["VM"], r["network"], int(r["device"]), r["MAC"])
        )
    machines = {}
    for ref, r in records["VM"].items():
        metrics = records["VM_guest_metrics"].get(r["guest_metrics"], {})
        machines[ref] = VirtualMachine(
            ref=ref,
            uuid=r["uuid"],
            name=r["name_label"],
            power_state=r["power_state"],
            is_template=bool(r["is_a_template"]),
            is_snapshot=bool(r["is_a_snapshot"]),
            is_control_domain=bool(r["is_control_domain"]),
            host=r["resident_on"],
            vcpus=int(r["VCPUs_max"]),
            memory=int(r["memory_static_max"]),
            labels=Labels.of(r["other_config"]),
            # Stale after a shutdown or a clone: only a running guest's word counts (XAPI clears it at start).
            addresses=guest_addresses(metrics.get("networks", {})) if r["power_state"] == "Running" else (),
            attachments=tuple(sorted(attachments.get(ref, ()), key=lambda a: _position(a.position))),
            interfaces=tuple(sorted(interfaces.get(ref, ()), key=lambda i: i.device)),
            record=r,
        )
    return machines


def epoch(moment: Any) -> float:
    """XAPI's date and time (``20260101T00:00:00Z``, as xmlrpc.client gives it) as epoch seconds."""
    text = str(moment).replace("-", "").rstrip("Z")
    return datetime.strptime(text[:17], "%Y%m%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


def _position(userdevice: str) -> tuple[int, str]:
    return (int(userdevice), "") if userdevice.isdigit() else (1 << 31, userdevice)


def guest_addresses(networks: Mapping[str, str]) -> tuple[str, ...]:
    """Addresses out of ``VM_guest_metrics.networks``: IPv4 before IPv6, by NIC; link-local ones left out.

    Keys are ``<device>/ip`` (old agents), ``<device>/ipv4/<n>`` and ``<device>/ipv6/<n>``.
    """
    found = []
    for key, address in networks.items():
        device, _slash, rest = key.partition("/")
        family = 6 if rest.startswith("ipv6") else 4
        if device.isdigit() and address and not address.lower().startswith("fe80:"):
            found.append((int(device), family, key, address))
    return tuple(dict.fromkeys(address for _device, _family, _key, address in sorted(found)))
