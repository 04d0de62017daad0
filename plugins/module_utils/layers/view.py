# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree that is another one, but for what it changes."""

from __future__ import annotations

from typing import Iterable

from .entry import Entry
from .tree import Tree


class View:
    """A Tree that shows another one. What derives from it says in what it differs."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def entry(self, path: str) -> Entry | None:
        """See Tree."""
        return self.tree.entry(self._place(path))

    def names(self, path: str) -> Iterable[str]:
        """See Tree."""
        return self.tree.names(self._place(path))

    def sha256(self, path: str) -> str:
        """See Tree."""
        return self.tree.sha256(self._place(path))

    def read(self, path: str) -> bytes:
        """See Tree."""
        return self.tree.read(self._place(path))

    def location(self, path: str) -> str | None:
        """See Tree."""
        return self.tree.location(self._place(path))

    def _place(self, path: str) -> str:
        """The path in the tree that is shown."""
        return path
