# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab from its parts: host pools, storage, hypervisor, HTTP server; opened, served and closed again."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from lab import classes, schema, topology
from lab.classes import vm_domain, vm_events
from lab.database import Database
from lab.dispatch import in_background
from lab.hosts import membership
from lab.hypervisor import Callbacks, GuestReport, Hypervisor
from lab.listeners import Listeners
from lab.pace import Pace
from lab.repositories import collector, leftovers, scanning
from lab.rrd import recorder
from lab.server import Server
from lab.storage import Disks
from lab.world import Settings, World

Stored = dict[str, Any]


@dataclass
class Lab:
    """A running lab."""

    worlds: list[World]
    server: Server
    runner: web.AppRunner
    listeners: Listeners
    #: what is to happen when it stops: guests are shut down, or destroyed
    stop_guests: bool = False
    destroy: bool = False
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def world(self) -> World:
        """The first host pool."""
        return self.worlds[0]

    async def listen(self, port: int, context: ssl.SSLContext | None = None) -> list[str]:
        """Serve on one more port (0 picks one), at all hosts that are up.

        Answers the URLs of the pools' coordinators. Raises OSError when the port is taken.
        """
        hosts = [(world, host) for world in self.worlds for host in world.database.all("host")]
        up = [host["address"] for world, host in hosts if membership.live(world, host.ref)]
        endpoint = await self.listeners.listen(up, port, context)
        return [endpoint.url(address) for address in self.coordinators()]

    def addresses(self) -> list[str]:
        """The addresses of all hosts."""
        return [host["address"] for world in self.worlds for host in world.database.all("host")]

    def coordinators(self) -> list[str]:
        """The address of each pool's coordinator."""
        return [world.database.get("host", world.coordinator)["address"] for world in self.worlds]

    async def until_stopped(self) -> None:
        """Wait for SIGINT, SIGTERM, or a request to stop. After a signal guests go on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)
        await self._stopped.wait()

    def stop(self, destroy: bool) -> None:
        """End the server and its guests."""
        self.stop_guests, self.destroy = True, destroy
        self._stopped.set()

    async def close(self, destroy_guests: bool) -> None:
        """Stop serving, end background work, let go of guests and disks."""
        self.listeners.close_all()
        await self.runner.cleanup()
        work = [task for world in self.worlds for task in world.work]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self.world.hypervisor.close(destroy_guests)
        await self.world.disks.close()


async def open_lab(
    settings: Settings, disks: Disks, hypervisor: Hypervisor, stored: Sequence[Stored] | None = None
) -> Lab:
    """A lab with what was stored of its host pools, or a fresh one."""
    known = schema.load()
    listeners, pace = Listeners(), Pace()
    worlds: list[World] = []
    for number in range(len(stored) if stored else settings.pools):
        # each world enters itself in the list that they all share
        world = World(known, Database(known), disks, hypervisor, settings, listeners, worlds, pace=pace)
        classes.install(world)
        if stored:
            world.database.load(stored[number])
            world.ledger.rebuild()
            world.down = {host for host in membership.hosts_of(world) if not membership.live(world, host)}
        else:
            await topology.furnish(world, number)
    for world in worlds:
        await collector.recover(world)
    await adopt_guests(worlds)
    for world in worlds:
        in_background(world, recorder.record(world))
        in_background(world, leftovers.sweep_now_and_then(world))
        in_background(world, scanning.scan_now_and_then(world))
    server = Server(worlds)
    runner = web.AppRunner(server.application(), access_log=None, keepalive_timeout=3600, shutdown_timeout=1)
    await runner.setup()
    assert runner.server
    listeners.serve = runner.server
    lab = Lab(worlds, server, runner, listeners)
    server.control.on_stop = lab.stop
    return lab


def _owner(worlds: list[World], vm_uuid: str) -> World:
    """The pool whose VM a guest is: while a VM moves between pools both have one, but it runs in one of them only."""
    for world in worlds:
        ref = world.database.tables["VM"].by_uuid.get(vm_uuid)
        if ref and world.database.get("VM", ref)["power_state"] in ("Running", "Paused"):
            return world
    return worlds[0]


async def adopt_guests(worlds: list[World]) -> None:
    """Connect to the hypervisor; VMs whose guests ended meanwhile become Halted."""

    async def exited(uuid: str, reason: Any) -> None:
        await vm_events.domain_exited(_owner(worlds, uuid), uuid, reason)

    async def reported(uuid: str, report: GuestReport) -> None:
        await vm_events.guest_reported(_owner(worlds, uuid), uuid, report)

    async def written(uuid: str, key: str, value: str) -> None:
        await vm_events.xenstore_written(_owner(worlds, uuid), uuid, key, value)

    running = await worlds[0].hypervisor.attach(Callbacks(exited, reported, written))
    for world in worlds:
        for record in world.database.all("VM"):
            alive = record["is_control_domain"] or record["uuid"] in running
            if record["power_state"] in ("Running", "Paused") and not alive:
                vm_domain.note_halted(world, record.ref)
        world.settle()
