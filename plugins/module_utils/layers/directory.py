# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain file tree on a disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .entry import Entry
from .files import content_at, entry_at, sha256_at


class DirectoryTree:
    """The tree below a directory, such as a mounted master. Never leaves it: no symbolic link is followed.

    What it has seen of directories it remembers; the tree must not change while it is read.
    """

    def __init__(self, root: str | Path) -> None:
        """The root is a directory, as the system names it."""
        self._root = str(root).rstrip("/")
        self._directories: dict[str, bool] = {"/": stat.S_ISDIR(os.lstat(f"{self._root}/").st_mode)}

    def entry(self, path: str) -> Entry | None:
        """What is at the path, None when nothing is (or one of its parents is no directory)."""
        location = self.location(path)
        if location is None:
            return None
        return entry_at(location, os.lstat(location))

    def names(self, path: str) -> list[str]:
        """Names in the directory at the path, sorted; none when it is no directory."""
        if not self._is_directory(path):
            return []
        with os.scandir(f"{self._root}{path}") as children:
            return sorted(child.name for child in children)

    def sha256(self, path: str) -> str:
        """Checksum of the content of the file at the path, in hexadecimal. Raises FileNotFoundError."""
        return sha256_at(self._there(path))

    def read(self, path: str) -> bytes:
        """Content of the file at the path. Raises FileNotFoundError."""
        return content_at(self._there(path))

    def location(self, path: str) -> str | None:
        """Where the file really lies; None when nothing is at the path."""
        if path == "/":
            return f"{self._root}/"
        if not self._is_directory(path.rpartition("/")[0] or "/"):
            return None
        location = f"{self._root}{path}"
        return location if _status(location) else None

    def _there(self, path: str) -> str:
        location = self.location(path)
        if location is None:
            raise FileNotFoundError(path)
        return location

    def _is_directory(self, path: str) -> bool:
        known = self._directories.get(path)
        if known is None:
            known = False
            if self._is_directory(path.rpartition("/")[0] or "/"):
                status = _status(f"{self._root}{path}")
                known = status is not None and stat.S_ISDIR(status.st_mode)
            self._directories[path] = known
        return known


def _status(location: str) -> os.stat_result | None:
    try:
        return os.lstat(location)
    except (FileNotFoundError, NotADirectoryError):
        return None
