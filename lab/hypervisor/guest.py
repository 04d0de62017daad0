# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One guest that runs in QEMU: its process, its channels, and what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

from lab.hypervisor import Callbacks, Domain, DomainDisk, DomainNic, ExitReason, GuestReport, HypervisorError, machine
from lab.hypervisor import agent as agents
from lab.hypervisor.channel import Channel, ChannelError, open_machine
from lab.hypervisor.process import Process

LOG = logging.getLogger("lab")
#: How QEMU names the end of a machine -> what it means here. Anything else is a crash.
REASONS: dict[str, ExitReason] = {
    "guest-shutdown": "halted",
    "guest-reset": "rebooted",
    "host-qmp-quit": "halted",
    "host-signal": "halted",
}
#: Seconds between looks at what the guest says: before it has an address, afterwards, and at its xenstore port.
AGENT_EAGER, AGENT_CALM, XENSTORE_INTERVAL = 1.0, 15.0, 0.5
#: Seconds: for QEMU to be ready, for a QEMU that was told to quit, and between presses of the power button.
READY, QUIT, PRESS = 60.0, 10.0, 10.0
#: In a guest's directory: what runs there, and how much of its xenstore file has been read.
DOMAIN, OFFSET, LOG_FILE = "domain.json", "xenstore.offset", "qemu.log"


class Guest:
    """A running domain. directory is its own; address and port are where its SSH is reached."""

    def __init__(self, directory: Path, domain: Domain, address: str, port: int) -> None:
        self.directory, self.domain, self.address, self.port = directory, domain, address, port
        #: set when the process has gone and everything here is over
        self.ended = asyncio.Event()
        self._asked_to_end = False
        self._reason: ExitReason = "crashed"
        self._tasks: list[asyncio.Task[None]] = []

    # How it begins.

    async def launch(self, qemu: str, accelerator: str, path_of: machine.PathOfDisk) -> None:
        """Start QEMU; returns when the guest runs. Raises HypervisorError."""
        for name in (machine.QMP, machine.AGENT, machine.CONSOLE, machine.XENSTORE, machine.PID, OFFSET):
            (self.directory / name).unlink(missing_ok=True)
        variables = self.directory / machine.VARIABLES
        if self.domain.firmware == "uefi" and not variables.exists():
            shutil.copy(machine.UEFI_VARIABLES, variables)
        self._save()
        command = machine.command_line(qemu, accelerator, self.domain, path_of)
        with (self.directory / LOG_FILE).open("wb") as log:
            starter = await asyncio.create_subprocess_exec(
                *command, cwd=self.directory, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            status = await starter.wait()
        if status != 0:
            complaint = (self.directory / LOG_FILE).read_text(errors="replace").strip()
            raise HypervisorError(f"{self} does not start: {complaint or f'QEMU ended with status {status}'}")

    async def watch(self, callbacks: Callbacks) -> None:
        """Connect to the process and follow what happens. Raises HypervisorError when there is none."""
        process = Process.find(self.directory / machine.PID, self.domain.vm_uuid)
        if process is None:
            raise HypervisorError(f"{self} does not run")
        self._process = process
        try:
            self._machine = await open_machine(str(self), self.directory / machine.QMP)
        except ChannelError as error:
            process.close()
            raise HypervisorError(str(error)) from error
        self._tasks = [
            asyncio.create_task(self._follow_agent(callbacks)),
            asyncio.create_task(self._follow_xenstore(callbacks)),
        ]
        self._end_task = asyncio.create_task(self._follow_end(callbacks))

    @classmethod
    def load(cls, directory: Path) -> Guest | None:
        """The guest that was last started in a directory; it may run no longer."""
        try:
            saved = json.loads((directory / DOMAIN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        fields = saved["domain"]
        fields["disks"] = [DomainDisk(**disk) for disk in fields["disks"]]
        fields["nics"] = [DomainNic(**nic) for nic in fields["nics"]]
        return cls(directory, Domain(**fields), saved["address"], saved["port"])

    def _save(self) -> None:
        saved = {"domain": dataclasses.asdict(self.domain), "address": self.address, "port": self.port}
        (self.directory / DOMAIN).write_text(json.dumps(saved, indent=1), encoding="utf-8")

    # What can be done with it.

    async def power_button(self, timeout: float) -> bool:
        """Press the power button until the guest goes; False when it is still there after timeout seconds."""
        self._asked_to_end = True
        deadline = asyncio.get_running_loop().time() + timeout
        while not self.ended.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                self._asked_to_end = False
                return False
            with contextlib.suppress(ChannelError):  # it may be going just now
                await self._machine.execute("system_powerdown")
            # A guest that has not yet come far enough does not see the button: press again.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.ended.wait(), min(PRESS, left))
        return True

    async def quit(self) -> None:
        """End the domain at once; returns when its process has gone."""
        self._asked_to_end = True
        with contextlib.suppress(ChannelError):
            await self._machine.execute("quit", timeout=QUIT)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.ended.wait(), QUIT)
        self._process.kill()
        await self.ended.wait()

    async def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """A QMP command. Raises HypervisorError."""
        try:
            return await self._machine.execute(command, arguments)
        except ChannelError as error:
            raise HypervisorError(str(error)) from error

    async def insert(self, position: int, path: Path | None) -> None:
        """Change the disc in a CD drive."""
        device = {"id": machine.device_name(position)}
        if path is None:
            await self.execute("eject", device | {"force": True})
            return
        medium = {"filename": str(path), "format": "qcow2", "read-only-mode": "read-only"}
        await self.execute("blockdev-change-medium", device | medium)

    async def pivot(self, old: Path, new: Path) -> None:
        """Write to the new image from now on, where the old one is open for writing."""
        for block in await self.execute("query-block"):
            image = block.get("inserted", {})
            if image.get("file") != str(old) or image.get("ro"):
                continue
            await self.execute(
                "blockdev-snapshot-sync",
                {
                    "node-name": image["node-name"],
                    "snapshot-file": str(new),
                    "snapshot-node-name": f"image-{uuid4().hex[:24]}",
                    "format": "qcow2",
                    "mode": "existing",
                },
            )

    async def release(self) -> None:
        """Follow the guest no longer; it goes on."""
        for task in (*self._tasks, self._end_task):
            task.cancel()
        await asyncio.gather(*self._tasks, self._end_task, return_exceptions=True)
        await self._machine.close()
        self._process.close()

    # What it tells.

    async def _follow_end(self, callbacks: Callbacks) -> None:
        ended = asyncio.create_task(self._process.gone.wait())
        while not ended.done():
            event = asyncio.create_task(self._machine.events.get())
            await asyncio.wait({ended, event}, return_when=asyncio.FIRST_COMPLETED)
            if event.done():
                self._take_event(event.result())
            event.cancel()
        await self._machine.ended.wait()
        while not self._machine.events.empty():
            self._take_event(self._machine.events.get_nowait())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._read_xenstore(callbacks)
        await self._machine.close()
        (self.directory / machine.PID).unlink(missing_ok=True)
        self.ended.set()
        if not self._asked_to_end:
            await callbacks.domain_exited(self.domain.vm_uuid, self._reason)

    def _take_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "SHUTDOWN":
            self._reason = REASONS.get(event["data"]["reason"], "crashed")

    async def _follow_agent(self, callbacks: Callbacks) -> None:
        """Ask the agent again and again. The first question waits until the guest has come far enough."""
        patience = 86400.0
        system: dict[str, str] = {}
        told: GuestReport | None = None
        while not self._process.gone.is_set():
            channel = Channel(f"the agent in {self}")
            try:
                await channel.connect(self.directory / machine.AGENT)
                while True:
                    own = await agents.addresses(channel, self.domain, patience)
                    patience = agents.PATIENCE
                    system = system or await agents.operating_system(channel)
                    report = agents.report(own, self.address, self.port, system)
                    if report != told:
                        await self._forward(agents.primary(own))
                        await callbacks.guest_reported(self.domain.vm_uuid, report)
                        told = report
                    await asyncio.sleep(AGENT_CALM if report.networks else AGENT_EAGER)
            except ChannelError as error:
                LOG.info("%s", error)
                await asyncio.sleep(AGENT_EAGER)
            except Exception:
                LOG.exception("what the agent in %s told could not be taken in", self)
                await asyncio.sleep(AGENT_CALM)
            finally:
                await channel.close()

    async def _forward(self, inside: tuple[int, str] | None) -> None:
        """Have QEMU pass connections to the guest's loopback address on to its address inside."""
        nics = {nic.device: nic for nic in self.domain.nics}
        if inside is None or not nics[inside[0]].to_host:
            return
        rule = f"{machine.nic_name(inside[0])} tcp:{self.address}:{self.port}"
        await self._monitor(f"hostfwd_remove {rule}")
        complaint = await self._monitor(f"hostfwd_add {rule}-{inside[1]}:22")
        if complaint.strip():
            LOG.error("%s is not reachable at %s port %s: %s", self, self.address, self.port, complaint.strip())

    async def _monitor(self, line: str) -> str:
        """A command that QMP lacks; answers what QEMU printed."""
        return str(await self._machine.execute("human-monitor-command", {"command-line": line}))

    async def _follow_xenstore(self, callbacks: Callbacks) -> None:
        while True:
            await self._read_xenstore(callbacks)
            await asyncio.sleep(XENSTORE_INTERVAL)

    async def _read_xenstore(self, callbacks: Callbacks) -> None:
        """Take in the complete lines `key=value` that the guest wrote since the last look."""
        offset_file = self.directory / OFFSET
        try:
            offset = int(offset_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            offset = 0
        try:
            with (self.directory / machine.XENSTORE).open("rb") as file:
                file.seek(offset)
                text = file.read()
        except OSError:
            return
        complete = text[: text.rfind(b"\n") + 1]
        for line in complete.decode(errors="replace").splitlines():
            key, equals, value = line.partition("=")
            if equals and key.startswith("vm-data/"):
                await callbacks.xenstore_written(self.domain.vm_uuid, key, value)
        if complete:
            offset_file.write_text(str(offset + len(complete)), encoding="ascii")

    def __str__(self) -> str:
        return f"VM {self.domain.name} ({self.domain.vm_uuid})"
