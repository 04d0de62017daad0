# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Overlay disks as the controller makes them, ready to be uploaded."""

from __future__ import annotations

import pathlib
import tempfile
import typing

from ..model.identity import Identity
from .filesystem import MINIMUM_SIZE, make_filesystem, write_layers
from .identity import identity_layer, stamp
from .image import SeedImage, create_sparse
from .tree import Layer


def build_overlay(
    identity: Identity, size: int, directory: pathlib.Path, personality: Layer | None = None
) -> SeedImage:
    """Make the image of an instance's overlay disk as ``<overlay uuid>.raw`` in ``directory``.

    ``size`` is the disk's in bytes. The same input gives the same bytes. The image is for its owner only (it
    holds the private host key) and the caller's to delete; after an error nothing is left. Raises ValueError
    for a size that is too small, ToolError when e2fsprogs is missing or fails.
    """
    layers = {"identity": identity_layer(identity), "personality": personality or Layer()}
    return build_from_layers(
        stamp(identity.instance, identity.pool, identity.overlay), layers, identity.overlay, size, directory
    )


def build_from_layers(
    mark: bytes, layers: typing.Mapping[str, Layer], disk: str, size: int, directory: pathlib.Path
) -> SeedImage:
    """Make the image of an overlay disk out of its stamp, ``mark``, and its layers; ``disk`` is its VDI's uuid.

    As :func:`build_overlay` otherwise.
    """
    if size < MINIMUM_SIZE:
        raise ValueError(f"An overlay disk cannot have {size} bytes; {MINIMUM_SIZE} are the least.")
    path = directory / f"{disk}.raw"
    create_sparse(path, size)
    try:
        with tempfile.TemporaryDirectory(prefix="skinnybox-", dir=directory) as scratch_name:
            scratch = pathlib.Path(scratch_name)
            make_filesystem(path, size, disk, scratch)
            write_layers(path, mark, layers, scratch)
    except BaseException:
        path.unlink()
        raise
    return SeedImage(path, size)
