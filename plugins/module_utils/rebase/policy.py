# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and defaults say about paths, before any rule.

Lines of ``/etc/skinnybox/rebase.conf`` and ``/etc/skinnybox/rebase.d/*.conf``: a word and a glob of absolute paths;
``#`` begins a comment. They are about what an instance has changed; the last line that matches a path holds. The new
master's are read first, then those that the instance has of its own.

    keep            what the instance has
    master          what the new master has
    merge           lines changed on both sides are merged, as in /etc
    conflict-fails  a conflict here refuses the whole rebase; goes together with the other words
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from ..layers.tree import Tree
from .defaults import is_database, is_text
from .globs import matches
from .outcome import same
from .refusal import Refusal
from .sides import Sides

DIRECTORY = "/etc/skinnybox"
_LINE = re.compile(r"(\S+)\s+(/.*)")


class Wish(str, Enum):
    """What is to happen to what the instance changed at a path."""

    KEEP = "keep"
    MASTER = "master"
    MERGE = "merge"
    CONFLICT_FAILS = "conflict-fails"


@dataclass(frozen=True)
class Line:
    """One line of a configuration."""

    wish: Wish
    glob: str

    def matches(self, path: str) -> bool:
        """Whether the line is about the path."""
        return matches(path, (self.glob,))


@dataclass(frozen=True)
class Policy:
    """The lines that people have written, the last one first."""

    lines: tuple[Line, ...] = ()

    def wish(self, path: str) -> Wish | None:
        """What people want at a path: KEEP, MASTER, MERGE, or None when they have not said it."""
        if is_database(path):
            return None
        return next((ln.wish for ln in self.lines if ln.wish is not Wish.CONFLICT_FAILS and ln.matches(path)), None)

    def merges(self, path: str) -> bool:
        """Whether text that both sides changed is merged at a path."""
        wish = self.wish(path)
        return wish is Wish.MERGE or (wish is None and is_text(path))

    def fails(self, path: str) -> bool:
        """Whether a conflict at a path must not be carried over."""
        return any(line.wish is Wish.CONFLICT_FAILS and line.matches(path) for line in self.lines)


def read_policy(sides: Sides) -> Policy:
    """The lines that hold for a rebase. Raises Refusal with file and line when one cannot be understood."""
    lines: list[Line] = []
    for tree, changed_only in ((sides.theirs, False), (sides.ours, True)):
        for path in _files(tree):
            if changed_only and (same(sides.base, tree, path) or same(sides.theirs, tree, path)):
                continue
            lines += parse(path, tree.read(path).decode(errors="surrogateescape"))
    return Policy(tuple(reversed(lines)))


def parse(path: str, text: str) -> list[Line]:
    """The lines of a file, which is named in the Refusal that is raised when one is bad."""
    lines = []
    for number, written in enumerate(text.splitlines(), start=1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if not found or found[1] not in set(Wish):
            wishes = ", ".join(Wish)
            raise Refusal(f"{path} line {number}: {line!r} is not one of {wishes} and a glob that begins with a slash")
        lines.append(Line(Wish(found[1]), found[2]))
    return lines


def _files(tree: Tree) -> list[str]:
    drop_ins = f"{DIRECTORY}/rebase.d"
    found = [f"{drop_ins}/{name}" for name in tree.names(drop_ins) if name.endswith(".conf")]
    return [path for path in (f"{DIRECTORY}/rebase.conf", *found) if _is_file(tree, path)]


def _is_file(tree: Tree, path: str) -> bool:
    entry = tree.entry(path)
    return entry is not None and entry.type == "file"
