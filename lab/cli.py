# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import background, report, serving
from lab.background import LabError
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.state import State
from lab.storage.memory import MemoryDisks
from lab.storage.qcow2 import Qcow2Disks
from lab.tls import Certificates
from lab.world import Settings

GIB = 1024**3
DEFAULT_STATE = Path(__file__).parents[1] / ".lab"


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m lab", description="A laboratory that looks like a XenServer pool.")
    commands = result.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="have the lab run in the background (safe to repeat)")
    run = commands.add_parser("run", help="serve the lab of a directory in the foreground")
    serve = commands.add_parser("serve", help="a fresh lab in the foreground, forgotten at its end")
    down = commands.add_parser("down", help="stop the lab and its guests")
    reset = commands.add_parser("reset", help="throw the lab away and start a fresh one")
    status = commands.add_parser("status", help="say whether the lab runs, where, and with which guests")
    calls = commands.add_parser("calls", help="say which calls reached the lab")
    commands.add_parser("image", help="make a disk image for guests", add_help=False)

    for command in (up, run, down, reset, status, calls):
        command.add_argument("--state", type=Path, default=default_state(), help="the lab's directory (LAB_STATE)")
    for command in (up, run, serve, reset):
        command.add_argument("--without-guests", action="store_true", help="guests are simulated")
        command.add_argument("--agent", action="store_true", help="simulated guests have an agent")
        command.add_argument("--hosts", type=_count(64), default=1, help="hosts of each host pool")
        command.add_argument("--pools", type=_count(8), default=1, help="host pools side by side")
        command.add_argument("--memory", type=int, default=16, help="the memory of each host (GiB)")
        command.add_argument("--cpus", type=int, default=8, help="the CPUs of each host")
    for command in (status, calls):
        command.add_argument("--json", action="store_true")
    down.add_argument("--destroy", action="store_true", help="also remove its disks and everything else")
    calls.add_argument("--reset", action="store_true", help="forget the calls so far")
    serve.add_argument("--vms", type=int, default=0, help="halted VMs that each host pool has from the beginning")
    serve.add_argument("--port", type=int, default=0, help="0 picks one")
    serve.add_argument("--address", default="127.0.0.1", help="of the first host; others have the next ones")
    serve.add_argument("--tls", action="store_true", help="https, with a certificate of its own making")
    serve.add_argument("--ca", type=Path, help="where to write the certificate that clients must trust")
    return result


def _count(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from 1 to {most}")
        return int(text)

    return count


def default_state() -> Path:
    return Path(os.environ.get("LAB_STATE", "") or DEFAULT_STATE).absolute()


def settings_of(arguments: argparse.Namespace, password: str) -> Settings:
    return Settings(
        password, arguments.memory * GIB, arguments.cpus, arguments.agent, hosts=arguments.hosts, pools=arguments.pools
    )


async def serve(arguments: argparse.Namespace) -> int:
    """A fresh lab: in memory without guests, else in a directory that goes with it."""
    settings = settings_of(arguments, os.environ.get("LAB_PASSWORD", "lab"))
    settings.address, settings.vms = arguments.address, arguments.vms
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:
        state = State(Path(directory))
        if arguments.without_guests:
            lab = await serving.open_lab(settings, MemoryDisks(), SimulatedHypervisor(arguments.agent))
        else:
            disks = Qcow2Disks(state.disks)
            hypervisor = background.make_hypervisor(state, disks, True, settings)
            lab = await serving.open_lab(settings, disks, hypervisor)
        context = None
        if arguments.tls:
            context = _context(state.certificates, lab.addresses(), arguments.ca)
            settings.certificate = state.certificates.server.read_text()
        print("READY", *await lab.listen(arguments.port, context), flush=True)
        await lab.until_stopped()
        await lab.close(destroy_guests=True)
    return 0


def _context(certificates: Certificates, addresses: list[str], ca: Path | None) -> ssl.SSLContext:
    certificates.ensure(addresses)
    if ca:
        ca.write_bytes(certificates.authority.read_bytes())
    return certificates.context()


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    state = State(arguments.state)
    settings = settings_of(arguments, state.password())
    asyncio.run(background.run(state, settings, not arguments.without_guests))
    return 0


def _options(arguments: argparse.Namespace) -> list[str]:
    options = []
    for name in ("hosts", "pools", "memory", "cpus"):
        options += [f"--{name}", str(getattr(arguments, name))]
    options += ["--without-guests"] if arguments.without_guests else []
    return options + (["--agent"] if arguments.agent else [])


def up(arguments: argparse.Namespace) -> int:
    _running, started = background.start(arguments.state, _options(arguments))
    print("The lab is up." if started else "The lab was up already.")
    print(report.text(report.status(State(arguments.state))))
    return 0


def down(arguments: argparse.Namespace) -> int:
    ran = background.stop(arguments.state, arguments.destroy)
    print("The lab is down." if ran else "The lab was not up.")
    if arguments.destroy:
        print(f"Its disks and all else in {arguments.state} are gone.")
    return 0


def reset(arguments: argparse.Namespace) -> int:
    background.stop(arguments.state, destroy=True)
    return up(arguments)


def status(arguments: argparse.Namespace) -> int:
    """Ends with status 3 when the lab does not run, as service managers have it."""
    found = report.status(State(arguments.state))
    print(json.dumps(found, indent=2) if arguments.json else report.text(found))
    return 0 if found["running"] else 3


def calls(arguments: argparse.Namespace) -> int:
    running = State(arguments.state).running()
    if running is None:
        raise LabError(f"no lab runs in {arguments.state}")
    found = background.ask(running, "GET", "/lab/calls")
    if arguments.reset:
        background.ask(running, "DELETE", "/lab/calls")
    print(json.dumps(found, indent=2) if arguments.json else report.calls(found))
    return 0


COMMANDS = {"up": up, "down": down, "reset": reset, "status": status, "calls": calls, "run": run}


def main(argv: Sequence[str]) -> int:
    if argv and argv[0] == "image":
        from lab import images

        return images.main(list(argv[1:]))
    arguments = parser().parse_args(argv)
    try:
        if arguments.command == "serve":
            return asyncio.run(serve(arguments))
        status = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # whoever read what was printed has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (LabError, OSError, ValueError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
