# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that dpkg and apt keep beside the packages: diversions, overrides, triggers, marks."""

from __future__ import annotations

from typing import Iterator

from ..layers.packages import DATABASE, Diversion, parse_status
from .decision import Decision
from .dpkg_database import Databases
from .dpkg_journal import stanza
from .dpkg_verdicts import Verdict
from .merged_file import merged_file
from .paths import join
from .records import lines, merge_mapping, merge_set

_TRIGGERS = f"{DATABASE}/triggers"


def decide_lists(databases: Databases) -> Iterator[Decision]:
    """The lists of both sides, without what belongs to packages that do not hold."""
    sides = databases.sides
    yield from merged_file(sides, f"{DATABASE}/diversions", lambda *texts: _diversions(databases), "dpkg-diversions")
    yield from merged_file(sides, f"{DATABASE}/statoverride", _statoverride, "dpkg-statoverride")
    yield from merged_file(sides, f"{DATABASE}/arch", _architectures, "dpkg-architectures")
    yield from _triggers(databases)
    there = {verdict.name for verdict in databases.verdicts if verdict.winner}
    path = "/var/lib/apt/extended_states"
    yield from merged_file(sides, path, lambda *texts: _marks(there, *texts), "apt-marks")


def _diversions(databases: Databases) -> str:
    return "".join(
        f"{line}\n" for found in final_diversions(databases) for line in (found.path, found.to, found.package)
    )


def final_diversions(databases: Databases) -> list[Diversion]:
    """Diversions of the packages that hold, and of administrators of both sides."""
    before, mine, new = (
        {found.path: found for found in side.diversions} for side in (databases.base, databases.ours, databases.theirs)
    )
    merged = merge_mapping(before, mine, new)
    for path, found in [*mine.items(), *new.items()]:
        verdict = databases.by_name.get(found.package)
        if verdict is None or verdict.unchanged:
            continue
        side = mine if verdict.keep else new
        if side.get(path) == found:
            merged[path] = found
        elif merged.get(path) == found:
            del merged[path]
    order = {path: place for place, path in enumerate([*new, *mine])}
    return sorted(merged.values(), key=lambda found: order.get(found.path, 0))


def _statoverride(base: str, ours: str, theirs: str) -> str:
    before, mine, new = ({_last_word(line): line for line in lines(text)} for text in (base, ours, theirs))
    merged = merge_mapping(before, mine, new)
    return "".join(f"{merged[path]}\n" for path in dict.fromkeys([*new, *mine]) if path in merged)


def _last_word(line: str) -> str:
    return line.split(" ", 3)[-1]


def _architectures(base: str, ours: str, theirs: str) -> str:
    """The machine's own architecture is the first line."""
    merged = merge_set(lines(base), lines(theirs), lines(ours))
    return "".join(f"{line}\n" for line in merged)


def _triggers(databases: Databases) -> Iterator[Decision]:
    """Who waits for which trigger: lines of the packages that hold."""
    sides = databases.sides
    names = {name for tree in (sides.ours, sides.theirs) for name in tree.names(_TRIGGERS)} - {"Lock"}
    for name in sorted(names):
        path = join(_TRIGGERS, name)
        yield from merged_file(
            sides, path, lambda base, ours, theirs: _interests(databases, ours, theirs), "dpkg-triggers",
            empty=name in ("File", "Unincorp"),
        )  # fmt: skip


def _interests(databases: Databases, ours: str, theirs: str) -> str:
    chosen = [line for line in lines(theirs) if not (verdict := _judged(databases, line)) or not verdict.keep]
    for line in lines(ours):
        verdict = _judged(databases, line)
        if verdict and verdict.keep and verdict.winner and verdict.winner.unpacked and line not in chosen:
            chosen.append(line)
    return "".join(f"{line}\n" for line in chosen)


def _judged(databases: Databases, line: str) -> Verdict | None:
    """The verdict about the package at a line's end (``name``, ``name/noawait``), where sides have different ones."""
    words = line.split()
    key = words[-1].partition("/")[0] if words else ""
    verdict = databases.by_key.get(key) or databases.by_name.get(key.partition(":")[0])
    return None if verdict is None or verdict.unchanged else verdict


def _marks(there: set[str], *texts: str) -> str:
    """apt's marks of what was installed automatically, of packages that are known in the end."""
    sides = [{(found.name, found.architecture): found for found in parse_status(text)} for text in texts]
    before, mine, new = ({key: stanza(found) for key, found in side.items()} for side in sides)
    merged = merge_mapping(before, mine, new)
    return "".join(merged[key] for key in dict.fromkeys([*new, *mine]) if key in merged and key[0] in there)
