# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab from its parts: world, storage, hypervisor, HTTP server; opened, served and closed again."""

from __future__ import annotations

import asyncio
import signal
import ssl
from dataclasses import dataclass, field

from aiohttp import web

from lab import classes, schema, topology
from lab.classes import vm_power
from lab.database import Database
from lab.hypervisor import Callbacks, Hypervisor
from lab.server import Server
from lab.storage import Disks
from lab.unbounded import UnboundedBodies
from lab.world import Settings, World


@dataclass
class Lab:
    """A running lab."""

    world: World
    server: Server
    runner: web.AppRunner
    urls: list[str] = field(default_factory=list)
    #: what is to happen when it stops: guests are shut down, or destroyed
    stop_guests: bool = False
    destroy: bool = False
    _listeners: list[asyncio.Server] = field(default_factory=list)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, address: str, port: int, context: ssl.SSLContext | None = None) -> str:
        """Serve on one more port (0 picks one); the URL. Raises OSError when the port is taken."""
        handlers = self.runner.server
        assert handlers
        listener = await asyncio.get_running_loop().create_server(
            lambda: UnboundedBodies(handlers()), address, port, ssl=context, backlog=1024
        )
        self._listeners.append(listener)
        url = f"{'https' if context else 'http'}://{address}:{listener.sockets[0].getsockname()[1]}"
        self.urls.append(url)
        return url

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
        for listener in self._listeners:
            listener.close()
        await self.runner.cleanup()
        for task in list(self.world.work):
            task.cancel()
        await asyncio.gather(*self.world.work, return_exceptions=True)
        await self.world.hypervisor.close(destroy_guests)
        await self.world.disks.close()


async def open_lab(
    settings: Settings, disks: Disks, hypervisor: Hypervisor, stored: dict[str, object] | None = None
) -> Lab:
    """A lab with what was stored of it, or a fresh one."""
    known = schema.load()
    world = World(known, Database(known), disks, hypervisor, settings)
    classes.install(world)
    if stored:
        world.database.load(stored)
    else:
        await topology.furnish(world)
    await adopt_guests(world)
    server = Server(world)
    runner = web.AppRunner(server.application(), access_log=None, keepalive_timeout=3600, shutdown_timeout=1)
    await runner.setup()
    lab = Lab(world, server, runner)
    server.control.on_stop = lab.stop
    return lab


async def adopt_guests(world: World) -> None:
    """Connect to the hypervisor; VMs whose guests ended meanwhile become Halted."""
    running = await world.hypervisor.attach(
        Callbacks(
            lambda uuid, reason: vm_power.domain_exited(world, uuid, reason),
            lambda uuid, report: vm_power.guest_reported(world, uuid, report),
            lambda uuid, key, value: vm_power.xenstore_written(world, uuid, key, value),
        )
    )
    for record in world.database.all("VM"):
        alive = record["is_control_domain"] or record["uuid"] in running
        if record["power_state"] in ("Running", "Paused") and not alive:
            vm_power.note_halted(world, record.ref)
    world.settle()
