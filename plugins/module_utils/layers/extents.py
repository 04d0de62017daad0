# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file with holes has data."""

from __future__ import annotations

import errno
import os
from typing import Iterator

Extent = tuple[int, int]  # start and length, in bytes


def has_holes(status: os.stat_result) -> bool:
    """Whether a file takes less of the disk than its size."""
    return status.st_blocks * 512 < status.st_size


def data_extents(descriptor: int, size: int) -> Iterator[Extent]:
    """Yield where an open file of this size (bytes) has data, in order. Raises OSError."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as problem:
            if problem.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        position = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        if start < position:
            yield start, position - start
