# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule wants at a path, said as what the new layer needs for it.

A rule knows whose file wins; whether the layer must hold it, hide something or stay empty there follows from what the
new master has at the path.
"""

from __future__ import annotations

import dataclasses
import hashlib

from ..layers.entry import Entry, Type
from ..layers.files import same_content as same_bytes
from ..layers.tree import Tree
from .decision import Action, Decision, Severity
from .sides import Sides


def same_content(one: Tree, other: Tree, path: str) -> bool:
    """Whether two files of the same path have the same content; their types are known to be files."""
    first, second = one.entry(path), other.entry(path)
    if first is None or second is None or first.size != second.size:
        return False
    places = one.location(path), other.location(path)
    if places[0] is None or places[1] is None:
        return one.sha256(path) == other.sha256(path)
    return places[0] == places[1] or same_bytes(places[0], places[1])


def same(one: Tree, other: Tree, path: str) -> bool:
    """Whether two trees have the same at a path: nothing in both, or equal entries with equal content."""
    first, second = one.entry(path), other.entry(path)
    if first != second:
        return False
    return first is None or first.type is not Type.FILE or same_content(one, other, path)


def ours_wins(
    sides: Sides,
    path: str,
    rule: str,
    severity: Severity = Severity.CLEAN,
    reason: str = "",
    entry: Entry | None = None,
) -> Decision:
    """The path becomes what the instance has there, with other attributes when an entry is given."""
    have = sides.ours.entry(path)
    if have is None:
        return nothing(sides, path, rule, severity, reason)
    wanted = entry or have
    if wanted == sides.lower.entry(path) and (
        wanted.type is not Type.FILE or same_content(sides.ours, sides.lower, path)
    ):
        return Decision(path, Action.DROP, rule, severity, reason)
    return Decision(path, Action.KEEP, rule, severity, reason, entry=wanted)


def theirs_wins(
    sides: Sides,
    path: str,
    rule: str,
    severity: Severity = Severity.CLEAN,
    reason: str = "",
    entry: Entry | None = None,
) -> Decision:
    """The path becomes what the new master has there, with other attributes when an entry is given."""
    have = sides.theirs.entry(path)
    wanted = entry or have
    if wanted is None or wanted == sides.lower.entry(path):
        return Decision(path, Action.DROP, rule, severity, reason)
    return Decision(path, Action.TAKE, rule, severity, reason, entry=wanted)


def taken_from(
    sides: Sides, path: str, source: str, rule: str, severity: Severity = Severity.CLEAN, reason: str = ""
) -> Decision:
    """The path becomes what the new master has at another path, which exists there."""
    return Decision(path, Action.TAKE, rule, severity, reason, entry=sides.theirs.entry(source), source=source)


def written(
    sides: Sides,
    path: str,
    content: bytes | None,
    entry: Entry,
    rule: str,
    severity: Severity = Severity.CLEAN,
    reason: str = "",
) -> Decision:
    """The path becomes a file with this content (None: not known before the real run) and the entry's attributes."""
    if content is None:
        return Decision(path, Action.WRITE, rule, severity, reason, entry=entry)
    wanted, checksum = (
        dataclasses.replace(entry, type=Type.FILE, size=len(content)),
        hashlib.sha256(content).hexdigest(),
    )
    for tree, action in ((sides.lower, Action.DROP), (sides.ours, Action.KEEP)):
        if tree.entry(path) == wanted and tree.sha256(path) == checksum:
            kept = None if action is Action.DROP else wanted
            return Decision(path, action, rule, severity, reason, entry=kept)
    return Decision(path, Action.WRITE, rule, severity, reason, entry=wanted, content=content)


def nothing(sides: Sides, path: str, rule: str, severity: Severity = Severity.CLEAN, reason: str = "") -> Decision:
    """Nothing is to be seen at the path: a whiteout where the new master has something."""
    action = Action.DROP if sides.lower.entry(path) is None else Action.DELETE
    return Decision(path, action, rule, severity, reason)
