# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One guest that runs in QEMU: its process, its channels, and what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.hypervisor import Callbacks, Domain, DomainDisk, DomainNic, ExitReason, HypervisorError, machine, reports
from lab.hypervisor.channel import ChannelError, open_machine
from lab.hypervisor.devices import assign_slots
from lab.hypervisor.process import Process

#: How QEMU names the end of a machine -> what it means here. Anything else is a crash.
REASONS: dict[str, ExitReason] = {
    "guest-shutdown": "halted",
    "guest-reset": "rebooted",
    "host-qmp-quit": "halted",
    "host-signal": "halted",
}
#: Seconds: for QEMU to be ready, for a QEMU that was told to quit, and between presses of the power button.
READY, QUIT, PRESS = 60.0, 10.0, 10.0
#: In a guest's directory: what runs there, and what QEMU complained of.
DOMAIN, LOG_FILE = "domain.json", "qemu.log"


class Guest:
    """A running domain. directory is its own; address and port are where its SSH is reached.

    slots are the PCI slots of its disks, by position; without them, those of a domain that starts afresh.
    """

    def __init__(
        self, directory: Path, domain: Domain, address: str, port: int, slots: dict[int, int] | None = None
    ) -> None:
        self.directory, self.domain, self.address, self.port = directory, domain, address, port
        self.slots = assign_slots(domain) if slots is None else slots
        #: set when QEMU tells that a device of that name is gone
        self.deletions: dict[str, asyncio.Event] = {}
        #: set when the process has gone and everything here is over
        self.ended = asyncio.Event()
        #: while this is set, the end of the process is no news
        self.end_expected = False
        self._reason: ExitReason = "crashed"
        self._tasks: list[asyncio.Task[None]] = []

    # How it begins.

    async def launch(
        self, qemu: str, accelerator: str, path_of: machine.PathOfDisk, lab: str, extra: Sequence[str] = ()
    ) -> None:
        """Start QEMU with extra options; returns when the guest runs. Raises HypervisorError."""
        for name in (machine.QMP, machine.AGENT, machine.CONSOLE, machine.XENSTORE, machine.PID, reports.OFFSET):
            (self.directory / name).unlink(missing_ok=True)
        variables = self.directory / machine.VARIABLES
        if self.domain.firmware == "uefi" and not variables.exists():
            shutil.copy(machine.UEFI_VARIABLES, variables)
        self._save()
        command = machine.command_line(qemu, accelerator, self.domain, self.slots, path_of, lab) + list(extra)
        with (self.directory / LOG_FILE).open("wb") as log:
            starter = await asyncio.create_subprocess_exec(
                *command, cwd=self.directory, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            status = await starter.wait()
        if status != 0:
            raise HypervisorError(f"{self} does not start: {self.complaint() or f'QEMU ended with status {status}'}")

    def complaint(self) -> str:
        """What QEMU printed."""
        return (self.directory / LOG_FILE).read_text(errors="replace").strip()

    async def watch(self, callbacks: Callbacks) -> None:
        """Connect to the process and await its end. Raises HypervisorError when there is none."""
        process = Process.find(self.directory / machine.PID, self.domain.vm_uuid)
        if process is None:
            raise HypervisorError(f"{self} does not run")
        self._process = process
        try:
            self._machine = await open_machine(str(self), self.directory / machine.QMP)
        except ChannelError as error:
            process.close()
            raise HypervisorError(str(error)) from error
        self._end_task = asyncio.create_task(self._follow_end(callbacks))

    def listen(self, callbacks: Callbacks) -> None:
        """Take in what the guest tells. A guest whose state is only just being read would miss the question."""
        self._tasks = [
            asyncio.create_task(reports.follow_agent(self, callbacks)),
            asyncio.create_task(reports.follow_xenstore(self, callbacks)),
        ]

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
        slots = {int(position): slot for position, slot in saved.get("slots", {}).items()}
        return cls(directory, Domain(**fields), saved["address"], saved["port"], slots or None)

    def note(self, domain: Domain) -> None:
        """Remember what the domain is now."""
        self.domain = domain
        self._save()

    def _save(self) -> None:
        saved = {
            "domain": dataclasses.asdict(self.domain),
            "address": self.address,
            "port": self.port,
            "slots": self.slots,
        }
        (self.directory / DOMAIN).write_text(json.dumps(saved, indent=1), encoding="utf-8")

    # What can be done with it.

    async def power_button(self, timeout: float) -> bool:
        """Press the power button until the guest goes; False when it is still there after timeout seconds."""
        self.end_expected = True
        deadline = asyncio.get_running_loop().time() + timeout
        while not self.ended.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                self.end_expected = False
                return False
            with contextlib.suppress(ChannelError):  # it may be going just now
                await self._machine.execute("system_powerdown")
            # A guest that has not yet come far enough does not see the button: press again.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.ended.wait(), min(PRESS, left))
        return True

    async def quit(self) -> None:
        """End the domain at once; returns when its process has gone."""
        self.end_expected = True
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

    async def release(self) -> None:
        """Follow the guest no longer; it goes on."""
        for task in (*self._tasks, self._end_task):
            task.cancel()
        await asyncio.gather(*self._tasks, self._end_task, return_exceptions=True)
        await self._machine.close()
        self._process.close()

    # What it tells.

    async def _follow_end(self, callbacks: Callbacks) -> None:
        events = asyncio.create_task(self._follow_events())
        try:
            await self._process.gone.wait()
            await self._machine.ended.wait()
        finally:
            events.cancel()
            await asyncio.gather(events, return_exceptions=True)
        while not self._machine.events.empty():
            self._take_event(self._machine.events.get_nowait())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await reports.read_xenstore(self, callbacks)
        await self._machine.close()
        (self.directory / machine.PID).unlink(missing_ok=True)
        self.ended.set()
        if not self.end_expected:
            await callbacks.domain_exited(self.domain.vm_uuid, self._reason)

    async def _follow_events(self) -> None:
        while True:
            self._take_event(await self._machine.events.get())

    def _take_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "SHUTDOWN":
            self._reason = REASONS.get(event["data"]["reason"], "crashed")
        elif event["event"] == "DEVICE_DELETED":
            self.deletions.setdefault(event["data"].get("device", ""), asyncio.Event()).set()

    def __str__(self) -> str:
        return f"VM {self.domain.name} ({self.domain.vm_uuid})"
