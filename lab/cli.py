# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's command line."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence

from lab import serving
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.storage.memory import MemoryDisks
from lab.world import Settings

GIB = 1024**3


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m lab", description="A laboratory that looks like a XenServer pool.")
    commands = result.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="a fresh lab in the foreground")
    serve.add_argument("--port", type=int, default=0, help="0 picks one")
    serve.add_argument("--address", default="127.0.0.1")
    serve.add_argument("--without-guests", action="store_true", help="in memory, guests are simulated")
    serve.add_argument("--agent", action="store_true", help="simulated guests have an agent")
    serve.add_argument("--memory", type=int, default=16, help="the host's memory (GiB)")
    serve.add_argument("--cpus", type=int, default=8, help="the host's CPUs")
    return result


async def until_told() -> None:
    """Wait for SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()


async def serve(arguments: argparse.Namespace) -> int:
    password = os.environ.get("LAB_PASSWORD", "lab")
    settings = Settings(password, arguments.memory * GIB, arguments.cpus, arguments.agent)
    lab = await serving.open_lab(settings, MemoryDisks(), SimulatedHypervisor(arguments.agent))
    print(f"READY {await lab.listen(arguments.address, arguments.port)}", flush=True)
    await until_told()
    await lab.close(destroy_guests=True)
    return 0


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    return asyncio.run(serve(arguments))
