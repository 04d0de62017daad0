# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages will not have what they need."""

from __future__ import annotations

import re
from collections import defaultdict

from ..layers.packages import Package, Packages
from ..layers.versions import compare_versions
from .dpkg_database import Databases

_RELATION = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)(?::\S+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?")
_NEEDS = ("Pre-Depends", "Depends")
_CLASHES = {"Conflicts": "conflicts with", "Breaks": "breaks"}

#: Versions in which a name is there, by name; None for a name that a package provides without a version.
Offers = dict[str, list[str | None]]


def unsatisfied(databases: Databases) -> dict[str, list[str]]:
    """What packages need and will not have, or cannot be beside, by key; without what was so on their own side.

    Names, alternatives and versions are looked at, not architectures.
    """
    final = [found.winner for found in databases.verdicts if found.winner and found.winner.unpacked]
    if all(not found.keep for found in databases.verdicts):
        return {}
    offers = _offers(final)
    sides = {True: _offers(_unpacked(databases.ours)), False: _offers(_unpacked(databases.theirs))}
    broken: dict[str, list[str]] = {}
    for found in databases.verdicts:
        package = found.winner
        if package is None or not package.unpacked:
            continue
        own = [side for keep, side in sides.items() if found.unchanged or keep == found.keep]
        before = {words for side in own for words in _missing(package, side)}
        if missing := [words for words in _missing(package, offers) if words not in before]:
            broken[package.key] = missing
    return broken


def _unpacked(packages: Packages) -> list[Package]:
    return [package for package in packages if package.unpacked]


def _offers(packages: list[Package]) -> Offers:
    offers: Offers = defaultdict(list)
    for package in packages:
        offers[package.name].append(package.version)
        for relation in package.fields.get("Provides", "").split(","):
            match = _RELATION.match(relation)
            if match:
                offers[match[1]].append(match[3])
    return offers


def _missing(package: Package, offers: Offers) -> list[str]:
    """What a package needs and is not offered, in the words of its stanza."""
    missing = []
    for name in _NEEDS:
        for group in package.fields.get(name, "").split(","):
            if group.strip() and not any(_fits(relation, offers) for relation in group.split("|")):
                missing.append(f"needs {group.strip()}")
    for name, word in _CLASHES.items():
        for relation in package.fields.get(name, "").split(","):
            match = _RELATION.match(relation)
            if match and match[2] and match[1] != package.name and _fits(relation, offers, versions_only=True):
                missing.append(f"{word} {relation.strip()}")
    return missing


def _fits(relation: str, offers: Offers, versions_only: bool = False) -> bool:
    match = _RELATION.match(relation)
    if match is None:
        return not versions_only  # not understood is not missing
    name, operator, version = match.groups()
    if not operator:
        return bool(offers.get(name))
    return any(_holds(there, operator, version) for there in offers.get(name, ()) if there is not None)


def _holds(there: str, operator: str, version: str) -> bool:
    order = compare_versions(there, version)
    return {
        "<<": order < 0, "<": order <= 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">": order >= 0,
        ">>": order > 0,
    }[operator]  # fmt: skip
