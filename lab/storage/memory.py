# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks in memory: sparse blocks, layers with copy-on-write."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass, field

from lab.storage import BLOCK_SIZE, GRAIN, DiskError, Extent, Shape


@dataclass
class Layer:
    """The blocks that one disk itself has touched, by number; the rest is the parent's, or zeros."""

    size: int
    parent: str = ""
    blocks: dict[int, bytearray] = field(default_factory=dict)


class MemoryDisks:
    """The interface lab.storage.Disks without any file."""

    def __init__(self) -> None:
        self._layers: dict[str, Layer] = {}
        self._notes: dict[tuple[str, str], str] = {}

    def _layer(self, uuid: str) -> Layer:
        if uuid not in self._layers:
            raise DiskError(f"there is no disk {uuid}")
        return self._layers[uuid]

    async def create(self, uuid: str, virtual_size: int) -> None:
        self._layers[uuid] = Layer(virtual_size)

    async def destroy(self, uuid: str) -> None:
        self._layers.pop(uuid, None)

    async def snapshot(self, source: str, base: str, child: str) -> None:
        layer = self._layer(source)
        self._layers[base] = layer
        self._layers[source] = Layer(layer.size, base)
        self._layers[child] = Layer(layer.size, base)

    async def clone(self, parent: str, child: str) -> None:
        self._layers[child] = Layer(self._layer(parent).size, parent)

    async def copy(self, source: str, target: str) -> None:
        layer = self._layer(target)
        for number in {number for name in self._chain(source) for number in self._layer(name).blocks}:
            layer.blocks[number] = bytearray(self._block(source, number))

    async def resize(self, uuid: str, virtual_size: int) -> None:
        self._layer(uuid).size = virtual_size

    async def write(self, uuid: str, extents: AsyncIterable[Extent]) -> None:
        size = self._layer(uuid).size
        async for extent in extents:
            if extent.offset + len(extent.data) > size:
                raise DiskError(f"a write beyond the end of disk {uuid}")
            self._write(uuid, extent)

    def _write(self, uuid: str, extent: Extent) -> None:
        blocks, position = self._layer(uuid).blocks, 0
        while position < len(extent.data):
            number, start = divmod(extent.offset + position, BLOCK_SIZE)
            piece = extent.data[position : position + BLOCK_SIZE - start]
            position += len(piece)
            known = self._find(uuid, number)
            if known is None and not any(piece):
                continue
            if number not in blocks:
                blocks[number] = bytearray(known or BLOCK_SIZE)
            blocks[number][start : start + len(piece)] = piece

    async def read(self, uuid: str) -> AsyncIterator[bytes]:
        size = self._layer(uuid).size
        for number in range(-(-size // BLOCK_SIZE)):
            yield bytes(self._block(uuid, number)[: size - number * BLOCK_SIZE])

    async def allocated(self, uuid: str) -> int:
        return len(self._layer(uuid).blocks) * BLOCK_SIZE

    async def touched(self, uuid: str) -> set[int]:
        return set(self._layer(uuid).blocks)

    async def differences(self, uuid: str, other: str) -> AsyncIterator[Extent]:
        layers = set(self._chain(uuid)) ^ set(self._chain(other))
        for number in sorted({number for layer in layers for number in self._layer(layer).blocks}):
            here, there = bytes(self._block(uuid, number)), bytes(self._block(other, number))
            for start in range(0, BLOCK_SIZE, GRAIN):
                piece = here[start : start + GRAIN]
                if piece != there[start : start + GRAIN]:
                    yield Extent(number * BLOCK_SIZE + start, piece)

    async def coalesce(self, upper: str, lower: str) -> None:
        above, below = self._layer(upper), self._layer(lower)
        below.blocks.update(above.blocks)
        below.size = max(below.size, above.size)
        for layer in self._layers.values():
            if layer.parent == upper:
                layer.parent = lower
        del self._layers[upper]

    async def collapse(self, leaf: str) -> None:
        layer = self._layer(leaf)
        base = self._layers.pop(layer.parent)
        layer.blocks, layer.parent = {**base.blocks, **layer.blocks}, base.parent

    async def existing(self) -> set[str]:
        return set(self._layers)

    async def shapes(self) -> dict[str, Shape]:
        return {uuid: Shape(layer.size, layer.parent) for uuid, layer in self._layers.items()}

    async def keep_note(self, uuid: str, kind: str, text: str) -> None:
        self._notes[uuid, kind] = text

    async def drop_note(self, uuid: str, kind: str) -> None:
        self._notes.pop((uuid, kind), None)

    async def notes(self, kind: str) -> dict[str, str]:
        return {uuid: text for (uuid, known), text in self._notes.items() if known == kind}

    async def close(self) -> None:
        """Nothing is open."""

    def _find(self, uuid: str, number: int) -> bytearray | None:
        for name in self._chain(uuid):
            if number in self._layers[name].blocks:
                return self._layers[name].blocks[number]
        return None

    def _block(self, uuid: str, number: int) -> bytes | bytearray:
        return self._find(uuid, number) or bytes(BLOCK_SIZE)

    def _chain(self, uuid: str) -> Iterator[str]:
        """The disk and all below it."""
        while uuid:
            yield uuid
            uuid = self._layer(uuid).parent
