# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three-way rule for one path, when nobody knows better."""

from __future__ import annotations

import dataclasses
import os

from ..layers.entry import Entry, Type
from . import entries
from .decision import Action, Decision, Severity
from .defaults import is_backup, is_cache, is_masters_own
from .outcome import nothing, ours_wins, same, same_content, theirs_wins
from .policy import Policy, Wish
from .sides import Sides
from .text_merge import merge as merge_text

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


def plain(sides: Sides, path: str, policy: Policy) -> list[Decision]:
    """Decide about a path that the instance touched; a merge of text may give the path a companion."""
    base, ours, theirs = sides.base.entry(path), sides.ours.entry(path), sides.theirs.entry(path)
    given_up = _given_up(sides, path, ours)
    if given_up:
        return [given_up]
    if same(sides.ours, sides.theirs, path):
        if ours is not None and _is_stamp(sides, path, ours):
            return [Decision(path, Action.KEEP, "stamp", entry=ours)]
        return [theirs_wins(sides, path, "identical")]
    if same(sides.base, sides.theirs, path):
        return [ours_wins(sides, path, "changed" if base and ours else "added" if ours else "deleted")]
    if same(sides.base, sides.ours, path):
        return [theirs_wins(sides, path, "unchanged")]
    return _both(sides, path, policy, base, ours, theirs)


def _given_up(sides: Sides, path: str, ours: Entry | None) -> Decision | None:
    """Files that no layer needs to carry on. A directory is expected to be there by those who fill it."""
    if is_masters_own(path):
        return theirs_wins(sides, path, "master", Severity.NOTE, "only a master says what is in this file")
    if ours is not None and ours.type is Type.DIRECTORY:
        return None
    if is_cache(path):
        return theirs_wins(sides, path, "cache")
    return theirs_wins(sides, path, "backup") if is_backup(path) else None


def _is_stamp(sides: Sides, path: str, ours: Entry) -> bool:
    """Whether a file is empty and the instance has touched it: its time is all that it says (timers have such)."""
    if ours.type is not Type.FILE or ours.size or not same(sides.base, sides.ours, path):
        return False
    places = sides.base.location(path), sides.ours.location(path)
    times = [os.lstat(place).st_mtime_ns for place in places if place is not None]
    return len(set(times)) > 1


def _both(
    sides: Sides, path: str, policy: Policy, base: Entry | None, ours: Entry | None, theirs: Entry | None
) -> list[Decision]:
    """Both sides changed the path, and not to the same."""
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
        return _files(sides, path, policy, base, merged, quarrel)
    if quarrel:
        return [ours_wins(sides, path, "conflict", Severity.CONFLICT, _CONFLICT, merged)]
    return [ours_wins(sides, path, "attributes-merged", entry=merged)]


_CONFLICT = "changed here and in the new master"


def _files(sides: Sides, path: str, policy: Policy, base: Entry | None, merged: Entry, quarrel: bool) -> list[Decision]:
    """Content and attributes are merged apart: a file whose mode alone changed here gets the master's new content."""
    attributes = Severity.CONFLICT if quarrel else Severity.CLEAN
    reason = f"owner, mode or attributes {_CONFLICT}" if quarrel else ""
    was_file = base is not None and base.type is Type.FILE
    if same_content(sides.ours, sides.theirs, path) or (was_file and same_content(sides.base, sides.theirs, path)):
        return [ours_wins(sides, path, "attributes-merged", attributes, reason, merged)]
    if was_file and same_content(sides.base, sides.ours, path):
        theirs = sides.theirs.entry(path)
        entry = dataclasses.replace(merged, size=theirs.size if theirs else 0)
        return [theirs_wins(sides, path, "attributes-merged", attributes, reason, entry)]
    if policy.merges(path):
        texts = list(merge_text(sides, path))
        if texts:
            return texts
    if path.startswith(_PROGRAMS) and _is_program(path, merged):
        return [ours_wins(sides, path, "stale", Severity.DANGER, f"a program {_CONFLICT}, whose is hidden", merged)]
    return [ours_wins(sides, path, "conflict", Severity.CONFLICT, _CONFLICT, merged)]


def _is_program(path: str, entry: Entry) -> bool:
    """Whether a file runs, or runs in programs."""
    return bool(entry.mode & 0o111) or ".so" in path.rpartition("/")[2]
