# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of Debian package versions."""

from __future__ import annotations

import functools
import itertools
import re

_PARTS = re.compile(r"(\D*)(\d*)")


def compare_versions(one: str, other: str) -> int:
    """Less than, equal to or greater than 0 as one version is older than, equal to or newer than the other.

    As ``dpkg --compare-versions`` does (Debian policy 5.6.12), without a process: an empty version is the oldest.
    """
    if one == other:
        return 0
    return (_key(one) > _key(other)) - (_key(one) < _key(other))


@functools.lru_cache(maxsize=4096)
def _key(version: str) -> tuple[bool, int, tuple[object, ...], tuple[object, ...]]:
    """Something that sorts as the version does."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return bool(version), int(epoch) if epoch.isdigit() else 0, _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> tuple[object, ...]:
    """Words and numbers by turns; the end sorts after a tilde and before all else."""
    pairs = itertools.takewhile(any, (match.groups() for match in _PARTS.finditer(part)))
    key: list[object] = []
    for word, number in pairs:
        key += [(*map(_weight, word), 0), int(number or 0)]
    return (*key, (0,), 0)


def _weight(letter: str) -> int:
    """Tilde, end (0), letters, everything else."""
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 0x110000
