# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random sequences of calls, sensible and senseless ones, one at a time and several at once, on two pools of two hosts.

After each step the invariants hold. The usual run is short and always the same; SKINNYBOX_FUZZ names the number of
sequences of a longer one.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lab.dispatch import Dispatcher
from lab.errors import Failure
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.serving import Lab, open_lab
from lab.storage.memory import MemoryDisks
from lab.values import NULL, Typed
from lab.world import Settings, World

from .conftest import PV, VBD, VDI, VIF, VM
from .guest_invariants import unlike_guests
from .invariants import broken, broken_storage

SEQUENCES = int(os.environ.get("SKINNYBOX_FUZZ", "0"))
MIB, GIB = 1024**2, 1024**3
UNKNOWN = "OpaqueRef:00000000-0000-0000-0000-000000000000"
#: how the lab tells of a mistake of its own: the name of a Python exception
MISTAKE = re.compile(r"[A-Z]\w*(Error|Exception|Warning|Iteration): ")
#: Seconds after which a call that does not end is taken for one that never will.
PATIENCE = 5.0


@dataclass
class Pool:
    """A host pool in this process, and a session of root's with it."""

    world: World
    dispatcher: Dispatcher
    session: str = ""


class Chooser:
    """Turns numbers that hypothesis draws into a pool and parameters of a call of it."""

    def __init__(self, pools: list[Pool], numbers: list[int]) -> None:
        self._numbers, self._pools = list(numbers), pools
        self.pool = pools[self.number(4) == 3]
        self.world = self.pool.world

    def elsewhere(self) -> Chooser:
        """One that chooses in the pool or in the other one."""
        return Chooser(self._pools[:: self.one_of(1, 1, -1)], [0, *self._numbers, 0])

    def number(self, below: int) -> int:
        return (self._numbers.pop() if self._numbers else 0) % max(1, below)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.number(len(choices))]

    def ref(self, cls: str) -> str:
        """One of the objects there are, the latest more often; now and then one that is not there."""
        refs = list(self.world.database.tables[cls].records)
        if not refs or self.number(25) == 24:
            return UNKNOWN
        near = min(len(refs), 4)
        return refs[-1 - self.number(near)] if self.number(2) else refs[self.number(len(refs))]

    def machine(self) -> str:
        """A VM that is no control domain, most of the time."""
        return next((ref for ref in (self.ref("VM") for _ in range(3)) if not self._is_control_domain(ref)), UNKNOWN)

    def _is_control_domain(self, ref: str) -> bool:
        record = self.world.database.find("VM", ref)
        return bool(record and record["is_control_domain"])

    def size(self) -> str:
        return str(self.one_of(2 * MIB, 5 * MIB, 64 * MIB, GIB, 3000 * GIB, 0))


class Uneven(dict[str, float]):
    """Durations for the lab's pace: some seconds, or none, whatever is asked for."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def get(self, key: str, default: Any = None) -> Any:
        return self._random.choice((0.0, 0.001, 0.004))


Parameters = Callable[[Chooser], list[Any]]


def vm_record(c: Chooser) -> dict[str, Any]:
    return {**VM, **c.one_of({}, PV), "is_a_template": c.number(6) == 5, "affinity": c.one_of(NULL, c.ref("host"))}


def vbd_record(c: Chooser) -> dict[str, Any]:
    disc = c.number(5) == 4
    kind = {"type": "CD", "mode": "RO", "empty": bool(c.number(2))} if disc else {"mode": c.one_of("RW", "RO")}
    device = c.one_of("autodetect", "0", "1", "3", "x")
    return {**VBD, "VM": c.machine(), "VDI": c.ref("VDI"), "userdevice": device, **kind}


def migration(c: Chooser) -> list[Any]:
    """A migration with storage: where the disks go, and to which pool, is drawn, too."""
    vm, database, there = c.machine(), c.world.database, c.elsewhere()
    record = database.find("VM", vm)
    disks = [database.get("VBD", vbd)["VDI"] for vbd in record["VBDs"]] if record else []
    address = there.world.database.get("host", there.world.coordinator)["address"]
    dest = {
        "SM": f"http://{address}/", "host": there.ref("host"), "xenops": f"http://{address}/",
        "master": f"http://{address}/", "session_id": there.pool.session,
    }  # fmt: skip
    networks = {vif: there.ref("network") for vif in record["VIFs"]} if record and there.pool is not c.pool else {}
    options = c.one_of({}, {}, {"copy": "true"})
    return [vm, dest, True, {vdi: there.ref("SR") for vdi in disks if vdi != NULL}, networks, options]


CALLS: dict[str, Parameters] = {
    "VM.create": lambda c: [vm_record(c)],
    "VM.clone": lambda c: [c.machine(), "clone"],
    "VM.copy": lambda c: [c.machine(), "copy", c.one_of(NULL, c.ref("SR"))],
    "VM.snapshot": lambda c: [c.machine(), "snapshot", []],
    "VM.checkpoint": lambda c: [c.machine(), "checkpoint"],
    "VM.revert": lambda c: [c.machine()],
    "VM.provision": lambda c: [c.machine()],
    "VM.destroy": lambda c: [c.machine()],
    "VM.start": lambda c: [c.machine(), c.number(5) == 4, False],
    "VM.start_on": lambda c: [c.machine(), c.ref("host"), False, False],
    "VM.pause": lambda c: [c.machine()],
    "VM.unpause": lambda c: [c.machine()],
    "VM.suspend": lambda c: [c.machine()],
    "VM.resume": lambda c: [c.machine(), False, False],
    "VM.resume_on": lambda c: [c.machine(), c.ref("host"), False, False],
    "VM.clean_shutdown": lambda c: [c.machine()],
    "VM.hard_shutdown": lambda c: [c.machine()],
    "VM.shutdown": lambda c: [c.machine()],
    "VM.clean_reboot": lambda c: [c.machine()],
    "VM.hard_reboot": lambda c: [c.machine()],
    "VM.power_state_reset": lambda c: [c.machine()],
    "VM.pool_migrate": lambda c: [c.machine(), c.ref("host"), c.one_of({}, {"force": "true"})],
    "VM.migrate_send": migration,
    "VM.set_is_a_template": lambda c: [c.machine(), bool(c.number(2))],
    "VM.set_blocked_operations": lambda c: [c.machine(), c.one_of({}, {"start": "no"}, {"destroy": "no"})],
    "VM.set_memory": lambda c: [c.machine(), str(c.one_of(256 * MIB, GIB, 9 * GIB))],
    "VM.set_domain_type": lambda c: [c.machine(), c.one_of("hvm", "pv")],
    "VBD.create": lambda c: [vbd_record(c)],
    "VBD.destroy": lambda c: [c.ref("VBD")],
    "VBD.plug": lambda c: [c.ref("VBD")],
    "VBD.unplug": lambda c: [c.ref("VBD")],
    "VBD.insert": lambda c: [c.ref("VBD"), c.ref("VDI")],
    "VBD.eject": lambda c: [c.ref("VBD")],
    "VBD.set_mode": lambda c: [c.ref("VBD"), c.one_of("RW", "RO")],
    "VIF.create": lambda c: [{**VIF, "VM": c.machine(), "network": c.ref("network"), "device": c.one_of("0", "1")}],
    "VIF.destroy": lambda c: [c.ref("VIF")],
    "VIF.plug": lambda c: [c.ref("VIF")],
    "VIF.unplug": lambda c: [c.ref("VIF")],
    "VIF.move": lambda c: [c.ref("VIF"), c.ref("network")],
    "VDI.create": lambda c: [
        {**VDI, "SR": c.ref("SR"), "virtual_size": c.size(), "sharable": not c.number(8), "read_only": not c.number(8)}
    ],
    "VDI.destroy": lambda c: [c.ref("VDI")],
    "VDI.clone": lambda c: [c.ref("VDI"), {}],
    "VDI.snapshot": lambda c: [c.ref("VDI"), {}],
    "VDI.copy": lambda c: [c.ref("VDI"), c.ref("SR"), NULL, c.one_of(NULL, NULL, c.ref("VDI"))],
    "VDI.resize": lambda c: [c.ref("VDI"), c.size()],
    "VDI.set_on_boot": lambda c: [c.ref("VDI"), c.one_of("reset", "persist")],
    "VDI.enable_cbt": lambda c: [c.ref("VDI")],
    "VDI.disable_cbt": lambda c: [c.ref("VDI")],
    "VDI.data_destroy": lambda c: [c.ref("VDI")],
    "VDI.pool_migrate": lambda c: [c.ref("VDI"), c.ref("SR"), {}],
    "VDI.set_name_label": lambda c: [c.ref("VDI"), "name"],
    "SR.scan": lambda c: [c.ref("SR")],
    "SR.create": lambda c: [
        c.ref("host"), {}, str(4 * GIB), "made", "", c.one_of("ext", "lvm", "nfs"), "user", bool(c.number(2)), {}
    ],
    "SR.destroy": lambda c: [c.ref("SR")],
    "PBD.plug": lambda c: [c.ref("PBD")],
    "PBD.unplug": lambda c: [c.ref("PBD")],
    "PBD.destroy": lambda c: [c.ref("PBD")],
    "host.disable": lambda c: [c.ref("host")],
    "host.enable": lambda c: [c.ref("host")],
    "host.evacuate": lambda c: [c.ref("host")],
    "task.create": lambda c: ["label", ""],
    "VM_appliance.create": lambda c: [{"name_label": "", "name_description": ""}],
    "VM.set_appliance": lambda c: [c.machine(), c.ref("VM_appliance")],
    "VM_appliance.start": lambda c: [c.ref("VM_appliance"), False],
    "VM_appliance.destroy": lambda c: [c.ref("VM_appliance")],
}  # fmt: skip
one_call = st.tuples(st.sampled_from(sorted(CALLS)), st.lists(st.integers(0, 2**16), min_size=16, max_size=16))


class Pools(RuleBasedStateMachine):
    """Two host pools, called as by a client."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        options = Settings(hosts=2, pools=2, agent=True, memory=8 * GIB, collection_delay=0.0)
        disks, hypervisor = MemoryDisks(), SimulatedHypervisor(agent=True)
        self.lab: Lab = self.loop.run_until_complete(open_lab(options, disks, hypervisor))
        self.pools = [Pool(world, Dispatcher(world)) for world in self.lab.worlds]
        for pool in self.pools:
            pool.session = self.do(pool, "session.login_with_password", "root", "lab")

    @initialize(machines=st.integers(1, 3))
    def begin(self, machines: int) -> None:
        """Have something to work with: VMs with a disk and a NIC."""
        pool, database = self.pools[0], self.pools[0].world.database
        network = database.where("network", name_label="Management")[0].ref
        sr = database.get("pool", pool.world.pool)["default_SR"]
        for _ in range(machines):
            vm, vdi = self.do(pool, "VM.create", {**VM, **PV}), self.do(pool, "VDI.create", {**VDI, "SR": sr})
            self.do(pool, "VBD.create", {**VBD, "VM": vm, "VDI": vdi})
            self.do(pool, "VIF.create", {**VIF, "VM": vm, "network": network})

    @rule(calls=st.lists(one_call, min_size=1, max_size=4))
    def one_after_the_other(self, calls: list[tuple[str, list[int]]]) -> None:
        for name, numbers in calls:
            self.loop.run_until_complete(self._try(*self._prepare(name, numbers)))

    @rule(calls=st.lists(one_call, min_size=2, max_size=5), seed=st.integers(0, 2**16))
    def at_once(self, calls: list[tuple[str, list[int]]], seed: int) -> None:
        """Operations last a little, each differently, so that they meet in all their stages."""
        prepared = [self._prepare(name, numbers) for name, numbers in calls]
        pace = self.lab.world.pace
        pace.seconds = Uneven(seed)
        self.loop.run_until_complete(self._all(prepared))
        pace.set({})

    def _prepare(self, name: str, numbers: list[int]) -> tuple[Pool, str, list[Any]]:
        chooser = Chooser(self.pools, numbers)
        return chooser.pool, name, CALLS[name](chooser)

    async def _all(self, calls: list[tuple[Pool, str, list[Any]]]) -> None:
        await asyncio.gather(*(self._try(*call) for call in calls))

    def do(self, pool: Pool, name: str, *parameters: Any) -> Any:
        """The answer to a call that must succeed."""
        own = [pool.session] if pool.session else []
        answer: Typed = self.loop.run_until_complete(pool.dispatcher.call(name, [*own, *parameters]))
        return answer.value

    async def _try(self, pool: Pool, name: str, parameters: list[Any]) -> None:
        """A call that may fail, but not for a mistake of the lab's, and that ends."""
        try:
            await asyncio.wait_for(pool.dispatcher.call(name, [pool.session, *parameters]), PATIENCE)
            if name == "VM.set_is_a_template":
                # which leaves the allowed operations as they were, as XAPI does
                await pool.dispatcher.call("VM.update_allowed_operations", [pool.session, parameters[0]])
        except Failure as failure:
            mistaken = failure.code == "INTERNAL_ERROR" and MISTAKE.match(failure.description[1])
            assert not mistaken, f"{name}{tuple(parameters)}: {failure.description}"
            assert failure.code != "NOT_IMPLEMENTED", name

    @invariant()
    def nothing_is_broken(self) -> None:
        self.loop.run_until_complete(self._rest())
        for pool in self.pools:
            assert broken(pool.world) == []
            assert unlike_guests(pool.world) == []
        assert self.loop.run_until_complete(broken_storage(self.lab.worlds, set())) == []

    async def _rest(self) -> None:
        """Let what the calls left running end: agents' reports, the collector of bases."""
        for _ in range(20):
            await asyncio.sleep(0)
        while any(world.uncollected for world in self.lab.worlds):
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.lab.close(True))
        self.loop.close()


TestPools = Pools.TestCase
TestPools.settings = settings(
    max_examples=SEQUENCES or 20,
    stateful_step_count=25,
    derandomize=not SEQUENCES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    # what was found first is what is shown: to look for a shorter sequence takes too long when calls hang
    phases=[Phase.generate],
)
