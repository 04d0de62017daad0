# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A master's tree with the files that only instances have.

A new layer begins with a copy of what lies in a master's ``/usr/lib/skinnybox/instance``. So that is what the instance
had before it changed anything, and what the new master wants it to have.
"""

from __future__ import annotations

from typing import Iterable, Iterator

from ..layers.entry import Entry
from ..layers.tree import Tree
from .paths import join

DIRECTORY = "/usr/lib/skinnybox/instance"


class WithInstanceFiles:
    """A Tree: the files that instances have begin at its root, and hide what the tree itself has there."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._added = frozenset(self.paths())

    def entry(self, path: str) -> Entry | None:
        """See Tree."""
        return self.tree.entry(self._place(path))

    def names(self, path: str) -> Iterable[str]:
        """See Tree."""
        if path != "/" and path not in self._added:
            return self.tree.names(path)
        added = self.tree.names(DIRECTORY + path.rstrip("/"))
        return sorted({*added, *self.tree.names(path)})

    def sha256(self, path: str) -> str:
        """See Tree."""
        return self.tree.sha256(self._place(path))

    def read(self, path: str) -> bytes:
        """See Tree."""
        return self.tree.read(self._place(path))

    def location(self, path: str) -> str | None:
        """See Tree."""
        return self.tree.location(self._place(path))

    def paths(self, directory: str = "/") -> Iterator[str]:
        """Everything that instances get, parents first."""
        for name in self.tree.names(DIRECTORY + directory.rstrip("/")):
            path = join(directory, name)
            yield path
            yield from self.paths(path)

    def _place(self, path: str) -> str:
        return DIRECTORY + path if path in self._added else path
