# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab whose state lies in a directory: the server that runs it, and how others start, stop and ask it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from lab import persistence, serving
from lab.classes import vm_power
from lab.errors import Failure
from lab.hypervisor import Hypervisor
from lab.serving import Lab
from lab.state import Running, State
from lab.storage.qcow2 import Qcow2Disks
from lab.world import Call, Settings, World

LOG = logging.getLogger("lab")
#: Tried first for https and http; a port that is taken gives way to a free one.
PORTS = (8443, 8480)
#: Seconds in which a started server must answer, and a stopped one must be gone.
PATIENCE = 60.0
#: Seconds that guests have for a clean shutdown when the lab goes down.
GUEST_PATIENCE = 60.0
USER = "root"


class LabError(Exception):
    """The lab cannot be started, stopped or asked; the text says why."""


def make_hypervisor(state: State, disks: Qcow2Disks, guests: bool, settings: Settings) -> Hypervisor:
    """What runs the guests of a lab in that directory."""
    if guests:
        from lab.hypervisor.qemu import QemuHypervisor

        return QemuHypervisor(state.directory, disks)
    from lab.hypervisor.simulated import SimulatedHypervisor

    return SimulatedHypervisor(settings.agent)


# ---- the server


async def run(state: State, settings: Settings, guests: bool) -> None:
    """Serve the lab of a directory until told to stop. Raises LabError when another server does."""
    lock = state.become_server()
    if lock is None:
        raise LabError(f"another server runs the lab in {state.directory}")
    disks = Qcow2Disks(state.disks)
    hypervisor = make_hypervisor(state, disks, guests, settings)
    stored = [persistence.load(path) for path in state.databases()]
    lab = await serving.open_lab(settings, disks, hypervisor, stored)
    keepers = [persistence.Keeper(world.database, state.database(number)) for number, world in enumerate(lab.worlds)]
    for keeper in keepers:
        keeper.start()
    pools = await _listen(lab, state)
    state.announce(Running(os.getpid(), pools[0], USER, pools, lab.addresses()))
    LOG.info("serving %s", " ".join(url for urls in pools for url in urls))
    await lab.until_stopped()
    if lab.stop_guests:
        await stop_guests(lab, clean=not lab.destroy)
    await lab.close(destroy_guests=lab.stop_guests)
    for keeper in keepers:
        await keeper.stop()
    lock.close()


async def _listen(lab: Lab, state: State) -> list[list[str]]:
    """Serve with and without TLS at the ports of last time if they are free; the URLs of each pool."""
    state.certificates.ensure(lab.addresses())
    lab.world.settings.certificate = state.certificates.server.read_text()
    last = state.last()
    wanted = [int(url.rpartition(":")[2]) for url in last.urls] if last else list(PORTS)
    contexts = (state.certificates.context(), None)
    urls = []
    for port, context in zip(wanted, contexts, strict=True):
        try:
            urls.append(await lab.listen(port, context))
        except OSError:
            urls.append(await lab.listen(0, context))
    return [list(pool) for pool in zip(*urls, strict=True)]


async def stop_guests(lab: Lab, clean: bool) -> None:
    """Shut all guests down, those that do not obey hard."""
    await asyncio.gather(*[_stop_guests(world, clean) for world in lab.worlds])


async def _stop_guests(world: World, clean: bool) -> None:
    running = [
        record.ref
        for record in world.database.all("VM")
        if record["power_state"] in ("Running", "Paused") and not record["is_control_domain"]
    ]
    await asyncio.gather(*[_stop_guest(world, vm, clean) for vm in running])
    world.settle()


async def _stop_guest(world: World, vm: str, clean: bool) -> None:
    uuid = world.database.get("VM", vm)["uuid"]
    if clean and not await world.hypervisor.shutdown(uuid, GUEST_PATIENCE):
        LOG.warning("guest %s did not shut down in %s s", uuid, GUEST_PATIENCE)
    try:
        await vm_power.hard_shutdown(Call(world, "VM.hard_shutdown", internal=True), vm)
    except Failure as failure:
        LOG.info("guest %s: %s", uuid, failure.description)


# ---- from outside


def start(directory: Path, options: list[str]) -> tuple[Running, bool]:
    """Have the directory's lab run in the background; what it tells, and whether it had to be started."""
    state = State(directory)
    found = state.running()
    if found:
        return found, False
    state.password()
    before = state.last()
    command = [sys.executable, "-m", "lab", "run", "--state", str(directory), *options]
    with state.log.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = state.last()
        if found and found != before and found.pid == process.pid and _answers(found):
            return found, True
        if process.poll() is not None:
            raise LabError(f"the server ended: {_last_line(state)} (its log is {state.log})")
        time.sleep(0.05)
    raise LabError(f"the server did not answer within {PATIENCE:.0f} s; its log is {state.log}")


def _last_line(state: State) -> str:
    lines = state.log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it did not say why")


def _answers(running: Running) -> bool:
    try:
        ask(running, "GET", "/lab/calls?log=0")
    except OSError:
        return False
    return True


def ask(running: Running, method: str, path: str, body: Any = None) -> Any:
    """One request on the lab's own channel, which every host answers that has power. Raises OSError."""
    parts = urllib.parse.urlsplit(running.urls[-1])
    others = [address for address in running.addresses if address != parts.hostname]
    for address in [parts.hostname, *others]:
        try:
            return _ask(f"{parts.scheme}://{address}:{parts.port}{path}", method, body)
        except urllib.error.URLError as error:
            refused = isinstance(error.reason, ConnectionRefusedError)
            if not refused or address == [parts.hostname, *others][-1]:
                raise
    raise AssertionError("not reached")


def _ask(url: str, method: str, body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def stop(directory: Path, destroy: bool) -> bool:
    """Stop the server and its guests, and with destroy remove all state; whether a server ran."""
    state = State(directory)
    found = state.running()
    if found:
        ask(found, "POST", "/lab/stop", {"destroy": destroy})
        end = time.monotonic() + PATIENCE + GUEST_PATIENCE
        while state.running():
            if time.monotonic() > end:
                raise LabError(f"the server (pid {found.pid}) does not end; its log is {state.log}")
            time.sleep(0.05)
    if destroy and directory.exists():
        if not state.is_lab:
            raise LabError(f"{directory} does not look like a lab's directory; nothing is removed")
        shutil.rmtree(directory)
    return found is not None
