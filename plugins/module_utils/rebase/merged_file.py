# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are merged by a rule of their own: databases, lists."""

from __future__ import annotations

from typing import Callable, Iterator

from ..layers.entry import Type
from ..layers.tree import ContentUnknown, Tree
from . import entries
from .decision import Decision, Severity
from .outcome import nothing, written
from .sides import Sides

#: Texts of base, ours and theirs, empty where there is no file, to the merged one.
Merge = Callable[[str, str, str], str]


def merged_file(sides: Sides, path: str, merge: Merge, rule: str, empty: bool = True) -> Iterator[Decision]:
    """One decision about a file, when the new master's is not right as it is. Without ``empty`` an empty one goes."""
    base, ours, theirs = (tree.entry(path) for tree in (sides.base, sides.ours, sides.theirs))
    if any(entry is not None and entry.type is not Type.FILE for entry in (ours, theirs)) or not (ours or theirs):
        return
    if base is not None and base.type is not Type.FILE:
        base = None
    entry = entries.merge(base, ours, theirs) if ours and theirs else ours or theirs
    if entry is None:
        return
    try:
        before, mine, new = (text_of(tree, path) for tree in (sides.base, sides.ours, sides.theirs))
    except ContentUnknown:
        if path in sides.touched:
            reason = "changed on both sides; what comes of it is unknown until then"
            yield written(sides, path, None, entry, rule, Severity.NOTE, reason)
        return
    text = merge(before, mine, new)
    if not text and not empty:
        yield nothing(sides, path, rule)
    elif text != new or theirs is None or path in sides.touched:
        yield written(sides, path, text.encode(errors="surrogateescape"), entry, rule)


def text_of(tree: Tree, path: str) -> str:
    """A file's text; empty when it is no file. Raises ContentUnknown."""
    entry = tree.entry(path)
    if entry is None or entry.type is not Type.FILE:
        return ""
    return tree.read(path).decode(errors="surrogateescape")
