# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XAPI's own framing of a sparse raw disk, for ``PUT /import_raw_vdi?chunked=true``.

Each piece is preceded by its offset (unsigned 64 bits) and length (unsigned 32 bits), both little-endian; an
offset and a length of zero end the stream. Source: vhd-tool/src/chunked.ml of xen-api.
"""

from __future__ import annotations

import struct
import typing

_HEADER = struct.Struct("<QI")
END = _HEADER.pack(0, 0)


def encode(extents: typing.Iterable[tuple[int, bytes]]) -> typing.Iterator[bytes]:
    """Yield the framed stream of ``(offset in bytes, data)`` extents.

    Empty data is left out, for it would end the stream.
    """
    for offset, data in extents:
        if data:
            yield _HEADER.pack(offset, len(data))
            yield data
    yield END
