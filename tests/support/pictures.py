# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pictures of file trees, to be compared."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def picture(root: Path, links: bool = False) -> dict[str, tuple[Any, ...]]:
    """All that programs can see of a tree, times apart; with ``links``, also which names are one file."""
    found: dict[str, tuple[Any, ...]] = {}
    names: dict[int, str] = {}
    for path in [os.fsencode(root), *_below(os.fsencode(root))]:
        seen = "/" + os.path.relpath(os.fsdecode(path), root)
        found[seen] = picture_of(path)
        if links and not stat.S_ISDIR(found[seen][0]):
            found[seen] = (*found[seen], names.setdefault(os.lstat(path).st_ino, seen))
    return found


def _below(directory: bytes) -> Iterator[bytes]:
    for child in sorted(os.scandir(directory), key=lambda child: child.name):
        if not os.path.lexists(child.path):  # overlayfs lists a whiteout where it has nothing to merge
            continue
        yield child.path
        if child.is_dir(follow_symlinks=False):
            yield from _below(child.path)


def picture_of(path: bytes) -> tuple[Any, ...]:
    """Type and mode, owner, group, attributes and content of one file."""
    status = os.lstat(path)
    content: Any = b""
    if stat.S_ISREG(status.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)  # noqa: PTH115
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in listed(path)}
    return status.st_mode, status.st_uid, status.st_gid, status.st_rdev, attributes, content


def listed(path: bytes) -> list[str]:
    """Names of the extended attributes but overlayfs's own."""
    names = os.listxattr(path, follow_symlinks=False)
    return sorted(name for name in names if not name.startswith("trusted.overlay."))
