# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The superblock of an ext4, as far as it tells whether a golden VM's root file system can be published.

Source: Documentation/filesystems/ext4/super.rst of Linux.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid

from .reader import Reader

_OFFSET = 1024
_SIZE = 1024
_MAGIC = 0xEF53
_STATE_CLEAN = 0x1
_STATE_ERRORS = 0x2
_INCOMPAT_RECOVER = 0x4


@dataclasses.dataclass(frozen=True)
class Superblock:
    """``clean``: unmounted and without known errors. Times are epoch seconds by its last user's clock."""

    uuid: str
    clean: bool
    needs_recovery: bool
    mounted_at: int
    written_at: int


def read_superblock(reader: Reader, start: int) -> Superblock | None:
    """Return the superblock of the file system at ``start`` (bytes), or None when there is no ext4."""
    data = reader.read(start + _OFFSET, _SIZE)
    if len(data) < _SIZE or struct.unpack_from("<H", data, 0x38)[0] != _MAGIC:
        return None
    mounted_at, written_at = struct.unpack_from("<II", data, 0x2C)
    (state,) = struct.unpack_from("<H", data, 0x3A)
    (incompatible,) = struct.unpack_from("<I", data, 0x60)
    return Superblock(
        uuid=str(uuid.UUID(bytes=data[0x68:0x78])),
        clean=state & (_STATE_CLEAN | _STATE_ERRORS) == _STATE_CLEAN,
        needs_recovery=bool(incompatible & _INCOMPAT_RECOVER),
        mounted_at=mounted_at,
        written_at=written_at,
    )
