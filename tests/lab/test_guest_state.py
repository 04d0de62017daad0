# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hypervisor's guests follow what is done with their VMs, as far as a guest without a system shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from lab.dispatch import Dispatcher
from lab.errors import Failure
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.serving import open_lab
from lab.storage.memory import MemoryDisks
from lab.world import Settings

from .conftest import PV, VBD, VDI, VIF, VM
from .guest_invariants import unlike_guests


class Pool:
    """A host pool in this process with a running VM that has a disk and a NIC, and a second network."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.hypervisor = SimulatedHypervisor()
        opening = open_lab(Settings(), MemoryDisks(), self.hypervisor)
        self.lab = self.loop.run_until_complete(opening)
        self.world = self.lab.world
        self.dispatcher = Dispatcher(self.world)
        self._session: list[str] = []
        self._session = [self.do("session.login_with_password", "root", "lab")]
        self.network = self.world.database.where("network", name_label="Management")[0].ref
        label = {"name_label": "inside", "name_description": "", "MTU": "1500", "other_config": {}}
        self.inside = self.do("network.create", label)
        self.vm = self.do("VM.create", {**VM, **PV})
        self.uuid = self.world.database.get("VM", self.vm)["uuid"]
        self.vbd, self.vif = self.add_disk("0"), self.add_nic("0")
        self.do("VM.start", self.vm, False, False)

    def do(self, name: str, *parameters: Any) -> Any:
        """The answer to a call; afterwards guests are what their VMs are."""
        calling = self.dispatcher.call(name, [*self._session, *parameters])
        answer = self.loop.run_until_complete(calling)
        assert unlike_guests(self.world) == []
        return answer.value

    def add_disk(self, position: str) -> str:
        sr = self.world.database.get("pool", self.world.pool)["default_SR"]
        vdi = self.do("VDI.create", {**VDI, "SR": sr})
        vbd: str = self.do("VBD.create", {**VBD, "VM": self.vm, "VDI": vdi, "userdevice": position})
        return vbd

    def add_nic(self, device: str, network: str = "") -> str:
        fields = {**VIF, "VM": self.vm, "network": network or self.network, "device": device}
        vif: str = self.do("VIF.create", fields)
        return vif

    def positions(self) -> list[int]:
        return sorted(disk.position for disk in self.hypervisor.domains[self.uuid].disks)

    def networks(self) -> list[tuple[int, bool]]:
        """Device and whether it leads to the host, of each NIC."""
        return sorted((nic.device, nic.to_host) for nic in self.hypervisor.domains[self.uuid].nics)


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.loop.run_until_complete(pool.lab.close(destroy_guests=True))
    pool.loop.close()


def test_disks_come_and_go(pool: Pool) -> None:
    vbd = pool.add_disk("4")
    assert pool.positions() == [0]
    pool.do("VBD.plug", vbd)
    assert pool.positions() == [0, 4]
    pool.do("VBD.unplug", vbd)
    assert pool.positions() == [0]


def test_nics_come_and_go_and_change_their_network(pool: Pool) -> None:
    vif = pool.add_nic("1", pool.inside)
    pool.do("VIF.plug", vif)
    assert pool.networks() == [(0, True), (1, False)]
    pool.do("VIF.move", vif, pool.network)
    assert pool.networks() == [(0, True), (1, True)]
    pool.do("VIF.unplug", vif)
    assert pool.networks() == [(0, True)]


def test_a_guest_that_does_not_let_go_keeps_its_devices(pool: Pool) -> None:
    pool.hypervisor.clinging.add(pool.uuid)
    for call, ref in (("VBD.unplug", pool.vbd), ("VIF.unplug", pool.vif)):
        with pytest.raises(Failure) as caught:
            pool.do(call, ref)
        assert caught.value.description == ["DEVICE_DETACH_TIMEOUT", call.partition(".")[0], ref]
    assert (pool.positions(), pool.networks()) == ([0], [(0, True)])
    assert unlike_guests(pool.world) == []
    pool.hypervisor.clinging.clear()
    pool.do("VBD.unplug", pool.vbd)


def test_a_suspended_guest_is_gone_and_comes_back_as_it_was(pool: Pool) -> None:
    pool.do("VM.suspend", pool.vm)
    image = pool.world.database.get("VDI", pool.world.database.get("VM", pool.vm)["suspend_VDI"])["uuid"]
    assert (pool.hypervisor.domains, pool.hypervisor.images) == ({}, {image: pool.uuid})
    pool.do("VM.resume", pool.vm, True, False)
    assert pool.hypervisor.paused == {pool.uuid}
    pool.do("VM.unpause", pool.vm)
    assert (pool.hypervisor.paused, pool.positions()) == (set(), [0])


def test_a_checkpoint_leaves_the_guest_running(pool: Pool) -> None:
    pool.do("VM.checkpoint", pool.vm, "then")
    assert (pool.hypervisor.paused, pool.positions()) == (set(), [0])
    pool.do("VM.hard_reboot", pool.vm)
    pool.do("VM.hard_shutdown", pool.vm)
    assert pool.hypervisor.domains == {}
