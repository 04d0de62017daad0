# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three-way rule for one path, when nobody knows better."""

from __future__ import annotations

import dataclasses
import functools
import os

from ..layers.entry import Entry, Type
from . import entries
from .decision import Action, Decision, Severity
from .defaults import is_backup, is_cache, is_generated, is_masters_own
from .outcome import nothing, ours_wins, same_content, theirs_wins
from .policy import Policy, Wish
from .sides import Sides
from .text_merge import merge as merge_text

_CONFLICT = "changed here and in the new master"
#: Where programs and libraries are that a new master's security fixes change.
_PROGRAMS = ("/usr/", "/bin/", "/sbin/", "/lib", "/opt/")


def wished(sides: Sides, path: str, policy: Policy) -> Decision | None:
    """What people have written for a path; None when that leaves it to the rules."""
    wish = policy.wish(path)
    if wish is Wish.KEEP:
        return ours_wins(sides, path, "policy-keep")
    if wish is Wish.MASTER:
        return theirs_wins(sides, path, "policy-master", Severity.NOTE, "the configuration says so")
    return None


class _Comparison:
    """A path on the three sides; what is in files is compared when it is asked for, and once."""

    def __init__(self, sides: Sides, path: str) -> None:
        self.sides = sides
        self.path = path
        self.base = sides.base.entry(path)
        self.ours = sides.ours.entry(path)
        self.theirs = sides.theirs.entry(path)

    @functools.cached_property
    def our_content_is_theirs(self) -> bool:
        return self._files(self.ours, self.theirs) and same_content(self.sides.ours, self.sides.theirs, self.path)

    @functools.cached_property
    def base_content_is_theirs(self) -> bool:
        return self._files(self.base, self.theirs) and same_content(self.sides.base, self.sides.theirs, self.path)

    @functools.cached_property
    def base_content_is_ours(self) -> bool:
        return self._files(self.base, self.ours) and same_content(self.sides.base, self.sides.ours, self.path)

    @property
    def ours_is_theirs(self) -> bool:
        return self.ours == self.theirs and (not self._files(self.ours) or self.our_content_is_theirs)

    @property
    def base_is_theirs(self) -> bool:
        return self.base == self.theirs and (not self._files(self.base) or self.base_content_is_theirs)

    @property
    def base_is_ours(self) -> bool:
        return self.base == self.ours and (not self._files(self.base) or self.base_content_is_ours)

    def _files(self, *entries: Entry | None) -> bool:
        return all(entry is not None and entry.type is Type.FILE for entry in entries)


def plain(sides: Sides, path: str, policy: Policy) -> list[Decision]:
    """Decide about a path that the instance touched; a merge of text may give the path a companion."""
    compared = _Comparison(sides, path)
    base, ours = compared.base, compared.ours
    given_up = _given_up(sides, path, ours)
    if given_up:
        return [given_up]
    if compared.ours_is_theirs:
        if _is_stamp(compared):
            return [Decision(path, Action.KEEP, "stamp", entry=ours)]
        return [theirs_wins(sides, path, "identical")]
    if compared.base_is_theirs:
        return [ours_wins(sides, path, "changed" if base and ours else "added" if ours else "deleted")]
    if compared.base_is_ours:
        return [theirs_wins(sides, path, "unchanged")]
    return _both(compared, policy)


def _given_up(sides: Sides, path: str, ours: Entry | None) -> Decision | None:
    """Files that no layer needs to carry on. A directory is expected to be there by those who fill it."""
    if is_masters_own(path):
        return theirs_wins(sides, path, "master", Severity.NOTE, "only a master says what is in this file")
    if ours is not None and ours.type is Type.DIRECTORY and not path.endswith("/__pycache__"):
        return None
    if is_cache(path):
        return theirs_wins(sides, path, "cache")
    return theirs_wins(sides, path, "backup") if is_backup(path) else None


def _is_stamp(compared: _Comparison) -> bool:
    """Whether a file is empty and the instance has touched it: its time is all that it says (timers have such)."""
    ours, sides = compared.ours, compared.sides
    if ours is None or ours.type is not Type.FILE or ours.size or ours != compared.base:
        return False
    places = sides.base.location(compared.path), sides.ours.location(compared.path)
    times = [os.lstat(place).st_mtime_ns for place in places if place is not None]
    return len(set(times)) > 1


def _both(compared: _Comparison, policy: Policy) -> list[Decision]:
    """Both sides changed the path, and not to the same."""
    sides, path = compared.sides, compared.path
    base, ours, theirs = compared.base, compared.ours, compared.theirs
    if ours is None:
        return [nothing(sides, path, "deleted", Severity.NOTE, "deleted here; the new master has a changed one")]
    if theirs is None:
        return [ours_wins(sides, path, "orphan", Severity.CONFLICT, "changed here; the new master has it no longer")]
    if ours.type is not theirs.type:
        reason = f"a {ours.type.value} here, a {theirs.type.value} in the new master"
        return [ours_wins(sides, path, "type", Severity.DANGER, reason)]
    merged = entries.merge(base, ours, theirs)
    quarrel = entries.quarrel(base, ours, theirs)
    if ours.type is Type.FILE:
        return _files(compared, policy, dataclasses.replace(merged, size=theirs.size), merged, quarrel)
    if quarrel:
        return [ours_wins(sides, path, "conflict", Severity.CONFLICT, _CONFLICT, merged)]
    return [ours_wins(sides, path, "attributes-merged", entry=merged)]


def _files(compared: _Comparison, policy: Policy, theirs: Entry, ours: Entry, quarrel: bool) -> list[Decision]:
    """Content and attributes are merged apart: a file whose mode alone changed here gets the master's new content.

    The entries have the merged attributes, with the size of either side's content.
    """
    sides, path = compared.sides, compared.path
    attributes = Severity.CONFLICT if quarrel else Severity.CLEAN
    reason = f"owner, mode or attributes {_CONFLICT}" if quarrel else ""
    if compared.our_content_is_theirs or compared.base_content_is_theirs:
        return [ours_wins(sides, path, "attributes-merged", attributes, reason, ours)]
    if compared.base_content_is_ours:
        return [theirs_wins(sides, path, "attributes-merged", attributes, reason, theirs)]
    if policy.merges(path):
        texts = list(merge_text(sides, path))
        if texts:
            return texts
    if is_generated(path):
        reason = "made by packages here and in the new master; made anew with the next package that concerns it"
        return [ours_wins(sides, path, "generated", Severity.NOTE, reason, ours)]
    if path.startswith(_PROGRAMS) and _is_program(path, ours):
        return [ours_wins(sides, path, "stale", Severity.DANGER, f"a program {_CONFLICT}, whose is hidden", ours)]
    return [ours_wins(sides, path, "conflict", Severity.CONFLICT, _CONFLICT, ours)]


def _is_program(path: str, entry: Entry) -> bool:
    """Whether a file runs, or runs in programs."""
    return bool(entry.mode & 0o111) or ".so" in path.rpartition("/")[2]
