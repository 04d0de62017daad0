# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks as qcow2 files: what is read back, copy-on-write, and how space is counted."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.storage import BLOCK_SIZE, DiskError, Extent
from lab.storage.qcow2 import GRAIN, Qcow2Disks, pieces

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
SIZE = 5 * BLOCK_SIZE + 512


@pytest.fixture()
def disks(tmp_path: Path) -> Qcow2Disks:
    return Qcow2Disks(tmp_path / "with space")


async def stream(*extents: Extent) -> AsyncIterator[Extent]:
    for extent in extents:
        yield extent


async def write(disks: Qcow2Disks, uuid: str, *extents: tuple[int, bytes]) -> None:
    await disks.write(uuid, stream(*(Extent(offset, data) for offset, data in extents)))


async def content(disks: Qcow2Disks, uuid: str) -> bytes:
    return b"".join([chunk async for chunk in disks.read(uuid)])


def expected(*extents: tuple[int, bytes], size: int = SIZE) -> bytes:
    data = bytearray(size)
    for offset, piece in extents:
        data[offset : offset + len(piece)] = piece
    return bytes(data)


def test_an_empty_disk_reads_as_zeros_and_takes_no_block(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        assert await content(disks, "a") == bytes(SIZE)
        assert await disks.allocated("a") == 0

    asyncio.run(scenario())


def test_writes_of_any_length_in_any_order_read_back(disks: Qcow2Disks) -> None:
    extents = [(3 * BLOCK_SIZE - 3, b"across"), (1, b"x"), (SIZE - 7, b"the end"), (GRAIN, b"y" * (GRAIN + 5))]

    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", *extents)
        assert await content(disks, "a") == expected(*extents)
        assert await disks.allocated("a") == 4 * BLOCK_SIZE

    asyncio.run(scenario())


def test_a_byte_takes_a_block_and_zeros_take_none(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", (0, bytes(SIZE)), (2 * BLOCK_SIZE + 17, b"1"))
        assert await disks.allocated("a") == BLOCK_SIZE

    asyncio.run(scenario())


def test_zeros_overwrite_what_is_there(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", (0, b"1" * BLOCK_SIZE))
        await write(disks, "a", (100, bytes(GRAIN * 3)))
        await write(disks, "a", (BLOCK_SIZE, b"2" * GRAIN), (BLOCK_SIZE, bytes(GRAIN)))
        assert await content(disks, "a") == expected((0, b"1" * BLOCK_SIZE), (100, bytes(GRAIN * 3)))

    asyncio.run(scenario())


def test_a_snapshot_keeps_the_past_while_the_disk_goes_on(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", (0, b"old"))
        await disks.snapshot("a", "base", "snapshot")
        assert (await disks.allocated("a"), await disks.allocated("snapshot")) == (0, 0)
        await write(disks, "a", (1, bytes(1)), (BLOCK_SIZE, b"new"))
        assert await content(disks, "snapshot") == expected((0, b"old"))
        assert await content(disks, "a") == expected((0, b"o\0d"), (BLOCK_SIZE, b"new"))
        assert await disks.allocated("a") == 2 * BLOCK_SIZE
        assert await disks.allocated("base") == BLOCK_SIZE
        assert await disks.existing() == {"a", "base", "snapshot"}

    asyncio.run(scenario())


def test_clones_of_one_base_are_independent(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", (0, b"old"))
        await disks.snapshot("a", "base", "b")
        await disks.clone("base", "c")
        await write(disks, "c", (0, b"c"))
        await disks.destroy("a")
        assert await content(disks, "b") == expected((0, b"old"))
        assert await content(disks, "c") == expected((0, b"cld"))

    asyncio.run(scenario())


def test_whoever_has_the_disk_open_is_told_of_its_new_file(disks: Qcow2Disks) -> None:
    """And the old one keeps its name: QEMU opens it again by that."""
    told: list[tuple[Path, Path]] = []
    before: list[Path] = []

    async def pivot(old: Path, new: Path) -> None:
        told.append((old, new))

    async def scenario() -> None:
        disks.pivot = pivot
        await disks.create("a", SIZE)
        before.append(disks.image("a"))
        await disks.snapshot("a", "base", "b")

    asyncio.run(scenario())
    assert told == [(disks.image("base"), disks.image("a"))]
    assert [disks.image("base")] == before


@pytest.mark.parametrize("leftover", [b"", b"left over"])
def test_a_copy_has_all_data_and_is_no_child(disks: Qcow2Disks, leftover: bytes) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", (0, b"old"))
        await disks.snapshot("a", "base", "b")
        await write(disks, "a", (BLOCK_SIZE, b"new"))
        await disks.create("copy", SIZE + BLOCK_SIZE)
        await write(disks, "copy", (7, leftover))
        await disks.copy("a", "copy")
        for uuid in ("a", "b", "base"):
            await disks.destroy(uuid)
        wanted = expected((0, b"old"), (BLOCK_SIZE, b"new"), size=SIZE + BLOCK_SIZE)
        assert await content(disks, "copy") == wanted
        if not leftover:
            assert await disks.allocated("copy") == 2 * BLOCK_SIZE

    asyncio.run(scenario())


def test_a_disk_grows(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", (0, b"old"))
        await disks.resize("a", 2 * SIZE)
        assert await content(disks, "a") == expected((0, b"old"), size=2 * SIZE)

    asyncio.run(scenario())


def test_a_long_stream_is_written_in_batches(disks: Qcow2Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.storage.qcow2.BATCH_PIECES", 2)
    extents = [(number * GRAIN, bytes([number + 1]) * 100) for number in range(7)]

    async def scenario() -> None:
        await disks.create("a", SIZE)
        await write(disks, "a", *extents)
        assert await content(disks, "a") == expected(*extents)

    asyncio.run(scenario())


def test_errors_name_the_disk(disks: Qcow2Disks) -> None:
    async def scenario() -> None:
        with pytest.raises(DiskError, match="no disk nowhere"):
            await disks.allocated("nowhere")
        await disks.create("a", SIZE)
        with pytest.raises(DiskError, match=r"disk a of .* has no room"):
            await write(disks, "a", (SIZE - 1, b"12"))
        disks.path("a").write_bytes(b"rubbish")
        with pytest.raises(DiskError, match=r"a\.qcow2"):
            await content(disks, "a")
        await disks.destroy("a")
        await disks.destroy("a")

    asyncio.run(scenario())


def test_pieces_cover_the_extent_without_overlap() -> None:
    data = b"\0" * 10 + b"1" + bytes(2 * GRAIN) + b"2" + bytes(GRAIN)
    found = list(pieces(Extent(GRAIN - 5, data)))
    assert b"".join(piece.data for piece in found) == data
    offset = GRAIN - 5
    for piece in found:
        assert piece.offset == offset
        assert piece.zeros == (not any(piece.data))
        offset += len(piece.data)
    assert [piece.zeros for piece in found] == [True, False, True, False, True]
