# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owners in POSIX ACLs, which the kernel hands out as extended attributes."""

from __future__ import annotations

import struct
from typing import Mapping, Union

ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_VERSION = struct.Struct("<I")  # 2
_ENTRY = struct.Struct("<HHI")  # tag, permissions, number
_USER, _GROUP = 0x02, 0x08  # tags of entries for a named user or group

Attributes = Union[Mapping[str, bytes], tuple[()]]


def renumber_acls(xattrs: Attributes, uids: Mapping[int, int], gids: Mapping[int, int]) -> Attributes:
    """The attributes with the final numbers in their ACLs; the same object when nothing changes."""
    if not xattrs or not (uids or gids):
        return xattrs
    changed = {name: renumber_acl(xattrs[name], uids, gids) for name in ACLS if name in xattrs}
    if all(xattrs[name] == value for name, value in changed.items()):
        return xattrs
    return {**xattrs, **changed}


def renumber_acl(value: bytes, uids: Mapping[int, int], gids: Mapping[int, int]) -> bytes:
    """An ACL with other numbers, as the kernel wants it: entries of a kind by number."""
    head, body = value[: _VERSION.size], value[_VERSION.size :]
    if len(body) % _ENTRY.size:
        return value
    numbers = {_USER: uids, _GROUP: gids}
    entries = []
    for tag, permissions, number in _ENTRY.iter_unpack(body):
        entries.append((tag, numbers.get(tag, {}).get(number, number), permissions))
    return head + b"".join(_ENTRY.pack(tag, permissions, number) for tag, number, permissions in sorted(entries))
