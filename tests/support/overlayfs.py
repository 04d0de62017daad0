# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real overlayfs mounts in temporary directories, and pictures of trees. Needs root."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems, so it needs root")
OPTIONS = "index=off,metacopy=off,redirect_dir=off,xino=auto"


@contextmanager
def mounted(lowers: Sequence[Path], upper: Path, point: Path) -> Iterator[Path]:
    """The layers (lowers topmost first) joined at a mount point, as the boot hook joins them; the work directory is
    made beside the upper one."""
    work = upper.with_name("work")
    for directory in (upper, work, point):
        directory.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(path) for path in lowers)
    options = f"lowerdir={lower},upperdir={upper},workdir={work},{OPTIONS}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "skinnybox", str(point)], check=True, timeout=60)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True, timeout=60)


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
        yield child.path
        if child.is_dir(follow_symlinks=False):
            yield from _below(child.path)


def picture_of(path: bytes) -> tuple[Any, ...]:
    """Type and mode, owner, group, attributes and content of one file."""
    status = os.lstat(path)
    content: Any = b""
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:  # noqa: PTH123
            content = (
                hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else file.read()
            )
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)  # noqa: PTH115
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in listed(path)}
    return status.st_mode, status.st_uid, status.st_gid, status.st_rdev, attributes, content


def listed(path: bytes) -> list[str]:
    """Names of the extended attributes but overlayfs's own."""
    names = os.listxattr(path, follow_symlinks=False)
    return sorted(name for name in names if not name.startswith("trusted.overlay."))
