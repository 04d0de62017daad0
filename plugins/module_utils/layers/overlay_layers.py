# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers on an overlay disk, one for each master version that the instance has run on, and what is left of some."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence

from .durable import sync_directory

#: A layer that is being removed; a later run finishes it.
_REMOVED = ".removed"
#: What killed runs leave beside the layers: one being built, one being replaced, one being removed.
_LEFTOVERS = (".new", ".old", _REMOVED)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it lies on the disk."""

    master_id: str
    current: bool  # the instance runs on it
    bytes: int  # that it takes on the disk
    files: int  # entries of its upper directory, whiteouts among them
    rebased_from: str | None  # id of the master that it was carried over from
    rebase_request: str | None  # uuid of the upgrade that did it
    rebased: int | None  # when, in seconds since 1970

    def as_data(self) -> dict[str, Any]:
        """What modules return of it."""
        return {name: getattr(self, name) for name in self.__slots__}


def list_layers(overlay: str, current: str) -> list[Layer]:
    """All layers of an overlay disk by master id; ``current`` is the id of the one in use. Raises OSError."""
    return [_layer(path, current) for path in _directories(overlay) if path.suffix not in _LEFTOVERS]


def leftovers(overlay: str) -> dict[str, int]:
    """What killed runs left beside the layers: names, and the bytes that they take. Raises OSError."""
    return {path.name: used(path)[0] for path in _directories(overlay) if path.suffix in _LEFTOVERS}


def remove_layers(overlay: str, names: Sequence[str]) -> None:
    """Remove layers or leftovers by their names. Killed in between, it leaves whole layers and leftovers only."""
    for name in names:
        path = Path(overlay, "layers", name)
        if path.suffix not in _LEFTOVERS:
            aside = path.with_name(name + _REMOVED)
            shutil.rmtree(aside, ignore_errors=True)
            path = path.rename(aside)
            sync_directory(path.parent)
        shutil.rmtree(path)


def used(directory: Path) -> tuple[int, int]:
    """Bytes that everything below a directory takes on the disk, and how many entries there are."""
    inodes: dict[int, int] = {}
    entries = 0
    for child in _below(str(directory)):
        try:
            status = child.stat(follow_symlinks=False)
        except FileNotFoundError:  # a file of a running system
            continue
        entries += 1
        inodes[status.st_ino] = status.st_blocks * 512
    return sum(inodes.values()), entries


def _layer(path: Path, current: str) -> Layer:
    origin = _words(path / "origin")
    time = int((path / "origin").stat().st_mtime) if origin else None
    size, files = used(path / "upper")
    is_current = path.name == current
    return Layer(path.name, is_current, size, files, origin.get("from"), origin.get("request"), time)


def _directories(overlay: str) -> list[Path]:
    return sorted(path for path in Path(overlay, "layers").iterdir() if path.is_dir() and not path.is_symlink())


def _below(directory: str) -> Iterator[os.DirEntry[str]]:
    waiting = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as children:
                found = list(children)
        except FileNotFoundError:
            continue
        yield from found
        waiting += [child.path for child in found if child.is_dir(follow_symlinks=False)]


def _words(path: Path) -> dict[str, str]:
    """Values by name of a file with lines such as ``from=…``; none when there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)
