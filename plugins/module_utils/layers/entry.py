# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands at a path of a file tree."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import Enum
from typing import Mapping


class Type(str, Enum):
    """The type of a file, by the words of a master's manifest; devices apart."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"  # a symbolic one
    CHARACTER = "character"
    BLOCK = "block"
    FIFO = "fifo"
    SOCKET = "socket"


_TYPES = {
    stat.S_IFREG: Type.FILE,
    stat.S_IFDIR: Type.DIRECTORY,
    stat.S_IFLNK: Type.LINK,
    stat.S_IFCHR: Type.CHARACTER,
    stat.S_IFBLK: Type.BLOCK,
    stat.S_IFIFO: Type.FIFO,
    stat.S_IFSOCK: Type.SOCKET,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of any type, without its name and its content.

    Two entries are equal when a program that reads the tree could tell them apart by their content or their times
    only. Overlayfs's own attributes are never part of ``xattrs``.
    """

    type: Type
    mode: int  # permission bits, with set-uid, set-gid and sticky
    uid: int
    gid: int
    size: int = 0  # bytes; of files only
    target: str = ""  # of symbolic links
    device: tuple[int, int] | None = None  # major and minor of devices
    xattrs: Mapping[str, bytes] | tuple[()] = ()  # POSIX ACLs and capabilities among them


def type_of(status: os.stat_result) -> Type:
    """The type that lstat tells."""
    return _TYPES[stat.S_IFMT(status.st_mode)]
