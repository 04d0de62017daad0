# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XAPI's records as frozen dataclasses, and the whole host pool made of them. Pure: no I/O.

Only the fields that somebody looks at are kept: ten thousand instances must fit into a controller's memory.
"""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from typing import Callable, Mapping, TypeVar

from .labels import Kind, Labels, Standing

NULL = "OpaqueRef:NULL"

T = TypeVar("T")


def is_uncollected(other_config: Mapping[str, str]) -> bool:
    """Whether the ``other_config`` of an SR or VDI tells the storage manager to leave chains as they are."""
    return any(other_config.get(key) == "false" for key in ("gc", "coalesce", "leaf-coalesce"))


@dataclass(frozen=True, slots=True)
class Host:
    ref: str
    uuid: str
    name: str
    enabled: bool
    live: bool  # as the coordinator last heard of it
    address: str  # of its management interface
    cpus: int
    memory: int  # bytes, all that it has
    memory_overhead: int  # bytes that the hypervisor itself takes
    tags: tuple[str, ...]
    other_config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StorageRepository:
    ref: str
    uuid: str
    name: str
    type: str
    content_type: str
    shared: bool
    size: int  # bytes, as XAPI last counted them
    used: int
    attached_hosts: tuple[str, ...]  # refs of the hosts on which a PBD is plugged
    features: frozenset[str]  # what its storage manager can do, such as VDI_RESET_ON_BOOT
    tags: tuple[str, ...]
    other_config: Mapping[str, str]

    @property
    def uncollected(self) -> bool:
        """Whether somebody switched garbage collection or coalescing off for it."""
        return is_uncollected(self.other_config)

    @property
    def free(self) -> int:
        """Bytes not yet used, as XAPI last counted them."""
        return max(0, self.size - self.used)


@dataclass(frozen=True, slots=True)
class Network:
    ref: str
    uuid: str
    name: str
    hosts: tuple[str, ...]  # refs of the hosts that have a PIF in it; none = within one host only
    other_config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Disk:
    """A VDI."""

    ref: str
    uuid: str
    name: str
    type: str
    sr: str
    size: int  # bytes, as the guest sees it
    used: int  # bytes that it takes on its SR
    managed: bool
    missing: bool  # its SR has lost the data of it
    uncollected: bool  # somebody switched garbage collection or coalescing off for it
    read_only: bool
    sharable: bool
    on_boot: str  # persist or reset
    parent: str  # uuid of the VHD that it is a difference to; empty = none, or the SR does not say
    is_snapshot: bool
    snapshot_of: str
    snapshot_time: float  # epoch seconds by the host's clock; 0 for what is no snapshot
    snapshots: tuple[str, ...]  # refs
    labels: Labels
    vbds: tuple[str, ...]  # refs

    @property
    def standing(self) -> Standing:
        return self.labels.standing(self.uuid)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A VBD."""

    ref: str
    uuid: str
    vm: str
    vdi: str
    position: str
    type: str
    mode: str
    bootable: bool
    attached: bool
    owner: bool  # whether tools that delete the VM delete the disk with it


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """A VIF."""

    ref: str
    uuid: str
    vm: str
    network: str
    device: int
    mac: str
    attached: bool


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a running guest can do, as far as XAPI knows."""

    plug_disks: bool = False  # and unplug them
    plug_nics: bool = False
    features: frozenset[str] = frozenset()  # that it has announced: vcpu-hotplug, balloon, …


#: Of a guest that has told nothing.
UNABLE = Abilities()


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    ref: str
    uuid: str
    name: str
    power_state: str
    is_template: bool
    is_snapshot: bool
    is_control_domain: bool
    host: str  # where it runs; NULL when it does not
    scheduled_host: str  # where it is about to run
    affinity: str  # where it should run
    vcpus: int  # VCPUs_max
    vcpus_at_startup: int
    vcpus_params: Mapping[str, str]
    memory: int  # bytes, static maximum
    memory_dynamic_max: int
    memory_dynamic_min: int
    memory_static_min: int
    memory_overhead: int  # bytes that a host needs for it besides
    platform: Mapping[str, str]
    boot_params: Mapping[str, str]  # HVM_boot_params
    xenstore_data: Mapping[str, str]
    blocked_operations: Mapping[str, str]
    current_operations: tuple[str, ...]
    snapshot_of: str
    snapshot_schedule: str  # NULL = none
    tags: tuple[str, ...]
    labels: Labels
    addresses: tuple[str, ...]  # as the guest's agent reports them, first NIC first
    abilities: Abilities  # of its guest, while it runs
    attachments: tuple[Attachment, ...]
    interfaces: tuple[NetworkInterface, ...]

    @property
    def standing(self) -> Standing:
        return self.labels.standing(self.uuid)

    @property
    def boot_order(self) -> str:
        """What its firmware tries, in this order: letters c (disk), d (CD), n (network)."""
        return self.boot_params.get("order", "")

    def is_ours(self, kind: Kind) -> bool:
        """Whether it is a finished object of this kind that Skinnybox owns."""
        return self.labels.kind == kind.value and self.standing is Standing.OWNED


@dataclass(frozen=True, eq=False)
class HostPool:
    """All of a host pool that Skinnybox looks at. Maps are keyed by reference. Compared by identity."""

    ref: str
    uuid: str
    name: str
    coordinator: str
    default_sr: str
    other_config: Mapping[str, str]
    restrictions: Mapping[str, str]  # of its licence
    hosts: Mapping[str, Host]
    srs: Mapping[str, StorageRepository]
    networks: Mapping[str, Network]
    disks: Mapping[str, Disk]
    vms: Mapping[str, VirtualMachine]

    @property
    def has_dynamic_memory(self) -> bool:
        """Whether a VM's memory may be less than its maximum."""
        return self.restrictions.get("restrict_dmc") != "true"

    def users_of(self, disk: Disk) -> list[VirtualMachine]:
        """The VMs and templates that have an attachment of this disk."""
        return list(_users(self).get(disk.ref, {}).values())


def once(look: Callable[[HostPool], T]) -> Callable[[HostPool], T]:
    """Make a look over all of a host pool once for each: planning a thousand instances asks for it a thousand times."""
    known: weakref.WeakKeyDictionary[HostPool, T] = weakref.WeakKeyDictionary()

    @functools.wraps(look)
    def remembered(pool: HostPool) -> T:
        if pool not in known:
            known[pool] = look(pool)
        return known[pool]

    return remembered


@once
def _users(pool: HostPool) -> dict[str, dict[str, VirtualMachine]]:
    """VMs by reference, by the reference of a disk that they have an attachment of."""
    found: dict[str, dict[str, VirtualMachine]] = {}
    for vm in pool.vms.values():
        for attachment in vm.attachments:
            found.setdefault(attachment.vdi, {})[vm.ref] = vm
    return found
