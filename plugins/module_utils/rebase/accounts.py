# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users and groups of the three sides: their files in the new layer, and the numbers by which owners compare."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Iterable, Iterator

from ..layers.entry import Type
from ..layers.tree import ContentUnknown, Tree
from . import entries
from .accounts_merge import Merged, merge_accounts
from .accounts_subordinate import merge_subordinate
from .accounts_table import SHAPES, Table, bad_lines, parse
from .decision import Action, Decision, Severity
from .numbers import NoNumberLeft, Numbers
from .outcome import written
from .refusal import Refusal
from .sides import Sides

RULE = "accounts-merged"
SUBORDINATE = ("subuid", "subgid")


@dataclass(frozen=True)
class Accounts:
    """The merged accounts."""

    base: Numbers  # from the old master's numbers to the final ones
    theirs: Numbers  # from the new master's
    texts: dict[str, str]  # the new files, by path
    notes: dict[str, list[tuple[Severity, str]]]  # by path
    unknown: tuple[str, ...] = ()  # paths of those whose content in the new master is not known yet

    def decide(self, sides: Sides) -> Iterator[Decision]:
        """What becomes of the files of accounts: a step of the rebase, and the first one."""
        for path in self.unknown:
            entry = sides.ours.entry(path)
            if entry is not None and path in sides.touched:
                yield written(sides, path, None, entry, RULE, reason="accounts of both sides, unknown until then")
        for path, text in self.texts.items():
            content = text.encode(errors="surrogateescape")
            base, ours, theirs = (tree.entry(path) for tree in (sides.base, sides.ours, sides.theirs))
            if ours is None or theirs is None:  # it has a text, so both are there
                continue
            severities = [severity for severity, _reason in self.notes[path]]
            worst = max(severities, key=list(Severity).index, default=Severity.CLEAN)
            reason = "; ".join(reason for _severity, reason in self.notes[path])
            decision = written(sides, path, content, entries.merge(base, ours, theirs), RULE, worst, reason)
            if decision.action is not Action.DROP or path in sides.touched:
                yield decision


def read(base: Tree, ours: Tree, theirs: Tree) -> Accounts:
    """Merge the accounts of three trees, whose owners have the numbers of their own.

    A file that one side has not, or cannot tell (a manifest has no shadow), is left to the plain rules. Raises Refusal.
    """
    before, mine, new = (_texts(tree) for tree in (base, ours, theirs))
    new = {kind: text for kind, text in before.items() if _is_same(base, theirs, kind)} | new
    kinds = [kind for kind in SHAPES if kind in mine and kind in new and _known(base, kind, before)]
    tables = [{kind: parse(kind, side.get(kind)) for kind in kinds} for side in (before, mine, new)]
    try:
        merged = merge_accounts(*tables)
    except NoNumberLeft as error:
        raise Refusal(f"A user or group of the new master cannot get another number: {error}") from None
    texts = {
        kind: _text(merged.tables[kind], (mine[kind], tables[1][kind]), (new[kind], tables[2][kind])) for kind in kinds
    }
    users = [{*side["passwd"].records} if "passwd" in side else set() for side in tables]
    for kind in SUBORDINATE:
        if kind in mine and kind in new:
            final = {*merged.tables["passwd"].records} if "passwd" in kinds else set()
            vanished = set().union(*users) - final
            texts[kind] = merge_subordinate(before.get(kind, ""), mine[kind], new[kind], vanished)
    unknown = tuple(f"/etc/{kind}" for kind in SHAPES if kind in mine and kind not in new and _is_file(theirs, kind))
    by_path = {f"/etc/{kind}": text for kind, text in texts.items()}
    return Accounts(merged.base, merged.theirs, by_path, _notes(merged, texts), unknown)


def _notes(merged: Merged, kinds: Iterable[str]) -> dict[str, list[tuple[Severity, str]]]:
    notes = {f"/etc/{kind}": list(merged.notes[kind]) for kind in kinds}
    for kind, table in merged.tables.items():
        if bad := bad_lines(table):  # not shown: a secret may be in them
            notes[f"/etc/{kind}"].append(
                (Severity.NOTE, f"lines that nobody understands are kept as they are: {len(bad)}")
            )
    return notes


def _texts(tree: Tree) -> dict[str, str]:
    """The files of a tree that are there and can be read."""
    texts = {}
    for kind in (*SHAPES, *SUBORDINATE):
        if _is_file(tree, kind):
            with contextlib.suppress(ContentUnknown):
                texts[kind] = tree.read(f"/etc/{kind}").decode(errors="surrogateescape")
    return texts


def _is_file(tree: Tree, kind: str) -> bool:
    entry = tree.entry(f"/etc/{kind}")
    return entry is not None and entry.type is Type.FILE


def _is_same(base: Tree, theirs: Tree, kind: str) -> bool:
    """Whether a file is known to be the old one, although perhaps nobody can tell what is in it."""
    path = f"/etc/{kind}"
    return _is_file(theirs, kind) and base.sha256(path) == theirs.sha256(path)


def _known(tree: Tree, kind: str, texts: dict[str, str]) -> bool:
    return kind in texts or tree.entry(f"/etc/{kind}") is None


def _text(merged: Table, ours: tuple[str, Table], theirs: tuple[str, Table]) -> str:
    """The new file's text: a side's own where it says the same, so that order and spelling stay."""
    for text, table in (theirs, ours):
        if merged.records == table.records and set(merged.others) == set(table.others):
            return text
    return merged.text()
