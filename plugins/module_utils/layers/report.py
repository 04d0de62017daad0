# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything about an instance's overlay at one time: differences, packages, space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from . import by_package, fill, sums
from .by_package import Owned, PackageDifference
from .differences import differences
from .entry import Type
from .packages import DATABASE, Packages
from .stack import Stack
from .tree import Tree
from .upper import Upper

#: Directories that a sample keeps the sizes of.
_REMEMBERED = 50


@dataclass(frozen=True)
class Report:
    """What was found; the words in which it is told are made of it elsewhere."""

    owned: tuple[Owned, ...]
    packages: tuple[PackageDifference, ...]
    users: dict[int, str]
    disk: fill.Disk
    samples: tuple[fill.Sample, ...]  # earlier ones, by time
    time: int  # seconds since the epoch

    @property
    def forecast(self) -> fill.Forecast | None:
        """When the overlay disk will be full."""
        return fill.forecast(self.samples, self.disk, self.time)

    @property
    def sample(self) -> fill.Sample:
        """What later reports can compare with."""
        directories = {one.name: one.allocated for one in sums.by_directory(self.owned, _REMEMBERED) if one.allocated}
        return fill.Sample(self.time, self.disk.used, directories)

    @property
    def growth(self) -> dict[str, int]:
        """Directories that have grown since the last sample, and by how many bytes."""
        if not self.samples:
            return {}
        return sums.growth(sums.by_directory(self.owned, _REMEMBERED), self.samples[-1].directories)

    @property
    def divergence(self) -> int:
        """How far the instance is from its master, 0 to 99."""
        return sums.divergence(self.owned, self.packages)


def examine(upper: str, lowers: Sequence[str], samples: Sequence[fill.Sample], now: int) -> Report:
    """Compare an upper directory with those below it (topmost first, the master last).

    The samples are earlier ones, by time; ``now`` is in seconds since the epoch. Raises ForeignLayer, OSError.
    """
    found = differences(Upper(upper), lowers)
    master, instance = Stack(lowers), Stack([upper, *lowers])
    base = Packages(master)
    touched = any(difference.path.startswith(f"{DATABASE}/") for difference in found)
    ours = Packages(instance) if touched else base
    owned = by_package.assign(found, base, ours)
    return Report(
        owned=tuple(owned),
        packages=tuple(by_package.by_package(owned, base, ours)),
        users=sums.user_names(_text(instance, "/etc/passwd")),
        disk=fill.measure(upper),
        samples=tuple(samples),
        time=now,
    )


def _text(tree: Tree, path: str) -> str:
    entry = tree.entry(path)
    if entry is None or entry.type is not Type.FILE:
        return ""
    return tree.read(path).decode(errors="surrogateescape")
