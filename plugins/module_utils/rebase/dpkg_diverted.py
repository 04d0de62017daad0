# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a diversion of the instance has put elsewhere."""

from __future__ import annotations

from typing import Iterator

from .decision import Decision, Severity
from .dpkg_database import Databases, unchanged
from .dpkg_lists import final_diversions
from .outcome import nothing, ours_wins, taken_from


def decide_diverted(databases: Databases) -> Iterator[Decision]:
    """The new master's file goes where a diversion that only the instance has puts it.

    What stands at the diverted path (another package's file, an administrator's, nothing) stays.
    """
    sides = databases.sides
    known = {(found.path, found.to) for found in databases.theirs.diversions}
    for found in final_diversions(databases):
        if (found.path, found.to) in known:
            continue
        path, to = databases.theirs.canonical(found.path), databases.theirs.canonical(found.to)
        if sides.theirs.entry(path) is None:
            continue
        if sides.ours.entry(path) is None:
            yield nothing(sides, path, "diverted")
        elif not unchanged(sides.ours, sides.base, path):
            yield ours_wins(sides, path, "diverted")
        else:
            continue  # nothing was ever diverted
        if sides.ours.entry(to) is None or unchanged(sides.base, sides.theirs, path):
            continue
        if sides.ours.sha256(to) == sides.base.sha256(path):
            yield taken_from(sides, to, path, "diverted")
        else:
            reason = f"was put here from {path} and changed since, while the new master has changed it as well"
            yield ours_wins(sides, to, "diverted", Severity.CONFLICT, reason)
