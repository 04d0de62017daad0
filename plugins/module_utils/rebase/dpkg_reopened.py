# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that the instance has deleted with a package, and in which others of the new master have files."""

from __future__ import annotations

from typing import Iterator

from ..layers.entry import Type
from .decision import Decision
from .dpkg_database import Databases
from .outcome import nothing, theirs_wins
from .paths import join

RULE = "package-directory"
#: Packages of which the instance had another version: what it deleted of them, dpkg deleted.
_REPLACED = ("package-older", "package-equal")


def decide_reopened(databases: Databases) -> Iterator[Decision]:
    """Show such a directory again, with the files of packages that need it and nothing else."""
    sides = databases.sides
    for path in sides.touched:
        theirs = sides.theirs.entry(path)
        if theirs is None or theirs.type is not Type.DIRECTORY or sides.ours.entry(path) is not None:
            continue
        decisions = _shown(databases, path)
        if decisions[0].rule == RULE:
            yield from decisions


def _shown(databases: Databases, path: str) -> list[Decision]:
    """Decisions about everything at and below a path of the new master; the first one is about the path."""
    sides = databases.sides
    entry = sides.theirs.entry(path)
    if entry is None or entry.type is not Type.DIRECTORY:
        wins = theirs_wins(sides, path, RULE)
        return [wins if _is_needed(databases, path) else nothing(sides, path, "deleted")]
    below = [_shown(databases, join(path, name)) for name in sides.theirs.names(path)]
    if not any(decisions[0].rule == RULE for decisions in below):
        return [nothing(sides, path, "deleted")]
    return [theirs_wins(sides, path, RULE), *(decision for decisions in below for decision in decisions)]


def _is_needed(databases: Databases, path: str) -> bool:
    """Whether a package of the new master has the path, and the instance did not delete just that file of it."""
    for key in databases.theirs.owners(path):
        verdict = databases.by_key.get(key)
        if verdict is None or verdict.keep:
            continue
        if verdict.rule in _REPLACED or databases.sides.base.entry(path) is None:
            return True
    return False
