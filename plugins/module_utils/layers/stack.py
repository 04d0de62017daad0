# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlayfs shows of directories that lie on each other, read without a mount."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from .entry import Entry, Type
from .files import OVERLAY, content_at, entry_at, is_whiteout, sha256_at
from .tree import Tree

_OPAQUE = f"{OVERLAY}opaque"


class Stack:
    """The merged tree of raw directories, the topmost first, and maybe of any other tree below them.

    As overlayfs does: the topmost file wins; directories merge down to the first that is opaque or to the first that
    is none; a whiteout hides what is below it. What is written into one of the directories meanwhile may not be seen.
    """

    def __init__(self, directories: Sequence[str | Path], below: Tree | None = None) -> None:
        """Raw directories as the system names them; needs the rights to read trusted attributes (root)."""
        roots = tuple(f"{str(root).rstrip('/')}/" for root in directories)
        self._below = below
        self._merged = {"/": _Merged(roots, below is not None)}
        self._last: tuple[str, Place | Tree | None] = ("", None)  # who asks about a path asks again

    def entry(self, path: str) -> Entry | None:
        """What is at the path, None when nothing is (or one of its parents is no directory)."""
        found = self._find(path)
        if isinstance(found, Place):
            return entry_at(found.location, found.status)
        return found.entry(path) if found else None

    def names(self, path: str) -> list[str]:
        """Names in the directory at the path, sorted; none when it is no directory."""
        merged = self._directory(path)
        names: dict[str, bool] = {}
        for location in merged.locations:
            with os.scandir(location) as children:
                for child in children:
                    if child.name not in names:
                        names[child.name] = not _is_whiteout(child)
        if merged.goes_on and self._below:
            names = dict.fromkeys(self._below.names(path), True) | names
        return sorted(name for name, visible in names.items() if visible)

    def sha256(self, path: str) -> str:
        """Checksum of the content of the file at the path, in hexadecimal. Raises FileNotFoundError."""
        found = self._there(path)
        return sha256_at(found.location) if isinstance(found, Place) else found.sha256(path)

    def read(self, path: str) -> bytes:
        """Content of the file at the path. Raises FileNotFoundError and what the tree below raises."""
        found = self._there(path)
        return content_at(found.location) if isinstance(found, Place) else found.read(path)

    def location(self, path: str) -> str | None:
        """Where the file really lies, of directories the topmost; None when nothing is at the path."""
        found = self._find(path)
        if isinstance(found, Place):
            return found.location
        return found.location(path) if found else None

    @property
    def listings(self) -> Mapping[str, Iterable[str]] | None:
        """Files of packages, where the tree below tells them itself; see Packages."""
        return getattr(self._below, "listings", None)

    @property
    def directories(self) -> tuple[str, ...] | None:
        """The raw directories, topmost first, when nothing else is in the tree."""
        return None if self._below else self._merged["/"].locations

    def find(self, path: str) -> Place | None:
        """Where the file really lies, with its lstat; None when it is in none of the directories."""
        found = self._find(path)
        return found if isinstance(found, Place) else None

    def _there(self, path: str) -> Place | Tree:
        found = self._find(path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    def _find(self, path: str) -> Place | Tree | None:
        """The file that is seen at the path, or the tree below when it is that tree's."""
        if path != self._last[0]:
            self._last = (path, self._look_up(path))
        return self._last[1]

    def _look_up(self, path: str) -> Place | Tree | None:
        parent, _slash, name = path.rpartition("/")
        directory = self._merged["/"] if path == "/" else self._directory(parent or "/")
        for raw in directory.locations:
            status = _status(f"{raw}{name}")
            if status is not None:
                return None if is_whiteout(status) else Place(f"{raw}{name}", status)
        return self._below if directory.goes_on else None

    def _directory(self, path: str) -> _Merged:
        found = self._merged.get(path)
        if found is None:
            parent, _slash, name = path.rpartition("/")
            found = _merge(self._directory(parent or "/"), name)
            if found.goes_on and self._below:
                entry = self._below.entry(path)
                found = _Merged(found.locations, entry is not None and entry.type is Type.DIRECTORY)
            self._merged[path] = found
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """A file where it really lies."""

    location: str
    status: os.stat_result


@dataclass(frozen=True, slots=True)
class _Merged:
    """Raw directories that are seen as one, each with a slash at its end, and whether the tree below is, too."""

    locations: tuple[str, ...]
    goes_on: bool


def _merge(parent: _Merged, name: str) -> _Merged:
    """What becomes one directory of that name; nothing of it is sought below a file, a whiteout, an opaque one."""
    merged: list[str] = []
    for raw in parent.locations:
        status = _status(f"{raw}{name}")
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            return _Merged(tuple(merged), False)
        merged.append(f"{raw}{name}/")
        if is_opaque(f"{raw}{name}"):
            return _Merged(tuple(merged), False)
    return _Merged(tuple(merged), parent.goes_on)


def is_opaque(location: str) -> bool:
    """Whether a raw directory hides what lower layers have in it."""
    try:
        return os.getxattr(location, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _is_whiteout(child: os.DirEntry[str]) -> bool:
    if child.is_file(follow_symlinks=False) or child.is_dir(follow_symlinks=False) or child.is_symlink():
        return False
    return is_whiteout(child.stat(follow_symlinks=False))


def _status(location: str) -> os.stat_result | None:
    try:
        return os.lstat(location)
    except (FileNotFoundError, NotADirectoryError):
        return None
