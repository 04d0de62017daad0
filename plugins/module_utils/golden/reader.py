# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the contents of a golden VM's disks reach this package."""

from __future__ import annotations

import typing


class Reader(typing.Protocol):
    """A disk that is read forwards, as a stream allows it; offsets and lengths are bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from ``offset``, never before the end of the last read; fewer at the disk's end."""


class NotGoldenError(ValueError):
    """A disk holds something that Skinnybox wrote or expects, but not in a form that can be used."""
