# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people declare, checked in itself: see plan.declaration, which makes it out of options."""

from __future__ import annotations

from dataclasses import dataclass, field

from .addresses import AddressRange


@dataclass(frozen=True)
class MasterName:
    """``noble`` (its promoted version) or ``noble:7``."""

    name: str
    number: int | None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}:{self.number}"


@dataclass(frozen=True)
class Family:
    """How one NIC gets its addresses of one IP version."""

    method: str  # dhcp, static, none; for IPv6 also auto (router advertisements)
    ranges: tuple[AddressRange, ...] = ()
    gateway: str | None = None


@dataclass(frozen=True)
class NetworkSpec:
    """One NIC of every instance."""

    network: str | None  # name or uuid; None = the golden VM's
    ipv4: Family
    ipv6: Family
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hardware:
    """Virtual hardware. Sizes are bytes; None = not declared: new instances get the blueprint's, none is compared."""

    vcpus: int | None = None  # at start-up
    vcpus_max: int | None = None  # to which a running VM may grow
    memory: int | None = None
    memory_max: int | None = None  # static maximum, to which a running VM may grow
    cores_per_socket: int | None = None
    cpu_weight: int | None = None
    cpu_cap: int | None = None  # hundredths of a physical CPU


@dataclass(frozen=True)
class OverlaySpec:
    """The overlay disk of every instance; ``size`` in bytes."""

    size: int
    srs: tuple[str, ...] = ()  # names or uuids; empty = where the master image is
    on_boot: str = "persist"  # reset: each boot begins from the fresh overlay


@dataclass(frozen=True)
class DataDisk:
    """A data disk of every instance; ``size`` in bytes."""

    name: str
    size: int
    sr: str | None = None  # name or uuid; None = where the overlay is


@dataclass(frozen=True)
class Placement:
    """Where instances may run."""

    spread: str = "none"  # host, rack, none
    rack: str = "rack"  # key in other_config, or prefix of a tag, that names a host's rack
    hosts: str | None = None  # JMESPath expression over host records; None = all


@dataclass(frozen=True)
class ScaleIn:
    """Which instances go when there are too many, and what becomes of their overlays."""

    order: str = "newest"  # newest, oldest, host, named
    instances: tuple[str, ...] = ()  # with order named
    overlays: str = "delete"  # delete, keep


@dataclass(frozen=True)
class Concurrency:
    """How many operations may be under way at a time."""

    per_host: int = 4  # VM operations: xenopsd has four workers
    per_sr: int = 2  # disk operations: xapi lets one run, another one waiting hides the round trip


@dataclass(frozen=True)
class VmPoolSpec:
    """A declared VM pool. Sizes are bytes."""

    name: str
    size: int
    master: MasterName
    overlay: OverlaySpec
    swap: int | None
    hardware: Hardware
    networks: tuple[NetworkSpec, ...]  # empty = the golden VM's networks
    authorized_keys: tuple[str, ...]
    instance_name: str
    power_state: str  # running, halted, unmanaged
    disks: tuple[DataDisk, ...] = ()
    placement: Placement = field(default_factory=Placement)
    scale_in: ScaleIn = field(default_factory=ScaleIn)
    allow_restart: bool = False
    fail_fast: bool = False
    concurrency: Concurrency = field(default_factory=Concurrency)
