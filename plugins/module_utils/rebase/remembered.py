# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree that is asked about a path only once."""

from __future__ import annotations

import os
from typing import Iterable, Mapping

from ..layers.entry import Entry
from ..layers.tree import Tree
from ..layers.upper import Raw
from ..layers.view import View


class Remembered(View):
    """A Tree that does not change meanwhile; rules ask it about the same paths again and again."""

    def __init__(self, tree: Tree, known: Iterable[Raw] = ()) -> None:
        """``known`` are files of the tree's topmost directory, which have been read already."""
        super().__init__(tree)
        self._entries: dict[str, Entry | None] = {}
        self._locations: dict[str, str | None] = {}
        self._statuses: dict[str, os.stat_result] = {}
        for raw in known:
            self._entries[raw.path] = raw.entry
            self._locations[raw.path] = raw.location if raw.entry else None
            if raw.entry:
                self._statuses[raw.path] = raw.status

    def entry(self, path: str) -> Entry | None:
        """See Tree."""
        if path not in self._entries:
            self._entries[path] = self.tree.entry(path)
        return self._entries[path]

    def location(self, path: str) -> str | None:
        """See Tree."""
        if path not in self._locations:
            self._locations[path] = self.tree.location(path)
        return self._locations[path]

    def status(self, path: str) -> os.stat_result | None:
        """Lstat of the file where it really lies; None when it lies nowhere. Raises OSError."""
        if path not in self._statuses:
            place = self.location(path)
            if place is None:
                return None
            self._statuses[path] = os.lstat(place)
        return self._statuses[path]

    @property
    def listings(self) -> Mapping[str, Iterable[str]] | None:
        """Files of packages, where the tree tells them itself; see Packages."""
        return getattr(self.tree, "listings", None)

    @property
    def directories(self) -> tuple[str, ...] | None:
        """Raw directories, where all of the tree lies in them; see Stack."""
        return getattr(self.tree, "directories", None)
