# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlayfs shows of directories that lie on each other, read without a mount."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Sequence

from .entry import Entry
from .files import OVERLAY, content_at, entry_at, is_whiteout, sha256_at

_OPAQUE = f"{OVERLAY}opaque"


class Stack:
    """The merged tree of raw directories, the topmost first.

    As overlayfs does: the topmost file wins; directories merge down to the first that is opaque or to the first that
    is none; a whiteout hides what is below it. What is written into one of the directories meanwhile may not be seen.
    """

    def __init__(self, directories: Sequence[str | Path]) -> None:
        """Raw directories as the system names them; needs the rights to read trusted attributes (root)."""
        self._merged = {"/": tuple(f"{str(root).rstrip('/')}/" for root in directories)}

    def entry(self, path: str) -> Entry | None:
        """What is at the path, None when nothing is (or one of its parents is no directory)."""
        found = self._find(path)
        return entry_at(*found) if found else None

    def names(self, path: str) -> list[str]:
        """Names in the directory at the path, sorted; none when it is no directory."""
        names: dict[str, bool] = {}
        for location in self._directories(path):
            with os.scandir(location) as children:
                for child in children:
                    if child.name not in names:
                        names[child.name] = not _is_whiteout(child)
        return sorted(name for name, visible in names.items() if visible)

    def sha256(self, path: str) -> str:
        """Checksum of the content of the file at the path, in hexadecimal. Raises FileNotFoundError."""
        return sha256_at(self._there(path))

    def read(self, path: str) -> bytes:
        """Content of the file at the path. Raises FileNotFoundError."""
        return content_at(self._there(path))

    def location(self, path: str) -> str | None:
        """Where the file really lies, of directories the topmost; None when nothing is at the path."""
        found = self._find(path)
        return found[0] if found else None

    def _there(self, path: str) -> str:
        location = self.location(path)
        if location is None:
            raise FileNotFoundError(path)
        return location

    def _find(self, path: str) -> tuple[str, os.stat_result] | None:
        if path == "/":
            top = self._merged["/"][0]
            return top, os.lstat(top)
        parent, _slash, name = path.rpartition("/")
        return _topmost(self._directories(parent or "/"), name)

    def _directories(self, path: str) -> tuple[str, ...]:
        """Raw directories that merge into the one at a path, each with a slash at its end."""
        found = self._merged.get(path)
        if found is None:
            parent, _slash, name = path.rpartition("/")
            found = _merge([f"{location}{name}" for location in self._directories(parent or "/")])
            self._merged[path] = found
        return found


def _topmost(directories: Sequence[str], name: str) -> tuple[str, os.stat_result] | None:
    for directory in directories:
        status = _status(f"{directory}{name}")
        if status is not None:
            return None if is_whiteout(status) else (f"{directory}{name}", status)
    return None


def _merge(locations: Sequence[str]) -> tuple[str, ...]:
    """Those of the locations, topmost first, that merge into one directory."""
    merged: list[str] = []
    for location in locations:
        status = _status(location)
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            break
        merged.append(f"{location}/")
        if is_opaque(location):
            break
    return tuple(merged)


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
