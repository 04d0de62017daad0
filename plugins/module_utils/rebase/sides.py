# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three sides of a rebase, and how rules speak about them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Iterable

from ..layers.tree import Tree
from .decision import Action, Decision
from .remembered import Remembered


@dataclass(frozen=True)
class Sides:
    """What a path was, what the instance made of it, and what the new master has there.

    Owners of ``base`` and ``theirs`` are translated: an account has the number that it will have in the new layer.
    So entries can be compared as they are.
    """

    base: Tree  # identity : personality : old master
    ours: Remembered  # what the instance sees: its upper layer over base
    theirs: Tree  # identity : personality : new master
    lower: Tree  # the same as theirs with the owners that it has on disk: what is seen where the new layer has nothing
    touched: tuple[str, ...]  # paths of the old upper layer, whiteouts among them, parents first; without the root
    opaque: frozenset[str]  # directories of the upper layer that hide what is below them

    def source(self, decision: Decision) -> tuple[str | None, os.stat_result | None]:
        """Where what is to be copied lies, with its lstat; None for what is not copied, or lies nowhere.

        Raises OSError.
        """
        path = decision.source or decision.path
        if decision.action is Action.KEEP:
            return self.ours.location(path), self.ours.status(path)
        place = self.theirs.location(path) if decision.action is Action.TAKE else None
        return place, os.lstat(place) if place is not None else None


#: Decides about any number of paths at once, touched or not (a package's files). Of several decisions about one
#: path the first holds.
Step = Callable[[Sides], Iterable[Decision]]
