# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upper directory as it lies on the disk: every change of an instance, and nothing else."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from .entry import Entry
from .files import OVERLAY, entry_at, is_whiteout, raw_attributes
from .printable import printable

#: What the overlay mounts of instances write (index, metacopy and redirect_dir are off). The rest says that a file's
#: name or content lies elsewhere, so that the file cannot be taken for what it seems.
_KNOWN = {"opaque", "origin", "impure", "uuid", "protattr"}


class ForeignLayer(Exception):
    """A layer that no instance of ours wrote: its files are not what they seem."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A file of an upper directory. A whiteout has no entry."""

    path: str
    location: str  # as the system names it
    entry: Entry | None
    status: os.stat_result  # lstat
    opaque: bool = False  # of directories: hides what lower layers have in it

    @property
    def inode(self) -> int:
        """The inode's number; names of one file have the same."""
        return self.status.st_ino

    @property
    def links(self) -> int:
        """Names that the file has, all of them in this layer; a directory has one."""
        return 1 if stat.S_ISDIR(self.status.st_mode) else self.status.st_nlink

    @property
    def allocated(self) -> int:
        """Bytes that it takes on the disk."""
        return 0 if self.entry is None else self.status.st_blocks * 512

    @property
    def modified(self) -> float:
        """Seconds since the epoch."""
        return 0.0 if self.entry is None else self.status.st_mtime


class Upper:
    """The changes in an upper directory. Nobody writes to it meanwhile, or what is gone is left out."""

    def __init__(self, root: str | Path) -> None:
        """The root is a directory, as the system names it; reading it right takes root's rights."""
        self.root = str(root).rstrip("/")

    def walk(self) -> Iterator[Raw]:
        """Everything in it, parents first, siblings by name; the root is the first. Raises ForeignLayer, OSError."""
        root = _raw("/", f"{self.root}/", os.lstat(f"{self.root}/"))
        yield root
        yield from self._below("")

    def _below(self, directory: str) -> Iterator[Raw]:
        """Depth does not count: an upper may nest deeper than Python may call."""
        waiting = [iter(self._children(directory))]
        while waiting:
            raw = next(waiting[-1], None)
            if raw is None:
                waiting.pop()
                continue
            yield raw
            if raw.entry and raw.entry.type.value == "directory":
                waiting.append(iter(self._children(raw.path)))

    def _children(self, directory: str) -> list[Raw]:
        try:
            with os.scandir(f"{self.root}{directory}/") as scan:
                names = sorted(child.name for child in scan)
        except FileNotFoundError:
            return []
        found = (self._at(f"{directory}/{name}") for name in names)
        return [raw for raw in found if raw]

    def _at(self, path: str) -> Raw | None:
        location = f"{self.root}{path}"
        try:
            return _raw(path, location, os.lstat(location))
        except FileNotFoundError:  # a file of a running system
            return None


def _raw(path: str, location: str, status: os.stat_result) -> Raw:
    if is_whiteout(status):
        return Raw(path, location, None, status)
    attributes = raw_attributes(location)
    opaque = _check(path, attributes) and stat.S_ISDIR(status.st_mode)
    return Raw(path, location, entry_at(location, status, attributes), status, opaque)


def _check(path: str, attributes: dict[str, bytes]) -> bool:
    """Whether overlayfs's attributes say opaque. Raises ForeignLayer for any that ours would not have written."""
    for name in attributes:
        if not name.startswith(OVERLAY):
            continue
        kind = name.removeprefix(OVERLAY)
        if kind not in _KNOWN and not kind.startswith("overlay."):
            raise ForeignLayer(
                f"{printable(path)} has the attribute {name}, which a mount with redirect_dir, metacopy and index off "
                "never writes: this layer was mounted elsewhere, and its files are not what they seem"
            )
    value = attributes.get(f"{OVERLAY}opaque")
    if value not in (None, b"y", b"n"):
        raise ForeignLayer(
            f"{printable(path)} keeps whiteouts as attributes: this layer was written by another overlay"
        )
    return value == b"y"
