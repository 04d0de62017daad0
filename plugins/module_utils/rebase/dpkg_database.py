# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package databases of the three sides, and what was decided of each package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Iterator

from ..layers.entry import Type
from ..layers.packages import DATABASE, Diversion, Packages
from ..layers.tree import ContentUnknown, Tree
from .dpkg_journal import WithJournal
from .dpkg_verdicts import Verdict, judge
from .outcome import same
from .paths import ancestors
from .refusal import Refusal
from .sides import Sides

STATUS = f"{DATABASE}/status"


@dataclass(frozen=True)
class Databases:
    """What rules about packages look at."""

    sides: Sides
    base: Packages
    ours: Packages
    theirs: Packages

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """A verdict for every package."""
        return judge(self.base, self.ours, self.theirs)

    @cached_property
    def by_key(self) -> dict[str, Verdict]:
        """Verdicts by the keys that their packages have on any side."""
        return {key: verdict for verdict in self.verdicts for key in verdict.keys}

    @cached_property
    def by_name(self) -> dict[str, Verdict]:
        """Verdicts by names without architecture; of several the one that keeps the instance's package."""
        return {verdict.name: verdict for verdict in sorted(self.verdicts, key=lambda verdict: verdict.keep)}

    @cached_property
    def _touched(self) -> frozenset[str]:
        return frozenset(self.sides.touched)

    def touched(self, path: str) -> bool:
        """Whether the old layer itself has something at the path, a whiteout perhaps."""
        return path in self._touched

    def affected(self, path: str) -> bool:
        """Whether the old layer has or hides something at the path."""
        if path in self._touched:
            return True
        for directory in ancestors(path):
            if directory in self.sides.opaque:
                return True
            if directory in self._touched:
                entry = self.sides.ours.entry(directory)
                if entry is None or entry.type is not Type.DIRECTORY:
                    return True
        return False

    def owned_elsewhere(self, path: str, verdict: Verdict) -> bool:
        """Whether a package other than the verdict's has the path in the end."""
        for packages, keep in ((self.theirs, False), (self.ours, True)):
            for key in packages.owners(path):
                other = self.by_key.get(key)
                if other is not None and other is not verdict and other.keep == keep:
                    return True
        return False

    def placed(self, side: Packages, key: str) -> Iterator[str]:
        """Paths of a package where its files really lie on a side: with that side's diversions."""
        diverted = _diverted(side)
        for path in side.files(key):
            diversion = diverted.get(path)
            moved = diversion is not None and diversion.package != key.partition(":")[0]
            yield side.canonical(diversion.to) if diversion and moved else path


def read(sides: Sides) -> Databases | None:
    """The databases of the sides; None where the instance is no Debian. Raises Refusal."""
    if sides.base.entry(STATUS) is None or sides.ours.entry(STATUS) is None:
        return None
    if sides.theirs.entry(STATUS) is None:
        raise Refusal(f"The new master has no package database: there is no {STATUS}, but the old one has it.")
    try:
        sides.theirs.read(STATUS)
    except ContentUnknown:
        raise Refusal(
            f"It is not known what is in {STATUS} of the new master: its manifest has no text of it."
        ) from None
    ours = Packages(WithJournal(sides.ours))
    listings = getattr(sides.lower, "listings", None)  # of a manifest, which has not dpkg's lists
    return Databases(sides, Packages(sides.base), ours, Packages(sides.theirs, listings))


def unchanged(one: Tree, other: Tree, path: str) -> bool:
    """Whether both have the same at a path, for trees that may not know a checksum."""
    try:
        return same(one, other, path)
    except ContentUnknown:
        return False


def _diverted(side: Packages) -> dict[str, Diversion]:
    return {side.canonical(diversion.path): diversion for diversion in side.diversions}
