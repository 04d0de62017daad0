# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on a disk as entries, and what is in them."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from .entry import Entry, Type, type_of

#: Attributes by which overlayfs keeps its own records; a mount does not show them.
OVERLAY = "trusted.overlay."
#: Those that say something about the file itself, and are part of it: what the mount shows as another overlay's
#: attribute is kept with the prefix twice, and what chattr +i and +a set is kept in an attribute too.
_OF_THE_FILE = (f"{OVERLAY}overlay.", f"{OVERLAY}protattr")
_PIECE = 1 << 20
_FIRST_PIECE = 1 << 14  # most files that differ do so at their beginning


def entry_at(location: str, status: os.stat_result, attributes: dict[str, bytes] | None = None) -> Entry:
    """The entry of a file whose lstat (and raw attributes) are known. Raises OSError."""
    kind = type_of(status)
    if attributes is None:
        attributes = raw_attributes(location)
    return Entry(
        type=kind,
        mode=status.st_mode & 0o7777,
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind is Type.FILE else 0,
        target=link_target(location) if kind is Type.LINK else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in (Type.CHARACTER, Type.BLOCK) else None,
        xattrs={name: value for name, value in attributes.items() if is_of_the_file(name)},
    )


def raw_attributes(location: str) -> dict[str, bytes]:
    """Extended attributes, sorted by name, those of overlayfs among them; none where the file system has none."""
    try:
        names = os.listxattr(location, follow_symlinks=False)
    except OSError:
        return {}
    found: dict[str, bytes] = {}
    for name in sorted(names):
        try:
            found[name] = os.getxattr(location, name, follow_symlinks=False)
        except OSError as problem:
            if problem.errno != errno.ENODATA:  # removed meanwhile
                raise
    return found


def link_target(location: str) -> str:
    """What a symbolic link holds, to the letter (pathlib would tidy it)."""
    return os.readlink(location)  # noqa: PTH115


def content_at(location: str) -> bytes:
    """What is in a file. Raises OSError."""
    return Path(location).read_bytes()


def sha256_at(location: str) -> str:
    """Checksum of what is in a file, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with Path(location).open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def same_content(one: str, other: str) -> bool:
    """Whether two files of the same size hold the same bytes; stops at the first difference. Raises OSError."""
    if is_unchanged(os.lstat(one), os.lstat(other)):
        return True
    size = _FIRST_PIECE
    with open(one, "rb", buffering=0) as first, open(other, "rb", buffering=0) as second:  # noqa: PTH123 (fast)
        while True:
            piece = first.read(size)
            if piece != second.read(size):
                return False
            if not piece:
                return True
            size = _PIECE


def is_unchanged(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two files are one that nobody has written to between two copies of its file system.

    The kernel notes each change of an inode to the nanosecond, and nobody can set that time. Programs that make whole
    file systems set it to a whole second, alike for all files: then it says nothing.
    """
    is_noted = one.st_ctime_ns % 10**9 != 0
    return is_noted and all(getattr(one, name) == getattr(other, name) for name in _INODE)


#: What two copies of a file system have alike of an inode that was not written to.
_INODE = ("st_ino", "st_ctime_ns", "st_mtime_ns", "st_size")


def is_whiteout(status: os.stat_result) -> bool:
    """Whether overlayfs takes a file for the mark of a deletion: a character device 0:0."""
    return status.st_rdev == 0 and (status.st_mode & 0o170000) == 0o020000


def is_of_the_file(name: str) -> bool:
    """Whether an extended attribute says something about the file, not about how overlayfs stores it."""
    return not name.startswith(OVERLAY) or name.startswith(_OF_THE_FILE)
