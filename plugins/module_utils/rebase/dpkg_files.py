# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of packages: each follows what was decided of its package."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Iterator

from ..layers.entry import Entry, Type
from ..layers.packages import Package
from ..layers.tree import ContentUnknown, Tree
from . import entries
from .decision import Decision, Severity
from .dpkg_database import Databases, unchanged
from .dpkg_verdicts import Verdict
from .outcome import nothing, ours_wins, theirs_wins
from .paths import ancestors, join


def decide_files(databases: Databases) -> Iterator[Decision]:
    """What becomes of files of packages that have not the same version on all sides.

    What is not decided here follows the plain rules: what an instance did to files of a package that it has not
    changed, configuration files that somebody edited.
    """
    rules = {
        "package-upgraded": _upgraded, "package-older": _given_up, "package-equal": _given_up,
        "package-newer": _kept, "package-installed": _kept, "package-removed": _removed,
    }  # fmt: skip
    for verdict in databases.verdicts:
        if verdict.rule in rules:
            yield from rules[verdict.rule](databases, verdict)


def _upgraded(databases: Databases, verdict: Verdict) -> Iterator[Decision]:
    """The new master upgraded the package, the instance did not: what it edited by hand gives way where both did."""
    sides, conffiles = databases.sides, _conffiles(verdict)
    for path in _paths(databases, verdict, "base", "theirs"):
        if path in conffiles or not databases.touched(path):
            continue
        base, ours, theirs = (tree.entry(path) for tree in (sides.base, sides.ours, sides.theirs))
        if not (base and ours and theirs) or {base.type, ours.type, theirs.type} != {Type.FILE}:
            continue
        if unchanged(sides.ours, sides.base, path) or _same_bytes(sides.base, sides.theirs, path):
            continue
        if _same_bytes(sides.ours, sides.base, path):
            yield theirs_wins(sides, path, "attributes-merged", entry=_attributes(base, ours, theirs))
            continue
        reason = f"edited in the instance; {verdict.name} is newer in the new master, whose file takes its place"
        yield theirs_wins(sides, path, "package-file", Severity.NOTE, reason, _attributes(base, ours, theirs))


def _given_up(databases: Databases, verdict: Verdict) -> Iterator[Decision]:
    """The instance has another version, not newer than the new master's, whose files take the place of its own."""
    sides, conffiles = databases.sides, _conffiles(verdict)
    configured = {conffile.path for conffile in verdict.ours.conffiles} if verdict.ours else set()
    for path in _paths(databases, verdict, "base", "ours", "theirs"):
        if not databases.affected(path):
            continue
        base, ours, theirs = (tree.entry(path) for tree in (sides.base, sides.ours, sides.theirs))
        if path in conffiles:
            if ours and _is_shipped(verdict.ours, sides.ours, path):
                yield theirs_wins(sides, path, "conffile-unmodified", entry=_attributes(base, ours, theirs))
            elif ours is None and base is not None:
                wins = nothing if path in configured else theirs_wins
                yield wins(sides, path, "conffile-deleted" if path in configured else verdict.rule)
            continue
        if theirs is not None and theirs.type is Type.DIRECTORY:
            continue
        if ours is not None and ours.type is Type.DIRECTORY:
            continue
        yield theirs_wins(sides, path, verdict.rule, entry=_attributes(base, ours, theirs))


def _kept(databases: Databases, verdict: Verdict) -> Iterator[Decision]:
    """The instance's version stays, with all its files, those among them that it had from the old master."""
    sides, conffiles = databases.sides, _conffiles(verdict)
    own = set(_paths(databases, verdict, "ours"))
    for path in sorted(own):
        ours, theirs = sides.ours.entry(path), sides.theirs.entry(path)
        if ours is None:
            continue
        if ours.type is Type.DIRECTORY:
            if theirs is None:
                yield ours_wins(sides, path, verdict.rule)
            continue
        if not databases.touched(path) and unchanged(sides.theirs, sides.ours, path):
            continue
        if path in conffiles and _edited_by_master(databases, verdict, path):
            continue
        yield _kept_file(databases, verdict, path)
    if verdict.theirs is not None:
        yield from _without(databases, verdict, own)


def _kept_file(databases: Databases, verdict: Verdict, path: str) -> Decision:
    sides = databases.sides
    shared = sides.base.entry(path) is None and databases.owned_elsewhere(path, verdict)
    if not shared or unchanged(sides.ours, sides.theirs, path):
        return ours_wins(sides, path, verdict.rule)
    others = ", ".join(key for key in databases.theirs.owners(path) if key not in verdict.keys)
    reason = f"belongs to {verdict.name} of the instance, and hides the new master's file of {others}"
    return ours_wins(sides, path, verdict.rule, Severity.DANGER, reason)


def _removed(databases: Databases, verdict: Verdict) -> Iterator[Decision]:
    """The instance removed the package: what the new master has of it is hidden, configuration may be left."""
    sides = databases.sides
    for conffile in verdict.ours.conffiles if verdict.ours else ():
        there = sides.ours.entry(conffile.path) is not None and not databases.touched(conffile.path)
        if there and not unchanged(sides.base, sides.theirs, conffile.path):
            yield ours_wins(sides, conffile.path, verdict.rule)
    yield from _without(databases, verdict, set())


def _without(databases: Databases, verdict: Verdict, kept: set[str]) -> Iterator[Decision]:
    """Hide files that only the new master's version has, a whole directory where nothing else is in it."""
    sides = databases.sides
    hidden = {
        path
        for path in _paths(databases, verdict, "theirs")
        if path not in kept
        and (entry := sides.theirs.entry(path)) is not None
        and entry.type is not Type.DIRECTORY
        and sides.ours.entry(path) is None
        and not databases.owned_elsewhere(path, verdict)
    }
    for directory in sorted({above for path in hidden for above in ancestors(path)}, reverse=True):  # the deepest first
        names = sides.theirs.names(directory)
        if sides.ours.entry(directory) is None and all(_goes(join(directory, name), hidden) for name in names):
            hidden.add(directory)
    for path in sorted(hidden):
        if path.rpartition("/")[0] not in hidden:
            yield nothing(sides, path, verdict.rule)


def _goes(path: str, hidden: set[str]) -> bool:
    return path in hidden or path.endswith("/__pycache__")


def _paths(databases: Databases, verdict: Verdict, *sides: str) -> list[str]:
    """Paths of the package on these sides, sorted."""
    found: set[str] = set()
    for side in sides:
        package = getattr(verdict, side)
        if package is not None:
            found.update(databases.placed(getattr(databases, side), package.key))
    return sorted(found)


def _conffiles(verdict: Verdict) -> set[str]:
    known = (verdict.base, verdict.ours, verdict.theirs)
    return {conffile.path for package in known if package for conffile in package.conffiles}


def _edited_by_master(databases: Databases, verdict: Verdict, path: str) -> bool:
    """Whether the new master's configuration file is neither the old one nor its package's."""
    sides = databases.sides
    if sides.theirs.entry(path) is None or unchanged(sides.base, sides.theirs, path):
        return False
    return not _is_shipped(verdict.theirs, sides.theirs, path)


def _is_shipped(package: Package | None, tree: Tree, path: str) -> bool:
    """Whether a configuration file is as the package brought it."""
    shipped = {conffile.path: conffile.md5 for conffile in package.conffiles} if package else {}
    entry = tree.entry(path)
    if path not in shipped or entry is None or entry.type is not Type.FILE:
        return False
    try:
        return hashlib.md5(tree.read(path), usedforsecurity=False).hexdigest() == shipped[path]
    except ContentUnknown:
        return False


def _same_bytes(one: Tree, other: Tree, path: str) -> bool:
    first, second = one.entry(path), other.entry(path)
    return bool(first and second and first.size == second.size) and one.sha256(path) == other.sha256(path)


def _attributes(base: Entry | None, ours: Entry | None, theirs: Entry | None) -> Entry | None:
    """The new master's file with the attributes that the instance gave its own; None when there is nothing to merge."""
    if not (base and ours and theirs) or {base.type, ours.type, theirs.type} != {Type.FILE}:
        return None
    return dataclasses.replace(entries.merge(base, ours, theirs), size=theirs.size)
