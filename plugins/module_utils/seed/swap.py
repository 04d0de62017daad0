# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap disks."""

from __future__ import annotations

import pathlib

from .image import SeedImage, create_sparse
from .tools import run

LABEL = "skinny-swap"
# mkswap refuses less than ten pages.
MINIMUM_SIZE = 10 * 4096


def build_swap(disk: str, size: int, directory: pathlib.Path) -> SeedImage:
    """Make a swap disk of ``size`` bytes as ``<disk>.swap.raw`` in ``directory``; ``disk`` is its VDI's uuid.

    Raises ValueError for a size that no swap area can have and ToolError when mkswap fails.
    """
    if size < MINIMUM_SIZE:
        raise ValueError(f"A swap disk of {size} bytes is too small; {MINIMUM_SIZE} bytes are the least.")
    path = directory / f"{disk}.swap.raw"
    create_sparse(path, size)
    try:
        run("mkswap", "--quiet", "--pagesize", "4096", "--label", LABEL, "--uuid", disk, str(path))
    except BaseException:
        path.unlink()
        raise
    return SeedImage(path, size)
