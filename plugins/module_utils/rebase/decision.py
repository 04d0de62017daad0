# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of one path when a layer is carried to another master version."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..layers.entry import Entry


class Action(str, Enum):
    """What the new layer gets at a path."""

    DROP = "drop"  # nothing: what the new master has there is seen
    KEEP = "keep"  # what the instance had there
    TAKE = "take"  # the new master's content, copied up: with other owners or attributes, or at another path
    WRITE = "write"  # something that neither side had: a merge
    DELETE = "delete"  # a whiteout


class Severity(str, Enum):
    """Whether a person should look, the least urgent first."""

    CLEAN = "clean"
    NOTE = "note"  # something of the instance is given up, as it should be
    CONFLICT = "conflict"  # both sides changed it, and the instance's wins
    DANGER = "danger"  # what is kept may hide a security fix of the new master, or break it


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one path, and why."""

    path: str
    action: Action
    rule: str  # a word for machines, such as identical, package-older, text-merged
    severity: Severity = Severity.CLEAN
    reason: str = ""  # a sentence for people; empty where the rule says it all
    entry: Entry | None = None  # of KEEP, TAKE and WRITE: type, owners, mode and attributes that the path gets
    content: bytes | None = None  # of WRITE; None there when it cannot be known yet (a preview)
    source: str = ""  # of TAKE: the path in the new master, where it is another
