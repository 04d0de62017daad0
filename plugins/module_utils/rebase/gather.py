# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three sides of a rebase, put together from the trees as they lie there."""

from __future__ import annotations

from typing import Iterable

from ..layers.tree import Tree
from ..layers.upper import Raw
from .accounts import Accounts, read
from .instance_files import WithInstanceFiles
from .numbers import Numbers, Renumbered
from .remembered import Remembered
from .sides import Sides


def gather(base: Tree, ours: Tree, lower: Tree, changes: Iterable[Raw]) -> tuple[Sides, Accounts]:
    """The sides of an instance, and its accounts, by which owners are compared.

    ``base`` and ``lower`` are identity : personality : master, of the old and of the new master; ``ours`` is what the
    instance sees, ``changes`` what is in its upper layer. Raises Refusal, and ForeignLayer from the changes.
    """
    raws = [raw for raw in changes if raw.path != "/"]
    lower = Remembered(lower)
    before, after = WithInstanceFiles(Remembered(base)), WithInstanceFiles(lower)
    ours = Remembered(ours, raws)
    accounts = read(before, ours, after)
    sides = Sides(
        base=_renumbered(before, accounts.base),
        ours=ours,
        theirs=_renumbered(after, accounts.theirs),
        lower=lower,
        touched=tuple(sorted({raw.path for raw in raws}.union(before.paths(), after.paths()))),
        opaque=frozenset(raw.path for raw in raws if raw.opaque),
    )
    return sides, accounts


def _renumbered(tree: Tree, numbers: Numbers) -> Tree:
    return tree if numbers.identity else Remembered(Renumbered(tree, numbers))
