# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way merges of values and of records that have a key."""

from __future__ import annotations

from typing import Callable, Iterable, Mapping, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def choose(base: V, ours: V, theirs: V) -> tuple[V, bool]:
    """The value that the side which changed it gave it; the instance's, and True, when both changed it, differently."""
    if ours in (theirs, base):
        return theirs, False
    return ours, theirs != base


def merge_mapping(
    base: Mapping[K, V],
    ours: Mapping[K, V],
    theirs: Mapping[K, V],
    clash: Callable[[K, V | None, V | None, V | None], V | None] = lambda key, base, ours, theirs: ours,
) -> dict[K, V]:
    """Records of both sides, in the instance's order, the new master's newcomers last.

    ``clash`` says what becomes of a record that both sides changed, differently; None removes it.
    """
    merged: dict[K, V] = {}
    for key in dict.fromkeys([*ours, *theirs]):
        before, mine, new = base.get(key), ours.get(key), theirs.get(key)
        value, both = choose(before, mine, new)
        if both:
            value = clash(key, before, mine, new)
        if value is not None:
            merged[key] = value
    return merged


def merge_set(base: Iterable[V], ours: Iterable[V], theirs: Iterable[V]) -> list[V]:
    """What either side added, without what either side removed; in the instance's order, newcomers last."""
    before, mine, new = (dict.fromkeys(values) for values in (base, ours, theirs))
    return [value for value in {**mine, **new} if (value in mine) + (value in new) - (value in before) > 0]


def lines(text: str) -> list[str]:
    """The lines of a text, split at line feeds only."""
    return text.removesuffix("\n").split("\n") if text else []
