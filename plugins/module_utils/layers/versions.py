# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of Debian package versions."""

from __future__ import annotations

import functools
import itertools
import re

_PARTS = re.compile(r"(\D*)(\d*)")
#: What comes after the end of a version: no word, and no number.
_NOTHING = ((0,), 0)

#: A word, as weights of its letters and of its end, and the number behind it.
_Pair = tuple[tuple[int, ...], int]


def compare_versions(one: str, other: str) -> int:
    """Less than, equal to or greater than 0 as one version is older than, equal to or newer than the other.

    As ``dpkg --compare-versions`` does (Debian policy 5.6.12), without a process: an empty version is the oldest.
    """
    if one == other or not one or not other:
        return bool(one) - bool(other)
    for mine, theirs in zip(_split(one), _split(other), strict=True):
        for pair, counterpart in itertools.zip_longest(mine, theirs, fillvalue=_NOTHING):
            if pair != counterpart:
                return 1 if pair > counterpart else -1
    return 0


@functools.lru_cache(maxsize=4096)
def _split(version: str) -> tuple[list[_Pair], list[_Pair], list[_Pair]]:
    """Epoch, upstream version and revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    upstream, dash, revision = rest.rpartition("-")
    return _pairs(epoch), _pairs(upstream if dash else rest), _pairs(revision if dash else "")


def _pairs(part: str) -> list[_Pair]:
    """Words and numbers by turns."""
    found = (match.groups() for match in _PARTS.finditer(part))
    return [((*map(_weight, word), 0), int(number or 0)) for word, number in found if word or number]


def _weight(letter: str) -> int:
    """Tilde, end (0), letters, everything else."""
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 0x110000
