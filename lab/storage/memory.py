# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks in memory: sparse blocks, layers with copy-on-write."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field

from lab.storage import BLOCK_SIZE, DiskError, Extent


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
        for number in self._touched(source):
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

    async def existing(self) -> set[str]:
        return set(self._layers)

    async def close(self) -> None:
        """Nothing is open."""

    def _find(self, uuid: str, number: int) -> bytearray | None:
        name = uuid
        while name:
            layer = self._layer(name)
            if number in layer.blocks:
                return layer.blocks[number]
            name = layer.parent
        return None

    def _block(self, uuid: str, number: int) -> bytes | bytearray:
        return self._find(uuid, number) or bytes(BLOCK_SIZE)

    def _touched(self, uuid: str) -> set[int]:
        numbers: set[int] = set()
        name = uuid
        while name:
            layer = self._layer(name)
            numbers |= set(layer.blocks)
            name = layer.parent
        return numbers
