# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dpkg's status, lists and scripts of packages, so that they describe what is in place."""

from __future__ import annotations

from collections import defaultdict
from typing import Iterator

from ..layers.packages import DATABASE, Package
from .decision import Decision, Severity
from .dpkg_database import STATUS, Databases
from .dpkg_depends import unsatisfied
from .dpkg_journal import JOURNAL, stanza
from .dpkg_verdicts import Verdict
from .merged_file import merged_file
from .outcome import nothing, ours_wins, theirs_wins
from .paths import join
from .records import choose

_INFO = f"{DATABASE}/info"
#: What dpkg makes anew, or never reads again.
_NEEDLESS = tuple(
    f"{DATABASE}/{name}"
    for name in ("available", "available-old", "status-old", "diversions-old", "statoverride-old", "arch-old",
                 "lock", "lock-frontend", "triggers/Lock")
)  # fmt: skip


def decide_admin(databases: Databases) -> Iterator[Decision]:
    """What becomes of dpkg's files: the new master's, with the stanzas and lists of what the instance keeps."""
    sides = databases.sides
    for path in _NEEDLESS:
        if databases.touched(path):
            yield theirs_wins(sides, path, "dpkg-needless")
    for name in sides.ours.names(JOURNAL):
        yield nothing(sides, join(JOURNAL, name), "dpkg-needless")
    yield from _info(databases)
    yield from merged_file(sides, STATUS, lambda *texts: _status(databases), "dpkg-status")


def _info(databases: Databases) -> Iterator[Decision]:
    """Lists, checksums and scripts of packages: those of the side whose package holds."""
    sides = databases.sides
    files: dict[str, set[str]] = defaultdict(set)
    for tree in (sides.ours, sides.theirs):
        for name in tree.names(_INFO):
            files[name.rpartition(".")[0]].add(name)
    broken = unsatisfied(databases)
    for verdict in databases.verdicts:
        if verdict.unchanged and not verdict.keys & set(broken):
            continue
        said = False
        wins = ours_wins if verdict.keep else theirs_wins
        for name in sorted(name for key in verdict.keys for name in files.get(key, ())):
            severity, reason = (Severity.CLEAN, "")
            if name.endswith(".list") and not said:
                said, (severity, reason) = True, _remark(verdict, broken)
            yield wins(sides, join(_INFO, name), verdict.rule, severity, reason)


def _remark(verdict: Verdict, broken: dict[str, list[str]]) -> tuple[Severity, str]:
    """What is to be said of a package."""
    reasons = [verdict.reason] if verdict.reason else []
    severity = verdict.severity
    missing = [found for key in sorted(verdict.keys) for found in broken.get(key, ())]
    if missing:
        severity = Severity.DANGER
        reasons.append(f"{verdict.name} will be broken: it {', '.join(missing)}")
    if verdict.keep and verdict.ours and verdict.ours.unpacked and not verdict.ours.installed:
        severity = Severity.DANGER
        reasons.append(f"{verdict.name} is not fully installed in the instance ({verdict.ours.status.split()[-1]})")
    return severity, "; ".join(reasons)


def _status(databases: Databases) -> str:
    parts = []
    for verdict in databases.verdicts:
        if verdict.winner is not None:
            parts.append(stanza(verdict.winner, _selection(verdict)))
    return "".join(parts)


def _selection(verdict: Verdict) -> str:
    """The winner's status with the selection (install, hold, deinstall) of the side that changed it."""
    if verdict.winner is None:
        raise ValueError("a package that nobody has has no selection")
    wanted, _space, state = verdict.winner.status.partition(" ")
    if verdict.ours is None or verdict.theirs is None:
        return verdict.winner.status
    wants = [_wanted(package) for package in (verdict.base, verdict.ours, verdict.theirs)]
    if verdict.ours.unpacked and verdict.theirs.unpacked:
        wanted = choose(*wants)[0]
    return f"{wanted} {state}"


def _wanted(package: Package | None) -> str:
    return package.status.partition(" ")[0] if package else ""
