# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab with thousands of instances, all copies of one that the collection has made: only the first costs calls.

As a program it is that lab (``python -m support.crowded``, in bench/): it serves, and reads from standard input how
many instances there are to be.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import serving
from lab.database import Record
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.storage.memory import MemoryDisks
from lab.values import NULL
from lab.world import Settings, World
from support import ROOT
from tests.support.lab import PASSWORD, Lab

GIB = 1024**3
NUMBER = "skinnybox:number"


@contextmanager
def crowded_lab() -> Iterator[CrowdedLab]:
    """One in a process of its own, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.crowded"],
        cwd=ROOT / "bench",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    url = process.stdout.readline().split()[1]
    try:
        yield CrowdedLab(url, process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


class CrowdedLab(Lab):
    """A lab with its process, whose instances can be multiplied."""

    def multiply(self, name: str, count: int) -> None:
        """Have so many instances like that one, which is number 1."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{name} {count}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "DONE\n"


class Copies:
    """Copies of one instance in the lab's database: its VM and its disks, under names and uuids of their own."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.database, self.name = world, world.database, name
        [self.vm] = self.database.where("VM", name_label=name)
        self.made = 1

    async def add(self, number: int) -> None:
        """One more instance."""
        changes = Changes(self._differing(), number, self.name)
        metrics = self._copy("VM_metrics", self.vm["metrics"], changes)
        guest_metrics = self._copy("VM_guest_metrics", self.vm["guest_metrics"], changes)
        own = {"metrics": metrics, "guest_metrics": guest_metrics, "VBDs": [], "VIFs": [], "consoles": []}
        vm = self._copy("VM", self.vm.ref, changes, **own)
        for ref in self.vm["VIFs"]:
            self._copy("VIF", ref, changes, VM=vm, metrics=NULL)
        for ref in self.vm["VBDs"]:
            vdi = self.database.get("VBD", ref)["VDI"]
            copied = await self._disk(vdi, changes) if self._is_own(vdi) else vdi
            self._copy("VBD", ref, changes, VM=vm, VDI=copied, metrics=NULL)

    def _is_own(self, vdi: str) -> bool:
        return bool(self.database.get("VDI", vdi)["other_config"].get(NUMBER))

    def _differing(self) -> list[str]:
        """What two instances never have in common: uuids and MAC addresses."""
        vifs = [self.database.get("VIF", ref) for ref in self.vm["VIFs"]]
        vdis = [self.database.get("VBD", ref)["VDI"] for ref in self.vm["VBDs"]]
        own = [self.database.get("VDI", ref)["uuid"] for ref in vdis if self._is_own(ref)]
        return [self.vm["uuid"], self.vm["other_config"]["skinnybox:instance"], *own, *(vif["MAC"] for vif in vifs)]

    async def _disk(self, vdi: str, changes: Changes) -> str:
        ref = self._copy("VDI", vdi, changes, VBDs=[])
        record = self.database.get("VDI", ref)
        await self.world.disks.create(record["uuid"], record["virtual_size"])
        return ref

    def _copy(self, cls: str, ref: str, changes: Changes, **own: Any) -> str:
        if ref == NULL:
            return NULL
        record: Record = self.database.get(cls, ref)
        fields = {name: changes.of(value) for name, value in record.fields.items()}
        # What is not told apart by a uuid that others know gets one of the database's making.
        if fields["uuid"] == record["uuid"]:
            del fields["uuid"]
        return self.database.create(cls, {**fields, **own})


class Changes:
    """How the texts of one copy differ from those of the first."""

    def __init__(self, differing: list[str], number: int, name: str) -> None:
        self._texts = {text: self._other(text, number) for text in differing}
        self._number, self._name = number, name
        self._own_name = f"{name.rpartition('-')[0]}-{number:03d}"

    @staticmethod
    def _other(text: str, number: int) -> str:
        if text.count(":") != 5:
            return str(uuid.uuid4())
        return f"{text[:9]}{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"  # a MAC address

    def of(self, value: Any) -> Any:
        """What a value of the first is in the copy."""
        if isinstance(value, str):
            for text, other in self._texts.items():
                value = value.replace(text, other)
            return value.replace(self._name, self._own_name)
        if isinstance(value, dict):
            found = {key: self.of(item) for key, item in value.items()}
            return found | {NUMBER: str(self._number)} if NUMBER in found else found
        return [self.of(item) for item in value] if isinstance(value, list) else value


async def main() -> None:
    """Serve a lab on a port of its choice, and do what standard input says."""
    settings = Settings(PASSWORD, 8192 * GIB, 64, True)
    lab = await serving.open_lab(settings, MemoryDisks(), SimulatedHypervisor(True))
    print("READY", *await lab.listen(0), flush=True)
    listening = asyncio.create_task(_obey(lab))
    await lab.until_stopped()
    listening.cancel()
    await lab.close(destroy_guests=True)


async def _obey(lab: serving.Lab) -> None:
    """Do what standard input says, and end with it: nobody is left who would need the lab."""
    copies: dict[str, Copies] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, count = line.split()
        of_name = copies.setdefault(name, Copies(lab.world, name))
        for number in range(of_name.made + 1, int(count) + 1):
            await of_name.add(number)
        of_name.made = int(count)
        print("DONE", flush=True)
    lab.stop(destroy=True)


if __name__ == "__main__":
    asyncio.run(main())
