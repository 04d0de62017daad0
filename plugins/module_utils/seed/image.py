# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk image that is nearly all holes."""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import typing

# Extents are multiples of this, the block size of the ext4 and of a swap area.
ALIGNMENT = 4096
# The most that one extent holds; a stream of them then needs little memory.
_LARGEST_EXTENT = 1 << 20
_ZEROS = bytes(_LARGEST_EXTENT)


@dataclasses.dataclass(frozen=True)
class SeedImage:
    """A sparse raw image: ``size`` in bytes is the disk's."""

    path: pathlib.Path
    size: int

    def extents(self) -> typing.Iterator[tuple[int, bytes]]:
        """Yield ``(offset, data)`` of everything that is not zero, in ascending order.

        Offsets and lengths are multiples of 4096 bytes (the last one ends with the image at the latest). An
        extent has at most 1 MiB and no zero block inside. A fresh VDI plus the extents is the image.
        """
        with self.path.open("rb") as image:
            for start, end in _data_ranges(image.fileno()):
                yield from _extents_in(image, start, end)


def create_sparse(path: pathlib.Path, size: int) -> None:
    """Make an image of ``size`` bytes without data, for its owner only; raises OSError if it exists."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _data_ranges(descriptor: int) -> typing.Iterator[tuple[int, int]]:
    """Yield aligned start and end of what the file system holds data for."""
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = _align_up(os.lseek(descriptor, start, os.SEEK_HOLE))
        yield start - start % ALIGNMENT, end


def _align_up(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _extents_in(image: typing.BinaryIO, start: int, end: int) -> typing.Iterator[tuple[int, bytes]]:
    for offset in range(start, end, _LARGEST_EXTENT):
        image.seek(offset)
        yield from _non_zero_runs(offset, image.read(min(_LARGEST_EXTENT, end - offset)))


def _non_zero_runs(offset: int, data: bytes) -> typing.Iterator[tuple[int, bytes]]:
    run_start: int | None = None
    for position in range(0, len(data), ALIGNMENT):
        block = data[position : position + ALIGNMENT]
        if block == _ZEROS[: len(block)]:
            if run_start is not None:
                yield offset + run_start, data[run_start:position]
            run_start = None
        elif run_start is None:
            run_start = position
    if run_start is not None:
        yield offset + run_start, data[run_start:]
