# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks as qcow2 files, by QEMU's own tools: clusters of 2 MiB, so that space is taken as a VHD takes it."""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from uuid import uuid4

from lab.storage import BLOCK_SIZE, GRAIN, DiskBusy, DiskError, Extent, Shape

#: How much of a stream is gathered before it is written to the disk, in bytes and in pieces.
BATCH_BYTES = 64 * 1024 * 1024
BATCH_PIECES = 200
ZEROS = bytes(GRAIN)
READ_SIZE = 1024 * 1024
#: Magic number, version, offset and length of the base's name, two fields of no interest, virtual size.
HEADER = struct.Struct(">IIQIIQ")
MAGIC = 0x514649FB

#: Told (image that was written to, image to write to from now on) in a snapshot, for whoever holds the disk open.
Pivot = Callable[[Path, Path], Awaitable[None]]


@dataclass(frozen=True)
class Piece:
    """A part of an extent that is either all data or all zeros."""

    offset: int
    data: bytes
    zeros: bool


class Qcow2Disks:
    """The interface lab.storage.Disks on qcow2 files in a directory, one for each layer.

    A layer's file keeps its name for ever: QEMU opens the files of a running guest again by name. What changes
    hands in a snapshot are links, one for each disk.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        for left_over in (*self.directory.glob("write-*"), *self.directory.glob("read-*")):
            shutil.rmtree(left_over)
        self._remove_unlinked()
        self.pivot: Pivot | None = None
        #: disk -> held while its own layer is written to or exchanged
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def _remove_unlinked(self) -> None:
        """Layers that a server was about to link when it was killed are nobody's."""
        linked = {link.resolve() for link in self.directory.glob("*.qcow2")}
        for layer in self.directory.glob("*.layer"):
            if layer.resolve() not in linked:
                layer.unlink()

    def path(self, uuid: str) -> Path:
        """The link to the file that holds a disk's own layer now."""
        return self.directory / f"{uuid}.qcow2"

    def image(self, uuid: str) -> Path:
        """The file that holds a disk's own layer now, under the name that it keeps."""
        return self._existing(uuid).resolve()

    async def create(self, uuid: str, virtual_size: int) -> None:
        self._link(uuid, await self._create(virtual_size))

    async def destroy(self, uuid: str) -> None:
        if self.path(uuid).exists():
            self.image(uuid).unlink()
        self.path(uuid).unlink(missing_ok=True)

    async def snapshot(self, source: str, base: str, child: str) -> None:
        """The two children are made first, so that the disk is whole before and after the links change."""
        async with self._locks[source]:
            size = self._shape(source).size
            old = self.image(source)
            successor = await self._create(size, base)
            self._link(child, await self._create(size, base))
            self._link(base, old)
            self._link(source, successor)
            if self.pivot:
                await self.pivot(old, successor)

    async def clone(self, parent: str, child: str) -> None:
        self._link(child, await self._create(self._shape(parent).size, parent))

    async def copy(self, source: str, target: str) -> None:
        async with self._locks[target]:
            blank = ["--target-is-zero"] if await self._is_blank(target) else []
            await run(
                "qemu-img", "convert", "-U", "-n", *blank, "-t", "unsafe", "-O", "qcow2",
                str(self._existing(source)), str(self._existing(target)),
            )  # fmt: skip

    async def resize(self, uuid: str, virtual_size: int) -> None:
        await run("qemu-img", "resize", "-q", "-f", "qcow2", str(self._existing(uuid)), str(virtual_size))

    async def write(self, uuid: str, extents: AsyncIterable[Extent]) -> None:
        async with self._locks[uuid]:
            await self._write(uuid, extents)

    async def _write(self, uuid: str, extents: AsyncIterable[Extent]) -> None:
        path, shape = self._existing(uuid), self._shape(uuid)
        size = shape.size
        # Zeros in these blocks must be written; None: in all, since a base may have something else there.
        touched = None if shape.parent else await self.touched(uuid)
        batch: list[Piece] = []
        async for extent in extents:
            if extent.offset < 0 or extent.offset + len(extent.data) > size:
                raise DiskError(f"disk {uuid} of {size} bytes has no room for {len(extent.data)} at {extent.offset}")
            for piece in pieces(extent):
                blocks = range(piece.offset // BLOCK_SIZE, (piece.offset + len(piece.data) - 1) // BLOCK_SIZE + 1)
                if piece.zeros and touched is not None and touched.isdisjoint(blocks):
                    continue
                if touched is not None:
                    touched.update(blocks)
                batch.append(piece)
            if len(batch) >= BATCH_PIECES or sum(len(piece.data) for piece in batch) >= BATCH_BYTES:
                await self._write_batch(path, batch)
                batch = []
        if batch:
            await self._write_batch(path, batch)

    async def _write_batch(self, path: Path, batch: list[Piece]) -> None:
        with TemporaryDirectory(prefix="write-", dir=self.directory) as scratch:
            commands: list[str] = []
            for number, piece in enumerate(batch):
                if piece.zeros:
                    commands += ["-c", f"write -q -z {piece.offset} {len(piece.data)}"]
                    continue
                # qemu-io knows no quotes in its commands, so the name must be one without spaces.
                (Path(scratch) / str(number)).write_bytes(piece.data)
                commands += ["-c", f"write -q -s {number} {piece.offset} {len(piece.data)}"]
            await run("qemu-io", "-f", "qcow2", "-t", "unsafe", *commands, str(path), directory=scratch)

    async def read(self, uuid: str) -> AsyncIterator[bytes]:
        """By way of a sparse copy: a guest may go on writing meanwhile."""
        size = self._shape(uuid).size
        async with self._raw(uuid) as file:
            while chunk := await asyncio.to_thread(file.read, min(READ_SIZE, size)):
                size -= len(chunk)
                yield chunk

    @asynccontextmanager
    async def _raw(self, uuid: str) -> AsyncIterator[IO[bytes]]:
        """The disk's whole content in a sparse file of its own."""
        with TemporaryDirectory(prefix="read-", dir=self.directory) as scratch:
            copy = Path(scratch) / "raw"
            await run("qemu-img", "convert", "-U", "-t", "unsafe", "-O", "raw", str(self._existing(uuid)), str(copy))
            file = copy.open("rb")
        with file:
            yield file

    async def allocated(self, uuid: str) -> int:
        return len(await self.touched(uuid)) * BLOCK_SIZE

    def _chain(self, uuid: str) -> Iterator[str]:
        """The disk and all below it."""
        while uuid:
            yield uuid
            uuid = self._shape(uuid).parent

    async def differences(self, uuid: str, other: str) -> AsyncIterator[Extent]:
        numbers: set[int] = set()
        for layer in set(self._chain(uuid)) ^ set(self._chain(other)):
            numbers |= await self.touched(layer)
        async with self._raw(uuid) as here, self._raw(other) as there:
            for number in sorted(numbers):
                for offset in range(number * BLOCK_SIZE, (number + 1) * BLOCK_SIZE, GRAIN):
                    here.seek(offset)
                    there.seek(offset)
                    piece = here.read(GRAIN)
                    if piece and piece != there.read(GRAIN).ljust(len(piece), b"\0"):
                        yield Extent(offset, piece)

    async def coalesce(self, upper: str, lower: str) -> None:
        """The order of the steps leaves every disk whole, wherever they break off."""
        above = [uuid for uuid, shape in (await self.shapes()).items() if shape.parent == upper]
        for uuid in (*above, upper, lower):
            await self._require_unused(uuid)
        await self._commit(upper)
        for uuid in above:
            name = self.path(lower).name
            await run("qemu-img", "rebase", "-q", "-u", "-F", "qcow2", "-b", name, str(self._existing(uuid)))
        await self.destroy(upper)

    async def collapse(self, leaf: str) -> None:
        if self._locks[leaf].locked():
            raise DiskBusy(f"disk {leaf} is being written to")
        async with self._locks[leaf]:
            base = self._shape(leaf).parent
            for uuid in (leaf, base):
                await self._require_unused(uuid)
            await self._commit(leaf)
            merged, emptied = self.image(base), self.image(leaf)
            self._link(leaf, merged)
            self.path(base).unlink()
            emptied.unlink()

    async def _require_unused(self, uuid: str) -> None:
        """Raises DiskBusy when a guest has the file open: without -U, QEMU's tools respect its locks."""
        try:
            await run("qemu-io", "-f", "qcow2", "-c", "quit", str(self._existing(uuid)))
        except DiskError as error:
            raise DiskBusy(str(error)) from error

    async def _commit(self, uuid: str) -> None:
        """Write a layer into the one below it, which becomes as large."""
        await run("qemu-img", "commit", "-q", "-d", "-t", "unsafe", "-f", "qcow2", str(self._existing(uuid)))

    async def existing(self) -> set[str]:
        return {path.stem for path in self.directory.glob("*.qcow2")}

    async def shapes(self) -> dict[str, Shape]:
        return {uuid: self._shape(uuid) for uuid in await self.existing()}

    def _note(self, uuid: str, kind: str) -> Path:
        return self.directory / f"{uuid}.{kind}.note"

    async def keep_note(self, uuid: str, kind: str, text: str) -> None:
        temporary = self._note(uuid, kind).with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._note(uuid, kind))

    async def drop_note(self, uuid: str, kind: str) -> None:
        self._note(uuid, kind).unlink(missing_ok=True)

    async def notes(self, kind: str) -> dict[str, str]:
        found = self.directory.glob(f"*.{kind}.note")
        return {path.name.partition(".")[0]: path.read_text(encoding="utf-8") for path in found}

    async def close(self) -> None:
        """Nothing stays open between calls."""

    def _existing(self, uuid: str) -> Path:
        path = self.path(uuid)
        if not path.exists():
            raise DiskError(f"there is no disk {uuid}")
        return path

    def _link(self, uuid: str, image: Path) -> None:
        """Let a disk's layer be that file, whatever it was before."""
        link = self.directory / f"{uuid}.link"
        link.unlink(missing_ok=True)
        link.symlink_to(image.name)
        link.replace(self.path(uuid))

    async def _create(self, size: int, base: str = "") -> Path:
        """A new layer's file, without a link."""
        path = self.directory / f"{uuid4()}.layer"
        options = f"cluster_size={BLOCK_SIZE},compat=1.1"
        # The name of the base is relative: the directory can be moved. -u, since the base may not be there yet.
        backing = ["-u", "-F", "qcow2", "-b", self.path(base).name] if base else []
        await run("qemu-img", "create", "-q", "-f", "qcow2", *backing, "-o", options, str(path), str(size))
        return path

    def _shape(self, uuid: str) -> Shape:
        """Read out of the file's header."""
        with self._existing(uuid).open("rb") as file:
            header = file.read(HEADER.size).ljust(HEADER.size, b"\0")
            magic, _version, offset, length, _bits, size = HEADER.unpack(header)
            if magic != MAGIC:
                raise DiskError(f"the file {self.path(uuid).name} is no qcow2 file")
            file.seek(offset)
            parent = file.read(length).decode() if offset else ""
        return Shape(size, parent.removesuffix(".qcow2"))

    async def _is_blank(self, uuid: str) -> bool:
        return not self._shape(uuid).parent and not await self.touched(uuid)

    async def touched(self, uuid: str) -> set[int]:
        """Numbers of the blocks that the disk's own layer holds something of."""
        path = str(self._existing(uuid))
        extents = json.loads(await run("qemu-img", "map", "-U", "--output=json", "-f", "qcow2", path))
        touched: set[int] = set()
        for extent in extents:
            if extent["depth"] == 0 and extent.get("present", extent["data"]):
                end = extent["start"] + extent["length"]
                touched.update(range(extent["start"] // BLOCK_SIZE, -(-end // BLOCK_SIZE)))
        return touched


def pieces(extent: Extent) -> Iterator[Piece]:
    """Cut an extent into runs of data and of zeros; the cuts lie on multiples of GRAIN."""
    begin = 0
    zeros: bool | None = None
    position = 0
    while position < len(extent.data):
        end = min(len(extent.data), position + GRAIN - (extent.offset + position) % GRAIN)
        blank = extent.data.startswith(ZEROS[: end - position], position)
        if zeros is not None and blank != zeros:
            yield Piece(extent.offset + begin, extent.data[begin:position], zeros)
            begin = position
        zeros, position = blank, end
    if zeros is not None:
        yield Piece(extent.offset + begin, extent.data[begin:], zeros)


async def run(tool: str, *arguments: str, directory: str | None = None) -> str:
    """What one of QEMU's tools printed, run in a directory. Raises DiskError with its complaint when it fails."""
    path = shutil.which(tool)
    if path is None:
        raise DiskError(f"{tool} is missing: install the package qemu-utils")
    process = await asyncio.create_subprocess_exec(
        path, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, cwd=directory,
    )  # fmt: skip
    output, errors = await process.communicate()
    if process.returncode:
        raise DiskError(f"{tool} {arguments[0]} failed: {(errors or output).decode(errors='replace').strip()}")
    return output.decode()
