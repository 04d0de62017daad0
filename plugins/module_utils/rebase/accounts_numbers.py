# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which number each user and group has in the end."""

from __future__ import annotations

from typing import Iterable, Mapping

from .numbers import free_number

ByName = Mapping[str, int]


def assign(
    ours: ByName, theirs: ByName, final: Iterable[str], avoid: set[int], preferred: ByName | None = None
) -> dict[str, int]:
    """The number of every final account, by name.

    What the instance has keeps its number: files with it may lie where nobody looks, on a data disk. A newcomer of
    the new master has its number there, when no account of the instance has or had it; otherwise the preferred one
    (of the group that bears its name) or a free one that is not in ``avoid``. Accounts that share a number in the new
    master on purpose share it further on.

    Raises NoNumberLeft.
    """
    numbers = {name: ours[name] for name in final if name in ours}
    newcomers = [name for name in final if name not in ours]
    taken = set(ours.values())
    for name in newcomers:
        if theirs[name] not in taken:
            numbers[name] = theirs[name]
    taken |= set(theirs.values()) | avoid
    moved: dict[int, int] = {}
    for name in newcomers:
        if name in numbers:
            continue
        wanted = theirs[name]
        twin = next((other for other in theirs if other in ours and theirs[other] == wanted and other in numbers), None)
        if twin:
            moved[wanted] = numbers[twin]
        elif wanted not in moved:
            choice = (preferred or {}).get(name, wanted)
            moved[wanted] = choice if choice != wanted and choice not in taken else free_number(wanted, taken)
            taken.add(moved[wanted])
        numbers[name] = moved[wanted]
    return numbers


def translation(side: ByName, final: ByName) -> dict[int, int]:
    """What becomes of a tree's numbers, of those that change; of accounts with the same number the first counts."""
    found: dict[int, int] = {}
    for name, number in side.items():
        if name in final:
            found.setdefault(number, final[name])
    return {number: last for number, last in found.items() if number != last}
