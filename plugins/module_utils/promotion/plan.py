# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an import of a promotion would do to a golden VM, and what only a person can decide."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from typing import Iterator, Mapping

from ..layers.entry import Entry, Type
from ..layers.tree import Tree
from ..rebase.accounts import Accounts
from ..rebase.defaults import is_cache
from ..rebase.paths import join, parent
from .accounts import merge_accounts
from .index import Index, Item, State

#: Where a choice by file would make one of two databases that contradict each other.
_INDIVISIBLE = ("/var/lib/dpkg/status", "/var/lib/dpkg/diversions", "/var/lib/dpkg/statoverride")


class Answer(str, Enum):
    """Whose file stays where the golden VM was changed, too."""

    REFUSE = "refuse"
    INSTANCE = "instance"
    GOLDEN = "golden"


class Conflicts(Exception):
    """The golden VM has changed what the instance changed; nothing was written."""


@dataclass(frozen=True)
class _Conflict:
    """Why a path cannot simply be done."""

    reason: str
    is_of_place: bool = False  # where the golden VM is, the instance's file cannot go


@dataclass(frozen=True)
class Plan:
    """What is to be done; what is there already is in no list."""

    place: frozenset[str] = frozenset()
    delete: tuple[str, ...] = ()  # deepest first
    accounts: Mapping[str, bytes] = field(default_factory=dict)  # new content by path
    left: Mapping[str, str] = field(default_factory=dict)  # what the golden VM keeps by path, and why
    notes: tuple[str, ...] = ()  # about accounts
    bytes: int = 0  # that it needs on the disk, at most


def make_plan(index: Index, golden: Tree, answer: Answer, goes_on: bool) -> tuple[Plan, Accounts]:
    """Compare an archive with the golden VM's root; also its accounts, by whose numbers owners are translated.

    ``goes_on``: an import of this archive was begun and interrupted, so that nothing is a conflict. Raises Conflicts,
    Refusal.
    """
    accounts = merge_accounts(index.master_accounts, golden, index.instance_accounts)
    look = _Look(index, golden, accounts)
    conflicts = {} if goes_on else look.conflicts()
    stay = _settle(conflicts, answer)
    place = {path for path in look.missing() if path not in stay}
    plan = Plan(
        place=frozenset(place),
        delete=tuple(path for path in index.deletions if path not in stay and golden.entry(path)),
        accounts=dict(_changed_accounts(accounts, golden)),
        left={path: conflicts[path].reason for path in sorted(stay)},
        notes=tuple(reason for notes in accounts.notes.values() for _severity, reason in notes),
        bytes=sum(index.items[path].allocated for path in place),
    )
    return plan, accounts


@dataclass
class _Look:
    index: Index
    golden: Tree
    accounts: Accounts

    def missing(self) -> Iterator[str]:
        """Paths that are not as the instance has them; all names of a file when one is not."""
        groups: dict[str, list[str]] = {}
        for path, item in self.index.items.items():
            groups.setdefault(item.link or path, []).append(path)
        for first, paths in groups.items():
            state = self.index.items[first].now
            done = all(self._is(path, self._translated(state, self.accounts.theirs)) for path in paths)
            if not done or len({self._inode(path) for path in paths}) > 1:
                yield from paths

    def conflicts(self) -> dict[str, _Conflict]:
        """Paths that cannot simply be done, and why."""
        found = {}
        for path, item in self.index.items.items():
            first = self.index.items[item.link] if item.link else item
            conflict = self._conflict(path, first.now, item.was) or self._unplaced(path, item)
            if conflict:
                found[path] = conflict
        for path, was in self.index.deletions.items():
            if conflict := self._conflict(path, None, was) or self._strangers(path):
                found[path] = conflict
        return found

    def _conflict(self, path: str, now: State | None, was: State | None) -> _Conflict | None:
        if self._is(path, now and self._translated(now, self.accounts.theirs)):
            return None
        if self._is(path, was and self._translated(was, self.accounts.base)):
            return None
        if is_cache(path):  # what Python has compiled belongs to its source
            return None
        if not self.golden.entry(path):
            return _Conflict("the golden VM has it no more")
        whose = "another one than the instance's master" if was else "one of its own"
        return _Conflict(f"the golden VM has {whose}")

    def _unplaced(self, path: str, item: Item) -> _Conflict | None:
        directory = parent(path)
        made = self.index.items.get(directory)
        if made and made.now.entry.type is not Type.DIRECTORY:
            return _Conflict(f"{directory} is no directory", is_of_place=True)
        if not made and not _is_directory(self.golden.entry(directory)):
            return _Conflict(f"the golden VM has no directory {directory}", is_of_place=True)
        return None if item.now.entry.type is Type.DIRECTORY else self._strangers(path)

    def _strangers(self, path: str) -> _Conflict | None:
        """What would go with a directory, and is not the instance's to delete."""
        for name in self.golden.names(path):
            if join(path, name) not in self.index.deletions:
                return _Conflict(f"the golden VM has {name} in it", is_of_place=True)
        return None

    def _is(self, path: str, state: State | None) -> bool:
        entry = self.golden.entry(path)
        if state is None or entry is None:
            return entry is None and state is None
        return entry == state.entry and (entry.type is not Type.FILE or self.golden.sha256(path) == state.sha256)

    def _translated(self, state: State, numbers: object) -> State:
        return State(numbers.entry(state.entry), state.sha256)  # type: ignore[attr-defined]

    def _inode(self, path: str) -> int:
        location = self.golden.location(path)
        return os.lstat(location).st_ino if location else 0


def _settle(conflicts: Mapping[str, _Conflict], answer: Answer) -> set[str]:
    """Paths that are left as they are. Raises Conflicts when nobody has said what is to be done."""
    firm = {path for path in conflicts if path in _INDIVISIBLE}
    if answer is Answer.INSTANCE:
        firm |= {path for path, conflict in conflicts.items() if conflict.is_of_place}
    refused = conflicts if answer is Answer.REFUSE else firm
    if refused:
        raise Conflicts(_sentence(conflicts, sorted(refused)))
    return set(conflicts) if answer is Answer.GOLDEN else set()


def _sentence(conflicts: Mapping[str, _Conflict], paths: list[str]) -> str:
    shown = "; ".join(f"{path}: {conflicts[path].reason}" for path in paths[:10])
    more = f"; and {len(paths) - 10} more" if len(paths) > 10 else ""
    return (
        f"The golden VM was changed where the instance was changed, {len(paths)} times: {shown}{more}. Nothing was "
        "written. Promote into a golden VM that is as the instance's master, or publish it as it is, upgrade the "
        "instance to that version and promote then"
    )


def _changed_accounts(accounts: Accounts, golden: Tree) -> Iterator[tuple[str, bytes]]:
    for path, text in accounts.texts.items():
        content = text.encode(errors="surrogateescape")
        if golden.read(path) != content:
            yield path, content


def _is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry.type is Type.DIRECTORY
