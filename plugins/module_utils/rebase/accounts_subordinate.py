# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way merge of subuid and subgid: ranges of numbers that users may hand to containers."""

from __future__ import annotations

from dataclasses import dataclass

from .records import lines, merge_set

#: Where ranges begin, as login.defs has it.
FIRST = 100000


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a user may use."""

    owner: str
    start: int
    count: int

    def line(self) -> str:
        """The range as its file has it."""
        return f"{self.owner}:{self.start}:{self.count}"

    def overlaps(self, other: Range) -> bool:
        """Whether a number is in both."""
        return self.start < other.start + other.count and other.start < self.start + self.count


def merge_subordinate(base: str, ours: str, theirs: str, gone: set[str]) -> str:
    """The ranges of both sides, without those of users that are gone.

    An owner's ranges are the instance's when it has any: files with their numbers exist. A newcomer of the new master
    whose range overlaps another gets one of the same length behind all of them.
    """
    before, mine, new = (_parse(text) for text in (base, ours, theirs))
    merged = [
        found for found in mine[0]
        if found.owner not in gone and not (found in before[0] and not _of(new[0], found.owner))
    ]  # fmt: skip
    everything = [*mine[0], *new[0], *before[0]]
    for found in new[0]:
        if found.owner in gone or _of(mine[0], found.owner) or _of(before[0], found.owner):
            continue
        if any(found.overlaps(other) for other in mine[0]):
            behind = max([FIRST, *(other.start + other.count for other in everything)])
            found = Range(found.owner, behind, found.count)
            everything.append(found)
        merged.append(found)
    others = merge_set(before[1], mine[1], new[1])
    for text, (ranges, rest) in ((theirs, new), (ours, mine)):
        if set(merged) == set(ranges) and set(others) == set(rest):
            return text
    return "".join(line + "\n" for line in [*(found.line() for found in merged), *others])


def _of(ranges: list[Range], owner: str) -> bool:
    return any(found.owner == owner for found in ranges)


def _parse(text: str) -> tuple[list[Range], list[str]]:
    """The ranges of a file, and lines that are none."""
    ranges, others = [], []
    for line in lines(text):
        owner, *numbers = line.split(":")
        if owner and len(numbers) == 2 and all(number.isascii() and number.isdigit() for number in numbers):
            ranges.append(Range(owner, int(numbers[0]), int(numbers[1])))
        else:
            others.append(line)
    return ranges, others
