# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a layer's directory of what has been decided. Nothing else is read than the three trees."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..layers.entry import Entry, Type
from ..layers.tree import Tree
from .ahead import Ahead
from .copying import Copy, copy_files, make_node, make_whiteout, set_attributes, set_times, write_file
from .decision import Action, Decision
from .engine import Decisions
from .sides import Sides


def build(sides: Sides, decisions: Decisions, upper: str, ahead: Ahead) -> None:
    """Fill an empty directory, which exists. Raises OSError, and leaves then what it has made so far."""
    builder = _Builder(sides, upper, ahead)
    for decision in decisions:
        builder.make(decision)
    builder.finish()


class _Builder:
    def __init__(self, sides: Sides, upper: str, ahead: Ahead) -> None:
        self.sides = sides
        self.upper = upper
        self.ahead = ahead
        self.copies: list[Copy] = []
        self.links: list[tuple[str, str]] = []  # made when what they are names of has been copied
        self.directories: list[tuple[str, os.stat_result]] = []
        self.linked: dict[tuple[int, int], list[tuple[Entry, str]]] = {}  # inode of a source -> its copies

    def make(self, decision: Decision) -> None:
        target = self.upper + decision.path
        if decision.action is Action.DELETE:
            make_whiteout(target)
        elif decision.action is Action.WRITE:
            self._write(decision, target)
        elif decision.action in (Action.KEEP, Action.TAKE):
            self._copy(decision, target)

    def finish(self) -> None:
        """Directories get their times last, the innermost first: what is made in them changes them."""
        copy_files(self.copies)
        for first, target in self.links:
            os.link(first, target, follow_symlinks=False)
        root = self.sides.ours.entry("/")
        if root is not None:
            set_attributes(self.upper, root)
        for target, status in reversed(self.directories):
            set_times(target, status)
        set_times(self.upper, os.lstat(_place(self.sides.ours, "/")))

    def _write(self, decision: Decision, target: str) -> None:
        if decision.entry is None or decision.content is None:
            raise ValueError(f"{decision.path} is to be written, but not what")
        write_file(target, decision.content, decision.entry)
        places = [tree.location(decision.path) for tree in (self.sides.ours, self.sides.theirs)]
        times = [os.lstat(place) for place in places if place is not None]
        if times:  # a merge is as new as the newest of what it is made of, so that making it again makes it the same
            set_times(target, max(times, key=lambda status: status.st_mtime_ns))

    def _copy(self, decision: Decision, target: str) -> None:
        entry = decision.entry
        if entry is None:
            raise ValueError(f"{decision.path} is to be copied, but not as what")
        place, status = self.sides.source(decision)
        if entry.type is Type.DIRECTORY:
            Path(target).mkdir(0o700)
            set_attributes(target, entry)
            if status is not None:
                self.directories.append((target, status))
            return
        if place is None or status is None:
            raise FileNotFoundError(errno.ENOENT, "it is gone while it was copied", decision.path)
        if self._link(entry, status, target):
            return
        if entry.type is Type.FILE:
            if not self._take(decision, status, target):
                self.copies.append(Copy(place, status, target, entry))
            return
        if entry.type is Type.LINK:
            Path(target).symlink_to(entry.target)
        else:
            make_node(target, entry)
        set_attributes(target, entry)
        set_times(target, status)

    def _take(self, decision: Decision, status: os.stat_result, target: str) -> bool:
        """Whether a copy of the file was there already, and is to have no other attributes than the file has."""
        if decision.action is not Action.KEEP:
            return False
        is_as_it_was = decision.entry == self.sides.ours.entry(decision.source or decision.path)
        return is_as_it_was and self.ahead.take(status, target)

    def _link(self, entry: Entry, status: os.stat_result, target: str) -> bool:
        """Names of one file stay names of one file, where they are to have the same attributes."""
        if status.st_nlink < 2:
            return False
        copies = self.linked.setdefault((status.st_dev, status.st_ino), [])
        for made, first in copies:
            if made == entry:
                self.links.append((first, target))
                return True
        copies.append((entry, target))
        return False


def _place(tree: Tree, path: str) -> str:
    place = tree.location(path)
    if place is None:
        raise FileNotFoundError(errno.ENOENT, "it is gone while it was copied", path)
    return place
