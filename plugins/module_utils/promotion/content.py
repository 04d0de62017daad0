# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance has that its master has not, as a plain tree has it: without whiteouts and opaque directories."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Iterator, Sequence

from ..layers.directory import DirectoryTree
from ..layers.entry import Entry, Type
from ..layers.files import OVERLAY, same_content
from ..layers.tree import Tree
from ..layers.upper import Raw, Upper
from ..rebase.instance_files import WithInstanceFiles
from ..rebase.paths import ancestors, join, parent
from .accounts import ACCOUNTS
from .fstab import FSTAB, restored
from .scrub import LOOKED_AT, Scrub


@dataclass(frozen=True, slots=True)
class Change:
    """A path that the golden VM gets, or gets in another way."""

    raw: Raw
    entry: Entry
    was: Entry | None  # what the master has there
    content: bytes | None = None  # of a file that is not promoted as it is


@dataclass(frozen=True)
class Content:
    """All that is promoted of an instance."""

    changes: list[Change] = field(default_factory=list)  # parents first
    deletions: dict[str, Entry] = field(default_factory=dict)  # what the master has there by path, deepest first
    scrubbed: dict[str, str] = field(default_factory=dict)  # reason by path

    @property
    def bytes(self) -> int:
        """Sum of the sizes of all files; what is a hole counts too."""
        return sum(change.entry.size for change in self.changes)


def find_content(upper: str, others: Sequence[str], master: str, keep: Sequence[str], more: Sequence[str]) -> Content:
    """Compare the raw upper directory of an instance with its master.

    ``others`` are the directories between them (identity, personality): what they have is never promoted. ``keep``
    and ``more`` are globs, see Scrub. Files of accounts are left out, see accounts.py. Raises ForeignLayer, OSError.
    """
    scrub = Scrub(tuple(keep), tuple(more), frozenset(_given(others, master)))
    return _Finder([_plain(raw) for raw in Upper(upper).walk()], DirectoryTree(master), scrub).found()


def _plain(raw: Raw) -> Raw:
    """Without the attributes that only overlayfs understands."""
    if raw.entry is None or not raw.entry.xattrs:
        return raw
    xattrs = {name: value for name, value in dict(raw.entry.xattrs).items() if not name.startswith(OVERLAY)}
    return replace(raw, entry=replace(raw.entry, xattrs=xattrs))


def _given(others: Sequence[str], master: str) -> Iterator[str]:
    """Paths of files that an instance has not made itself, although they are no master's either."""
    for directory in others:
        yield from (raw.path for raw in Upper(directory).walk() if not _is_directory(raw.entry))
    yield from WithInstanceFiles(DirectoryTree(master)).paths()


@dataclass
class _Finder:
    raws: list[Raw]  # parents first
    master: Tree
    scrub: Scrub
    scrubbed: dict[str, str] = field(default_factory=dict)

    def found(self) -> Content:
        deletions: dict[str, Entry] = {}
        for path in self._gone():
            entry = self.master.entry(path)
            if entry and self._is_promoted(path, entry):
                deletions[path] = entry
        found = [self._change_if_there(raw) for raw in self.raws if raw.entry]
        changes = [change for change in found if change]
        changes += self._names_of(changes)
        changes += self._directories_of(changes)
        changes.sort(key=lambda change: change.raw.path.split("/"))
        deepest_first = {path: deletions[path] for path in sorted(deletions, reverse=True)}
        return Content(changes, deepest_first, dict(sorted(self.scrubbed.items())))

    def _change_if_there(self, raw: Raw) -> Change | None:
        try:
            return self._change(raw)
        except FileNotFoundError:  # a file of a running system
            return None

    def _change(self, raw: Raw) -> Change | None:
        if raw.entry is None:
            return None
        below = self.master.entry(raw.path)
        if raw.path in ACCOUNTS or (_is_directory(raw.entry) and raw.entry == below):
            return None
        if raw.path == FSTAB and raw.entry.type is Type.FILE and below and below.type is Type.FILE:
            return self._fstab(raw, raw.entry, below)
        if raw.entry == below and self._same_content(raw):
            return None
        return Change(raw, raw.entry, below) if self._is_promoted(raw.path, raw.entry, raw) else None

    def _fstab(self, raw: Raw, own: Entry, below: Entry) -> Change | None:
        texts = [Path(raw.location).read_bytes(), self.master.read(FSTAB)]
        own_text, master_text = (text.decode(errors="surrogateescape") for text in texts)
        content = restored(own_text, master_text).encode(errors="surrogateescape")
        entry = replace(own, size=len(content))
        unchanged = entry == below and content == texts[1]
        return None if unchanged or not self._is_promoted(FSTAB, own, raw) else Change(raw, entry, below, content)

    def _same_content(self, raw: Raw) -> bool:
        below = self.master.location(raw.path)
        is_file = raw.entry is not None and raw.entry.type is Type.FILE
        return below is not None and (not is_file or same_content(raw.location, below))

    def _is_promoted(self, path: str, entry: Entry, raw: Raw | None = None) -> bool:
        reason = self.scrub.reason(path, entry)
        if not reason and raw and entry.type is Type.FILE and entry.size <= LOOKED_AT:
            reason = self.scrub.reason_of_content(path, Path(raw.location).read_bytes())
        if reason:
            self.scrubbed[path] = reason
        return not reason

    def _names_of(self, changes: list[Change]) -> Iterator[Change]:
        """Names that are as in the master, but of a file that another of its names shows to be promoted."""
        promoted = {change.raw.inode: change for change in changes if change.raw.links > 1}
        paths = {change.raw.path for change in changes}
        for raw in self.raws:
            if raw.entry and raw.links > 1 and raw.inode in promoted and raw.path not in {*paths, *self.scrubbed}:
                yield Change(raw, raw.entry, self.master.entry(raw.path))

    def _directories_of(self, changes: list[Change]) -> Iterator[Change]:
        """Directories that the rules scrub, of something that is promoted all the same, as somebody keeps it."""
        needed = {directory for change in changes for directory in ancestors(change.raw.path)} & self.scrubbed.keys()
        for raw in self.raws:
            if raw.entry and raw.path in needed:
                below = self.master.entry(raw.path)
                if not _is_directory(below):
                    del self.scrubbed[raw.path]
                    yield Change(raw, raw.entry, below)

    def _gone(self) -> Iterator[str]:
        """Paths of the master that the instance does not show: whiteouts, and all that opaque directories hide."""
        names: dict[str, set[str]] = defaultdict(set)
        for raw in self.raws[1:]:
            names[parent(raw.path)].add(raw.path)
        hidden: set[str] = set()  # directories that show nothing of the master
        for raw in self.raws:
            below = self.master.entry(raw.path)
            if raw.entry is None:
                yield from self._tree(raw.path)
            elif _is_directory(raw.entry):
                if raw.opaque or parent(raw.path) in hidden:
                    hidden.add(raw.path)
                    missing = {join(raw.path, name) for name in self.master.names(raw.path)} - names[raw.path]
                    for path in missing:
                        yield from self._tree(path)
            elif _is_directory(below):
                for name in self.master.names(raw.path):
                    yield from self._tree(join(raw.path, name))

    def _tree(self, path: str) -> Iterator[str]:
        """A path of the master and everything below it."""
        waiting = [path]
        while waiting:
            path = waiting.pop()
            yield path
            waiting += [join(path, name) for name in self.master.names(path)]


def _is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry.type is Type.DIRECTORY
