# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's memory and devices on a disk of their own: what QEMU writes to migrate, behind a header."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.hypervisor import Domain, HypervisorError
from lab.hypervisor.guest import Guest
from lab.storage import Disks, Extent

#: Bytes before the state proper; they hold JSON.
HEADER = 4096
#: Bytes that are copied at a time, and seconds between looks at how far QEMU is.
CHUNK, INTERVAL = 4 << 20, 0.1
#: In a guest's directory: the state on its way to or from the disk.
STATE = "state"


@dataclass(frozen=True)
class Header:
    """What must be the same when a guest goes on. length is bytes of state; slots are PCI slots by position."""

    length: int
    memory: int
    vcpus: int
    firmware: Any
    slots: dict[int, int]

    def encode(self) -> bytes:
        """The header as it is on the disk."""
        return json.dumps(dataclasses.asdict(self)).encode().ljust(HEADER, b"\0")

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Raises HypervisorError for what is no header."""
        try:
            fields = json.loads(data.rstrip(b"\0"))
            return cls(**fields | {"slots": {int(key): value for key, value in fields["slots"].items()}})
        except (ValueError, TypeError, KeyError) as error:
            raise HypervisorError("the image holds no state of a suspended guest") from error

    def apply(self, domain: Domain) -> Domain:
        """The domain as it was when it was suspended."""
        return dataclasses.replace(domain, memory=self.memory, vcpus=self.vcpus, firmware=self.firmware)


async def save(guest: Guest, disks: Disks, image: str) -> None:
    """Write the state of a guest to a disk; the guest is stopped then. Raises HypervisorError or DiskError."""
    state = guest.directory / STATE
    await guest.execute("migrate", {"uri": f"exec:cat > {shlex.quote(str(state))}"})
    await _until_migrated(guest)
    domain = guest.domain
    header = Header(state.stat().st_size, domain.memory, domain.vcpus, domain.firmware, guest.slots)
    try:
        await disks.write(image, _extents(header, state))
    finally:
        state.unlink()


async def _extents(header: Header, state: Path) -> AsyncIterator[Extent]:
    yield Extent(0, header.encode())
    offset = HEADER
    with state.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield Extent(offset, chunk)
            offset += len(chunk)


async def fetch(disks: Disks, image: str, state: Path) -> Header:
    """Copy the state from a disk to a file. Raises HypervisorError or DiskError."""
    stream = disks.read(image)
    try:
        begin = b""
        while len(begin) < HEADER:
            begin += await _next(stream)
        header = Header.decode(begin[:HEADER])
        with state.open("wb") as file:
            data, missing = begin[HEADER:], header.length
            while missing > 0:
                missing -= await asyncio.to_thread(file.write, data[:missing])
                data = await _next(stream) if missing else b""
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
    return header


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    try:
        return await stream.__anext__()
    except StopAsyncIteration as error:
        raise HypervisorError("the image holds only a part of a suspended guest's state") from error


async def restore(guest: Guest, state: Path) -> None:
    """Let a guest that QEMU prepared take in its state. Raises HypervisorError."""
    try:
        await guest.execute("migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(state))}"})
        await _until_migrated(guest)
    except HypervisorError as error:
        # QEMU says why only to a terminal, and ends.
        raise HypervisorError(f"{guest} does not go on: its devices are not those of its state ({error})") from error


async def _until_migrated(guest: Guest) -> None:
    while True:
        progress = await guest.execute("query-migrate")
        status = progress.get("status", "none")
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise HypervisorError(f"{guest}: its state could not be moved: {progress.get('error-desc', status)}")
        await asyncio.sleep(INTERVAL)
