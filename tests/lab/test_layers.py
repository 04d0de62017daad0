# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers of disks, in memory and in files: merged, compared, noted; what a killed lab leaves behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.storage import BLOCK_SIZE, GRAIN, DiskBusy, Disks, Extent, Shape
from lab.storage.memory import MemoryDisks
from lab.storage.qcow2 import Qcow2Disks

from .test_state import Command, command

SIZE = 4 * BLOCK_SIZE
__all__ = ["command"]


@pytest.fixture(params=["memory", "files"])
def disks(request: pytest.FixtureRequest, tmp_path: Path) -> Disks:
    if request.param == "memory":
        return MemoryDisks()
    if shutil.which("qemu-img") is None:
        pytest.skip("qemu-img is not installed")
    return Qcow2Disks(tmp_path / "with space")


async def write(disks: Disks, uuid: str, block: int, data: bytes) -> None:
    async def extents() -> AsyncIterator[Extent]:
        yield Extent(block * BLOCK_SIZE, data)

    await disks.write(uuid, extents())


async def content(disks: Disks, uuid: str) -> list[bytes]:
    """The first letter of each block."""
    data = b"".join([chunk async for chunk in disks.read(uuid)])
    return [
        data[number * BLOCK_SIZE : number * BLOCK_SIZE + 1].strip(b"\0") for number in range(len(data) // BLOCK_SIZE)
    ]


async def tower(disks: Disks) -> None:
    """a above two bases, `low` and `high`; b is a child of `high`."""
    await disks.create("a", SIZE)
    await write(disks, "a", 0, b"l")
    await disks.snapshot("a", "low", "gone")
    await write(disks, "a", 1, b"h")
    await disks.snapshot("a", "high", "b")
    await write(disks, "a", 2, b"a")
    await write(disks, "b", 0, b"b")
    await disks.destroy("gone")


def test_base_is_written_into_the_one_below(disks: Disks) -> None:
    async def scenario() -> None:
        await tower(disks)
        await disks.coalesce("high", "low")
        assert await disks.existing() == {"a", "b", "low"}
        assert await content(disks, "a") == [b"l", b"h", b"a", b""]
        assert await content(disks, "b") == [b"b", b"h", b"", b""]
        assert await disks.allocated("low") == 2 * BLOCK_SIZE
        assert await disks.shapes() == {"a": Shape(SIZE, "low"), "b": Shape(SIZE, "low"), "low": Shape(SIZE)}

    asyncio.run(scenario())


def test_disk_and_its_base_become_one_layer_after_the_other(disks: Disks) -> None:
    async def scenario() -> None:
        await tower(disks)
        await disks.destroy("b")
        await disks.collapse("a")
        assert await disks.shapes() == {"a": Shape(SIZE, "low"), "low": Shape(SIZE)}
        await disks.collapse("a")
        assert await disks.shapes() == {"a": Shape(SIZE)}
        assert await content(disks, "a") == [b"l", b"h", b"a", b""]
        assert await disks.allocated("a") == 3 * BLOCK_SIZE
        await write(disks, "a", 3, b"z")
        assert await content(disks, "a") == [b"l", b"h", b"a", b"z"]

    asyncio.run(scenario())


def test_disk_that_has_grown_keeps_its_size(disks: Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await disks.snapshot("a", "base", "b")
        await disks.destroy("b")
        await disks.resize("a", SIZE + BLOCK_SIZE)
        await write(disks, "a", 4, b"a")
        await disks.collapse("a")
        assert await disks.shapes() == {"a": Shape(SIZE + BLOCK_SIZE)}
        assert await content(disks, "a") == [b"", b"", b"", b"", b"a"]

    asyncio.run(scenario())


def test_differences_are_told_in_grains(disks: Disks) -> None:
    async def scenario() -> None:
        await tower(disks)
        await write(disks, "a", 0, b"l")
        found = {extent.offset: extent.data[:1] async for extent in disks.differences("a", "b")}
        assert found == {0: b"l", 2 * BLOCK_SIZE: b"a"}
        found = {extent.offset: extent.data[:1] async for extent in disks.differences("a", "low")}
        assert found == {BLOCK_SIZE: b"h", 2 * BLOCK_SIZE: b"a"}
        assert all([len(extent.data) == GRAIN async for extent in disks.differences("b", "a")])

    asyncio.run(scenario())


def test_notes_are_found_by_their_kind(disks: Disks) -> None:
    async def scenario() -> None:
        await disks.keep_note("a", "one", "text")
        await disks.keep_note("a", "two", "other")
        await disks.keep_note("a", "one", "new text")
        assert await disks.notes("one") == {"a": "new text"}
        await disks.drop_note("a", "one")
        await disks.drop_note("a", "one")
        assert await disks.notes("one") == {}
        assert await disks.existing() == set()

    asyncio.run(scenario())


def test_disk_that_is_being_written_to_is_left_alone(tmp_path: Path) -> None:
    files = Qcow2Disks(tmp_path)

    async def scenario() -> None:
        await tower(files)
        await files.destroy("b")
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[Extent]:
            begun.set()
            await asyncio.Event().wait()
            yield Extent(0, b"")

        writing = asyncio.ensure_future(files.write("a", endless()))
        await begun.wait()
        with pytest.raises(DiskBusy):
            await files.collapse("a")
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await files.collapse("a")

    asyncio.run(scenario())


def test_disk_of_a_running_guest_is_left_alone(tmp_path: Path) -> None:
    """A guest is whoever has opened the file as QEMU does."""
    files = Qcow2Disks(tmp_path)
    asyncio.run(tower(files))
    guest = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", str(files.path("a"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert guest.stdin and guest.stdout
    guest.stdin.write(b"length\n")
    guest.stdin.flush()
    assert guest.stdout.readline()
    try:
        for step in (files.coalesce("high", "low"), files.collapse("a")):
            with pytest.raises(DiskBusy):
                asyncio.run(step)
    finally:
        guest.kill()
        guest.wait()
    asyncio.run(files.coalesce("high", "low"))


def test_layer_that_was_never_linked_goes(tmp_path: Path) -> None:
    files = Qcow2Disks(tmp_path)
    asyncio.run(tower(files))
    (tmp_path / "00000000-0000-0000-0000-00000000dead.layer").touch()
    again = Qcow2Disks(tmp_path)
    assert len(list(tmp_path.glob("*.layer"))) == 4
    assert asyncio.run(content(again, "a")) == [b"l", b"h", b"a", b""]


def test_killed_lab_leaves_no_disk_behind(command: Command) -> None:
    command("up", "--without-guests")
    client = command.client()
    disk = client.disk(name_label="kept")
    client.xapi.VDI.snapshot(disk, {})
    kept = {record["uuid"] for record in client.xapi.VDI.get_all_records().values()}
    directory = command.directory / "disks"
    client.wait(
        lambda: (command.directory / "database.json").read_text(), lambda text: all(uuid in text for uuid in kept)
    )
    os.kill(command.status()["pid"], signal.SIGKILL)
    stray = Qcow2Disks(directory)
    asyncio.run(stray.create("00000000-0000-0000-0000-00000000dead", SIZE))
    end = time.monotonic() + 60
    while command("up", "--without-guests").returncode != 0:
        assert time.monotonic() < end
    assert asyncio.run(stray.existing()) == kept
    assert set(command.client().xapi.VDI.get_by_name_label("kept")) >= {disk}
