# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences summed up: by kind, by directory, by user; and one number for all of it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from .by_package import Change, Owned, PackageDifference
from .differences import Kind
from .entry import Type

#: How deep directories are told apart; what lies deeper counts for its ancestors.
DEPTH = 3
#: At so many points an instance is half-way between its master and something else.
_HALF = 50


@dataclass(frozen=True, slots=True)
class Sum:
    """Differences of one directory, or of one user."""

    name: str
    files: int
    bytes: int
    allocated: int  # bytes on the overlay disk


def by_kind(owned: Iterable[Owned]) -> dict[str, int]:
    """How many differences of each kind there are, all kinds among them."""
    found = Counter(each.difference.kind for each in owned)
    return {kind.value: found[kind] for kind in Kind}


def by_directory(owned: Iterable[Owned], largest: int) -> list[Sum]:
    """The directories with the most bytes on the overlay disk, each with all that is below it, by path."""
    sums: dict[str, list[int]] = {}
    for each in owned:
        for ancestor in _ancestors(each):
            _add(sums.setdefault(ancestor, [0, 0, 0]), each)
    found = sorted((Sum(name, *numbers) for name, numbers in sums.items()), key=lambda one: (-one.allocated, one.name))
    return sorted(found[:largest], key=lambda one: one.name)


def by_user(owned: Iterable[Owned], names: Mapping[int, str]) -> list[Sum]:
    """Differences by who owns the files, by name; who has no name has a number. Nobody owns what was deleted."""
    sums: dict[str, list[int]] = {}
    for each in owned:
        if each.difference.entry:
            uid = each.difference.entry.uid
            _add(sums.setdefault(names.get(uid, str(uid)), [0, 0, 0]), each)
    return [Sum(name, *numbers) for name, numbers in sorted(sums.items())]


def largest(owned: Iterable[Owned], number: int) -> list[Owned]:
    """The files with the most bytes on the overlay disk, the largest first."""
    files = [each for each in owned if each.difference.allocated and not _is_directory(each)]
    return sorted(files, key=lambda each: (-each.difference.allocated, each.difference.path))[:number]


def growth(now: Sequence[Sum], earlier: Mapping[str, int]) -> dict[str, int]:
    """Directories that hold more bytes than earlier, and how many more, the most first."""
    more = {one.name: one.allocated - earlier.get(one.name, 0) for one in now}
    return dict(sorted(((path, size) for path, size in more.items() if size > 0), key=lambda pair: (-pair[1], pair[0])))


def divergence(owned: Sequence[Owned], packages: Sequence[PackageDifference]) -> int:
    """How far an instance is from its master: 0 as the master is, 50 at 50 points, never quite 100.

    A point for each conffile that a person changed; five for each package that was installed, removed, upgraded or
    downgraded; three for each other file of a package that was changed or deleted while the package's version is the
    master's; one for each hundred files that no package knows, or a part of that. It says how much work an upgrade
    may be, so sizes do not count, nor what is the same as on the master.
    """
    points = sum(len(row.conffiles) + 3 * len(row.modified) for row in packages)
    points += sum(5 for row in packages if row.change is not Change.MODIFIED)
    points += -(-sum(counts_as_foreign(each) for each in owned) // 100)
    return min(99, round(100 * (1 - 0.5 ** (points / _HALF))))


def counts_as_foreign(each: Owned) -> bool:
    """Whether it is a difference that no package explains: a file, not a directory on the way to one."""
    return each.foreign and each.difference.kind is not Kind.IDENTICAL and not _is_directory(each)


def user_names(passwd: str) -> dict[int, str]:
    """Names by number, of a passwd file; the first of several wins, as the C library has it."""
    names: dict[int, str] = {}
    for line in passwd.split("\n"):
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isdigit():
            names.setdefault(int(fields[2]), fields[0])
    return names


def _ancestors(each: Owned) -> list[str]:
    """Directories that a difference counts for; a directory counts for itself, too."""
    words = each.difference.path.strip("/").split("/")
    depth = len(words) if _is_directory(each) else len(words) - 1
    return ["/".join(["", *words[:number]]) for number in range(1, min(depth, DEPTH) + 1)] or ["/"]


def _add(numbers: list[int], each: Owned) -> None:
    numbers[0] += 1
    numbers[1] += each.difference.bytes
    numbers[2] += each.difference.allocated


def _is_directory(each: Owned) -> bool:
    entry = each.difference.entry or each.difference.lower
    return entry is not None and entry.type is Type.DIRECTORY
