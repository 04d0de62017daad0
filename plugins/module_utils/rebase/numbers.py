# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners by name: what the numbers of another tree's users and groups are in the rebased instance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Mapping

from ..layers.entry import Entry
from ..layers.tree import Tree
from ..layers.view import View
from .acl import renumber_acls

#: Where newcomers whose number is taken get one: accounts of the system, and of people (adduser's defaults).
SYSTEM = range(100, 1000)
PEOPLE = range(1000, 60000)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The final number of every user and group whose number in a tree is another one."""

    uids: Mapping[int, int] = field(default_factory=dict)
    gids: Mapping[int, int] = field(default_factory=dict)

    @property
    def identity(self) -> bool:
        """All numbers stay."""
        return not self.uids and not self.gids

    def entry(self, entry: Entry) -> Entry:
        """The entry with final owners, those in its ACLs too."""
        uid, gid = self.uids.get(entry.uid, entry.uid), self.gids.get(entry.gid, entry.gid)
        xattrs = renumber_acls(entry.xattrs, self.uids, self.gids)
        if (uid, gid) == (entry.uid, entry.gid) and xattrs is entry.xattrs:
            return entry
        return replace(entry, uid=uid, gid=gid, xattrs=xattrs)


class Renumbered(View):
    """A tree, as it would be if its owners had their final numbers."""

    def __init__(self, tree: Tree, numbers: Numbers) -> None:
        super().__init__(tree)
        self.numbers = numbers

    def entry(self, path: str) -> Entry | None:
        """As Tree says."""
        entry = self.tree.entry(path)
        return self.numbers.entry(entry) if entry else None


class NoNumberLeft(Exception):
    """All numbers of a range are taken."""


def free_number(wanted: int, taken: set[int]) -> int:
    """The next free number after a wanted one that is taken, in the range of its kind.

    Raises NoNumberLeft.
    """
    kind = PEOPLE if wanted in PEOPLE else SYSTEM
    start = wanted if wanted in kind else kind.start
    for number in [*range(start, kind.stop), *range(kind.start, start)]:
        if number not in taken:
            return number
    raise NoNumberLeft(f"all numbers from {kind.start} to {kind.stop - 1} are taken")
