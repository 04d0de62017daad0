# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which side's package holds: package by package, before any file is looked at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Iterator

from ..layers.packages import Package, Packages
from ..layers.versions import compare_versions
from .decision import Severity


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a package."""

    base: Package | None  # what each side's database says of it
    ours: Package | None
    theirs: Package | None
    keep: bool  # the instance's state of it holds: its version, or its absence; otherwise the new master's
    rule: str
    severity: Severity = Severity.CLEAN
    reason: str = ""

    @property
    def unchanged(self) -> bool:
        """Whether all sides have the same version: then every file is judged by itself."""
        return self.rule == SAME

    @property
    def winner(self) -> Package | None:
        """The package as the winning side has it; None when that side does not know it."""
        return self.ours if self.keep else self.theirs

    @property
    def name(self) -> str:
        """The package's name, without its architecture."""
        known = self.ours or self.theirs or self.base
        return known.name if known else ""

    @property
    def keys(self) -> set[str]:
        """How dpkg calls the package's files on any side."""
        return {package.key for package in (self.base, self.ours, self.theirs) if package}


SAME = "package-same"
OLDER = "package-older"


def judge(base: Packages, ours: Packages, theirs: Packages) -> list[Verdict]:
    """A verdict for every package that a side knows: the new master's in their order, then the instance's own."""
    return [_verdict(*three) for three in _aligned(base, ours, theirs)]


def _verdict(base: Package | None, ours: Package | None, theirs: Package | None) -> Verdict:
    before, mine, new = (package if package and package.unpacked else None for package in (base, ours, theirs))

    def verdict(keep: bool, rule: str, severity: Severity = Severity.CLEAN, reason: str = "") -> Verdict:
        return Verdict(base, ours, theirs, keep, rule, severity, reason)

    if mine and new:
        if before and before.version == mine.version == new.version:
            return verdict(_state(mine) != _state(before) and _state(new) == _state(before), SAME)
        if before and before.version == mine.version:
            return verdict(False, "package-upgraded")
        order = compare_versions(mine.version, new.version)
        versions = f"{mine.name} {mine.version} of the instance"
        if order > 0:
            return verdict(True, "package-newer", reason=f"{versions} is newer than the new master's {new.version}")
        if order == 0:
            return verdict(False, "package-equal")
        held = ", although it is held" if mine.status.startswith("hold ") else ""
        reason = f"{versions} gives way to the new master's {new.version}{held}"
        return verdict(False, OLDER, Severity.NOTE, reason)
    if mine:
        if before is None:
            return verdict(True, "package-installed")
        if before.version == mine.version:
            return verdict(False, "package-dropped")
        reason = f"{mine.name} {mine.version} of the instance stays; the new master has it no more"
        return verdict(True, "package-newer", Severity.CONFLICT, reason)
    if new:
        if before:
            return verdict(True, "package-removed")
        return verdict(False, "package-new")
    return verdict(_state(ours) != _state(base), "package-gone")  # only configuration files of it may be left


def _state(package: Package | None) -> str:
    return package.status.split()[-1] if package else ""


def _aligned(*sides: Packages) -> Iterator[tuple[Package | None, Package | None, Package | None]]:
    """The same package on all sides. Where a side has several of a name, the architecture must be the same, too."""
    named: dict[str, tuple[list[Package], list[Package], list[Package]]] = defaultdict(lambda: ([], [], []))
    order = (2, 1, 0)
    for number in order:
        for package in sides[number]:
            named[package.name][number].append(package)
    for base, ours, theirs in named.values():
        if max(len(base), len(ours), len(theirs)) == 1:
            yield tuple(side[0] if side else None for side in (base, ours, theirs))  # type: ignore[misc]
            continue
        for architecture in dict.fromkeys(package.architecture for package in [*theirs, *ours, *base]):
            yield tuple(  # type: ignore[misc]
                next((package for package in side if package.architecture == architecture), None)
                for side in (base, ours, theirs)
            )
