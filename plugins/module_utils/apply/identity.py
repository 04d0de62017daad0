# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch an instance's identity from its overlay disk: its private host key exists nowhere else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..model.records import Disk
from ..seed.filesystem import seeded_area
from ..seed.readback import read_identity
from ..seed.tree import Layer
from ..xapi.client import Client
from ..xapi.errors import XapiError
from ..xapi.streams import ExportReader, export_raw

_PIECE = 1 << 20


class NoIdentity(XapiError):
    """An overlay does not hold the identity of the instance that it belongs to."""


def fetch_identity(client: Client, overlay: Disk) -> Layer:
    """Read the identity layer back from the overlay of a halted instance. Raises NoIdentity, XapiError, ToolError.

    Only the beginning of the disk is fetched when that holds it, as it does unless somebody moved the files.
    """
    # 0700 and removed also on an error: the image holds the private host key.
    with (
        tempfile.TemporaryDirectory(prefix="skinnybox-") as directory,
        export_raw(client, overlay.ref) as reader,
    ):
        image, start = Path(directory, "overlay.raw"), 0
        for number, end in enumerate((seeded_area(overlay.size), overlay.size)):
            _fetch(reader, image, start, end, overlay.size)
            start = end
            scratch = Path(directory, str(number))
            scratch.mkdir()
            if layer := read_identity(image, overlay.labels["instance"], scratch):
                return layer
    raise NoIdentity(
        f"overlay {overlay.uuid} does not hold the identity of {overlay.labels['name']}: it cannot be kept. Use state "
        "rebuilt of skinnybox.xenserver.instance to give it a new one"
    )


def _fetch(reader: ExportReader, image: Path, start: int, end: int, size: int) -> None:
    """Write a part of the export into a sparse file of the disk's size (bytes)."""
    with image.open("r+b" if image.exists() else "w+b") as file:
        file.truncate(size)
        for offset in range(start, end, _PIECE):
            piece = reader.read(offset, min(_PIECE, end - offset))
            if piece.strip(b"\0"):
                file.seek(offset)
                file.write(piece)
