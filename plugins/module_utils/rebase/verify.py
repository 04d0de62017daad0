# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a new layer back, and compares it with what was decided."""

from __future__ import annotations

from ..layers.entry import Entry
from ..layers.packages import Packages
from ..layers.printable import printable
from ..layers.tree import Tree
from ..layers.upper import Raw, Upper
from .decision import Action
from .engine import Decisions
from .refusal import Refusal


def verify(decisions: Decisions, upper: str, seen: Tree) -> int:
    """Return the bytes that the layer takes. Entries are compared, not contents; ``seen`` is the layer over its lowers.

    Raises Refusal: what was written is not what is there, or dpkg's database cannot be read.
    """
    wanted = {item.path: item.entry for item in decisions if item.action is not Action.DROP}
    found = {raw.path: raw for raw in Upper(upper).walk() if raw.path != "/"}
    for path in sorted({*wanted, *found}):
        if path not in wanted or path not in found or not _equal(wanted[path], found[path]):
            raise Refusal(
                f"The new layer was not written as it should be: {printable(path)} is another (a broken disk?)"
            )
    _check_packages(seen)
    return sum({raw.inode: raw.allocated for raw in found.values()}.values())


def _equal(wanted: Entry | None, found: Raw) -> bool:
    if wanted is None or found.entry is None:
        return wanted is None and found.entry is None
    return wanted == found.entry


def _check_packages(seen: Tree) -> None:
    for package in Packages(seen):
        if len(package.status.split()) != 3:
            raise Refusal(f"dpkg's database in the new layer cannot be read at package {package.key}")
