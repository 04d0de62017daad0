# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A master's tree with the files that only instances have.

A new layer begins with a copy of what lies in a master's ``/usr/lib/skinnybox/instance``. So that is what the instance
had before it changed anything, and what the new master wants it to have.
"""

from __future__ import annotations

from typing import Iterable, Iterator

from ..layers.tree import Tree
from ..layers.view import View
from .paths import join

DIRECTORY = "/usr/lib/skinnybox/instance"


class WithInstanceFiles(View):
    """A Tree: the files that instances have begin at its root, and hide what the tree itself has there."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self._added = frozenset(self.paths())

    def names(self, path: str) -> Iterable[str]:
        """See Tree."""
        if path != "/" and path not in self._added:
            return self.tree.names(path)
        added = self.tree.names(DIRECTORY + path.rstrip("/"))
        return sorted({*added, *self.tree.names(path)})

    def paths(self, directory: str = "/") -> Iterator[str]:
        """Everything that instances get, parents first."""
        for name in self.tree.names(DIRECTORY + directory.rstrip("/")):
            path = join(directory, name)
            yield path
            yield from self.paths(path)

    def _place(self, path: str) -> str:
        return DIRECTORY + path if path in self._added else path
