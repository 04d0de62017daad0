# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them. Pure."""

from __future__ import annotations

import re

from .refusal import Refused

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

_UNITS = {"K": KIB, "M": MIB, "G": GIB, "T": 1 << 40}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?$", re.IGNORECASE)


def parse_size(text: str, what: str) -> int:
    """Turn ``1 GiB``, ``512MiB`` or ``2G`` (all binary) into bytes.

    Raises Refused, naming `what`, for anything else; a number without a unit is refused because nobody
    knows whether it means bytes or mebibytes.
    """
    match = _SIZE.match(str(text).strip())
    if not match:
        raise Refused(f"{what}: {text!r} is no size; write a number with its unit, such as 512 MiB or 1 GiB.")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size == 0:
        raise Refused(f"{what}: the size must not be zero.")
    return size


def parse_size_at_least(text: str, least: int, what: str) -> int:
    """As parse_size(), for a size of no less than `least` bytes. Raises Refused."""
    size = parse_size(text, what)
    if size < least:
        raise Refused(f"{what}: {text} is too small; at least {least // MIB} MiB.")
    return size


def show_size(size: int) -> str:
    """Write bytes with the largest binary unit that keeps at most one decimal: ``1.5 GiB``."""
    for unit, name in ((1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{size} bytes"
