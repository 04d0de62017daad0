# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upper directory could do without: nobody who looks through the mount would see it go.

Times of files and directories do not count, with one exception: the time of an empty file may be all that it says.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable, Iterator

from ..layers.entry import Entry, Type
from ..layers.files import same_content
from ..layers.tree import Tree
from ..layers.upper import Raw, Upper


class Kind(str, Enum):
    """Why something is needless."""

    OPAQUE = "opaque"  # a directory's attribute that hides nothing
    COPY = "copy"  # equal to what the layers below have
    WHITEOUT = "whiteout"  # hides nothing
    CACHE = "cache"  # made anew when it is missed
    DIRECTORY = "directory"  # empty, and equal to the one below


@dataclass(frozen=True, slots=True)
class Needless:
    """One thing that may go; ``bytes`` is what the disk gets back for it."""

    path: str
    kind: Kind
    bytes: int = 0


def find_needless(upper: str, lower: Tree, is_cache: Callable[[str], bool]) -> list[Needless]:
    """All that is needless in the raw upper directory, in an order in which it may go one by one.

    Between any two steps the tree that the mount shows is the same, but for caches, and for which names of a file are
    links of each other. Raises ForeignLayer, OSError.
    """
    return list(_Search(list(Upper(upper).walk()), lower, is_cache).found())


@dataclass
class _Search:
    raws: list[Raw]  # parents first
    lower: Tree
    is_cache: Callable[[str], bool]
    merged: set[str] = field(default_factory=set)  # directories through which lower ones are seen

    def __post_init__(self) -> None:
        self.by_path = {raw.path: raw for raw in self.raws}
        self.directories = [raw for raw in self.raws if raw.entry and raw.entry.type is Type.DIRECTORY]

    def found(self) -> Iterator[Needless]:
        yield from self._opaque()
        files = self._files()
        yield from files
        yield from self._empty_directories({one.path for one in files})

    def _opaque(self) -> Iterator[Needless]:
        """Find the directories that are merged, and those that would be without an attribute that does nothing."""
        for raw in self.directories:
            below = self._below(raw.path)
            is_merged = below is not None and below.type is Type.DIRECTORY
            if raw.opaque and (not is_merged or self._has_all_names(raw.path)):
                yield Needless(raw.path, Kind.OPAQUE)
            elif raw.opaque:
                continue
            if is_merged:
                self.merged.add(raw.path)

    def _has_all_names(self, path: str) -> bool:
        """Whether a directory has each name that the lower one has, all the way down where they would merge."""
        waiting = [path]
        while waiting:
            directory = waiting.pop()
            for name in self.lower.names(directory):
                raw = self.by_path.get(f"{directory}/{name}")
                if raw is None:
                    return False
                if _is_directory(raw.entry) and not raw.opaque and _is_directory(self.lower.entry(raw.path)):
                    waiting.append(raw.path)
        return True

    def _files(self) -> list[Needless]:
        kinds = {raw.path: self._kind(raw) for raw in self.raws if not _is_directory(raw.entry)}
        for path in self._broken_links([path for path, kind in kinds.items() if kind is Kind.COPY]):
            kinds[path] = None
        names_left = {raw.inode: raw.links for raw in self.raws}
        needless = []
        for path, kind in kinds.items():
            if kind:
                raw = self.by_path[path]
                names_left[raw.inode] -= 1
                needless.append(Needless(path, kind, 0 if names_left[raw.inode] else raw.allocated))
        return needless

    def _kind(self, raw: Raw) -> Kind | None:
        below = self._below(raw.path)
        if raw.entry is None:
            return Kind.WHITEOUT if below is None else None
        if raw.entry.type in (Type.FILE, Type.LINK) and self.is_cache(raw.path):
            return Kind.CACHE
        try:
            return Kind.COPY if raw.entry == below and self._same_content(raw) else None
        except FileNotFoundError:  # gone meanwhile: who only looks may look at a layer in use
            return None

    def _same_content(self, raw: Raw) -> bool:
        below = self.lower.location(raw.path)
        if below is None:
            return False
        if raw.entry and raw.entry.type is Type.FILE and not raw.entry.size:
            return os.lstat(raw.location).st_mtime_ns == os.lstat(below).st_mtime_ns
        return raw.entry is not None and (raw.entry.type is not Type.FILE or same_content(raw.location, below))

    def _broken_links(self, copies: list[str]) -> Iterator[str]:
        """Copies that must stay: they are links of each other, or of a file that stays, and would not be so below."""
        groups: dict[int, list[Raw]] = defaultdict(list)
        for path in copies:
            groups[self.by_path[path].inode].append(self.by_path[path])
        for group in groups.values():
            if len(group) < group[0].links or len({self._lower_inode(raw.path) for raw in group}) > 1:
                yield from (raw.path for raw in group)

    def _lower_inode(self, path: str) -> tuple[int, int]:
        status = os.lstat(self.lower.location(path) or "")
        return status.st_dev, status.st_ino

    def _empty_directories(self, gone: set[str]) -> Iterator[Needless]:
        left: dict[str, int] = defaultdict(int)  # number of names by directory
        for raw in self.raws[1:]:
            left[_parent(raw.path)] += raw.path not in gone
        for raw in reversed(self.directories[1:]):
            if not left[raw.path] and raw.path in self.merged and raw.entry == self._below(raw.path):
                left[_parent(raw.path)] -= 1
                yield Needless(raw.path, Kind.DIRECTORY, raw.allocated)

    def _below(self, path: str) -> Entry | None:
        """What the lower layers have at a path, when it would be seen without the upper's."""
        return self.lower.entry(path) if path == "/" or _parent(path) in self.merged else None


def _is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry.type is Type.DIRECTORY


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
