# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories for what a layer keeps, and nothing below what is none."""

from __future__ import annotations

import dataclasses

from ..layers.entry import Entry, Type
from .decision import Action, Decision, Severity
from .paths import ancestors, parent
from .refusal import Refusal
from .sides import Sides

#: Directories without which nothing runs. Systems of before and after a merged /usr do not fit together.
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/var")
#: What the instance has of its own at a path: it must have a place.
_OWN = (Action.KEEP, Action.WRITE)
#: What only follows the new master: without its directory it has no sense.
_FOLLOWING = (Action.TAKE, Action.DELETE)


def settled(sides: Sides, decisions: dict[str, Decision]) -> dict[str, Decision]:
    """The decisions so that everything in the new layer lies in directories, sorted: parents first.

    What the instance keeps keeps its directories, also those that the new master has no longer, or has something else
    for. What the instance has deleted or replaced takes along what would only follow the new master there. Raises
    Refusal where the new master's system would be hidden.
    """
    places = _Places(sides, dict(decisions))
    for path in sorted(decisions):
        if decisions[path].action in _OWN:
            places.make_parents(path)
    for path in sorted(decisions):
        if decisions[path].action in _FOLLOWING:
            places.follow(path)
    return dict(sorted(places.decisions.items()))


class _Places:
    def __init__(self, sides: Sides, decisions: dict[str, Decision]) -> None:
        self.sides = sides
        self.decisions = decisions
        self.made: set[str] = {"/"}  # directories that are there with all above them

    def make_parents(self, path: str) -> None:
        if parent(path) in self.made:
            return
        for directory in ancestors(path):
            if not self._is_made(directory):
                self.decisions[directory] = self._directory(directory)
            self.made.add(directory)

    def follow(self, path: str) -> None:
        for directory in ancestors(path):
            decision = self.decisions.get(directory)
            if decision is not None and decision.action is not Action.DROP:
                if _makes_directory(decision):
                    continue
            elif _is_directory(self.sides.lower.entry(directory)):
                self.decisions[directory] = self._directory(directory)
                continue
            void = dataclasses.replace(self.decisions[path], action=Action.DROP, entry=None, source="")
            self.decisions[path] = void
            return

    def _is_made(self, directory: str) -> bool:
        decision = self.decisions.get(directory)
        return decision is not None and _makes_directory(decision)

    def _directory(self, path: str) -> Decision:
        """A directory that is there for what is in it, as the new master has it or else the instance."""
        ours, theirs = self.sides.ours.entry(path), self.sides.theirs.entry(path)
        action = Action.KEEP if _is_directory(ours) else Action.TAKE
        if _is_directory(theirs):
            return Decision(path, action, "parent", entry=theirs)
        entry = ours if ours is not None and _is_directory(ours) else Entry(Type.DIRECTORY, 0o755, 0, 0, xattrs={})
        if theirs is None:
            return Decision(path, Action.KEEP, "parent", entry=entry)
        if path in _SYSTEM:
            raise Refusal(
                f"{path} is a {theirs.type.value} in the new master and a directory with changes here, which would "
                "hide the system: install the package usrmerge in the instance, or make a new one"
            )
        reason = f"a directory with changes here, a {theirs.type.value} in the new master"
        return Decision(path, Action.KEEP, "type", Severity.DANGER, reason, entry=entry)


def _makes_directory(decision: Decision) -> bool:
    return _is_directory(decision.entry) and decision.action is not Action.DROP


def _is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry.type is Type.DIRECTORY
