# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of layers on the overlay disk: one comes to its place complete, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..layers.durable import sync_directory, sync_file_system


class Place:
    """Where the layer of a master id is, is built, and where an abandoned one of the same id goes.

    Whatever is at ``unfinished`` or ``abandoned`` is garbage of a run that was killed, and nobody reads it.
    """

    def __init__(self, layers: Path, master_id: str) -> None:
        self.layers = layers
        self.layer = layers / master_id
        self.unfinished = layers / f"{master_id}.new"
        self.abandoned = layers / f"{master_id}.old"

    def clean(self) -> None:
        """Remove what a killed run has left."""
        for directory in (self.unfinished, self.abandoned):
            if directory.exists():
                shutil.rmtree(directory)

    def give_up(self) -> None:
        """Remove the layer itself, in a way that nobody sees half of it."""
        self.layer.rename(self.abandoned)
        sync_directory(self.layers)
        shutil.rmtree(self.abandoned)

    def finish(self) -> None:
        """Put the built layer to its place, after all of it is on the disk."""
        sync_file_system(self.unfinished)
        if self.layer.exists():
            self.layer.rename(self.abandoned)
        self.unfinished.rename(self.layer)
        sync_directory(self.layers)
        if self.abandoned.exists():
            shutil.rmtree(self.abandoned)
