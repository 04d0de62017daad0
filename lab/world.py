# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that belongs to one running lab, and the context of one call in it."""

from __future__ import annotations

import asyncio
import ipaddress
import time
import uuid as uuids
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.database import Database
from lab.hosts.ledger import Ledger
from lab.listeners import Listeners
from lab.pace import Pace
from lab.rrd.archive import Archive
from lab.schema import Schema
from lab.values import NULL

if TYPE_CHECKING:
    from lab.event_queue import Queue
    from lab.hypervisor import Hypervisor
    from lab.storage import Disks


@dataclass
class Settings:
    """What the command line can choose."""

    password: str = "lab"
    memory: int = 16 * 1024**3
    cpus: int = 8
    #: whether simulated guests have an agent that reports addresses
    agent: bool = False
    #: seconds that a refused login takes
    login_delay: float = 2.0
    #: seconds from the moment when the base of a disk is needed no longer until it is merged or removed
    collection_delay: float = 0.5
    #: hosts of each host pool, host pools side by side, and the address of the first host
    hosts: int = 1
    pools: int = 1
    address: str = "127.0.0.1"
    #: halted VMs that each host pool has from the beginning
    vms: int = 0
    #: the server's own in PEM, when it speaks TLS
    certificate: str = ""

    def address_of(self, pool: int, host: int) -> str:
        """The address of a host, both counted from 0: the hosts of a pool follow one another, pools are 256 apart."""
        return str(ipaddress.ip_address(self.address) + 256 * pool + host)


@dataclass
class World:
    """One host pool. Several in one lab share disks, hypervisor and listeners."""

    schema: Schema
    database: Database
    disks: Disks
    hypervisor: Hypervisor
    settings: Settings = field(default_factory=Settings)
    #: where the hosts are reached
    listeners: Listeners = field(default_factory=Listeners)
    #: all host pools of the lab, this one included
    pools: list[World] = field(default_factory=list)
    #: objects changed since their allowed operations were last computed
    dirty: dict[tuple[str, str], None] = field(default_factory=dict)
    #: sessions that are good for one host only, and not in the database
    local_sessions: dict[str, str] = field(default_factory=dict)
    #: tasks that can be cancelled just now, and what runs them
    cancellable: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    #: network cards of each host that were ever seen: device -> MAC
    cards: dict[str, dict[str, str]] = field(default_factory=dict)
    #: what sessions that registered for events have not read yet
    event_queue: Queue | None = None
    #: hosts that do not answer, whether that is known in the database or not
    down: set[str] = field(default_factory=set)
    #: hosts that were disabled for longer than until their next start
    kept_disabled: set[str] = field(default_factory=set)
    #: members that take another address than the coordinator's for the coordinator's
    misled: dict[str, str] = field(default_factory=dict)
    #: by what the schedulers of hosts go, where that is not single CPUs
    scheduling: dict[str, str] = field(default_factory=dict)
    #: what hosts are doing for calls; it is lost with the host
    work_of_hosts: dict[str, set[asyncio.Task[Any]]] = field(default_factory=dict)
    #: background work that must end before the server does
    work: set[asyncio.Task[None]] = field(default_factory=set)
    #: class -> what its objects allow now; filled by the classes package
    allowed: dict[str, Callable[[World, str], list[str]]] = field(default_factory=dict)
    #: how long operations last, and how many run at a time
    pace: Pace = field(default_factory=Pace)
    #: repository -> bytes in it that are not of disks: other files that fill it (negative: a larger one)
    foreign_bytes: dict[str, int] = field(default_factory=dict)
    #: host -> migrations with storage that it sends now
    storage_migrations: Counter[str] = field(default_factory=Counter)
    #: figures over time, by kind (host, vm, sr) and uuid
    archives: dict[tuple[str, str], Archive] = field(default_factory=dict)
    #: repository -> held while the layers of its disks change
    layer_locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    #: repositories that the collector is going to look at
    uncollected: set[str] = field(default_factory=set)
    #: uuids of the disks whose own layer is being merged with its base
    merging: set[str] = field(default_factory=set)
    #: VMs whose guest does not boot
    unbootable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pools.append(self)
        self.ledger = Ledger(self.database)

    def refresh(self, cls: str, *refs: str) -> None:
        """Have the allowed operations of these objects computed anew before anyone can read them."""
        for ref in refs:
            self.dirty[cls, ref] = None

    def settle(self) -> None:
        """Bring allowed_operations up to date."""
        while self.dirty:
            cls, ref = next(iter(self.dirty))
            del self.dirty[cls, ref]
            if self.database.exists(cls, ref):
                self.database.set(cls, ref, allowed_operations=self.allowed[cls](self, ref))

    @property
    def pool(self) -> str:
        return next(self.database.all("pool")).ref

    @property
    def coordinator(self) -> str:
        return next(self.database.all("pool"))["master"]


def dummy_task(label: str) -> str:
    """The reference of a task that is not in the database."""
    return f"DummyRef:|{uuids.uuid4()}|{label}"


@dataclass
class Call:
    """One call being answered.

    task is the reference of its task, a dummy for synchronous calls; host the one asked, else the coordinator.
    """

    world: World
    method: str
    session: str = NULL
    task: str = ""
    #: this call runs inside XAPI, not on behalf of a client
    internal: bool = False
    host: str = ""

    def __post_init__(self) -> None:
        self.task = self.task or dummy_task(self.method)

    @property
    def db(self) -> Database:
        return self.world.database

    @property
    def here(self) -> str:
        """The host that executes the call."""
        return self.host or self.world.coordinator


def now() -> float:
    """Epoch seconds, whole as XAPI keeps them."""
    return float(int(time.time()))
