# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels that Skinnybox keeps in XAPI, and what they say of an object's ownership.

All state lives in XAPI, as ``skinnybox:*`` keys of ``other_config`` (docs/decisions/0002-labels.md).
``VM.clone``, ``VDI.clone`` and ``VDI.snapshot`` copy ``other_config``, so a label alone proves nothing: every
finished object also carries its *own* uuid in ``skinnybox:uuid``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Mapping

PREFIX = "skinnybox:"
TAG = "skinnybox"


class Kind(str, Enum):
    """What an object is to Skinnybox."""

    BLUEPRINT = "blueprint"
    ROOT = "root"
    BOOT = "boot"
    INSTANCE = "instance"
    OVERLAY = "overlay"
    SWAP = "swap"
    DATA = "data"
    SNAPSHOT = "snapshot"  # of an overlay


#: What an object bears while XAPI copies it for us: the copy inherits this, and is known by it until it has labels
#: of its own.
COPYING = "copying"


class Standing(Enum):
    """Whose an object is."""

    OWNED = "owned"
    UNFINISHED = "unfinished"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one object, without the prefix."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, other_config: Mapping[str, str]) -> Labels:
        """Take the labels out of an ``other_config`` map."""
        return cls({k[len(PREFIX) :]: v for k, v in other_config.items() if k.startswith(PREFIX)})

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def __contains__(self, name: str) -> bool:
        return name in self.values

    @property
    def kind(self) -> str:
        """The object's kind, a value of :class:`Kind`, or an empty string."""
        return self.values.get("kind", "")

    def number(self, name: str) -> int:
        """A label that is a number; 0 when it is missing, or when somebody made something else of it."""
        text = self[name]
        return int(text) if text.isdecimal() else 0

    def standing(self, uuid: str) -> Standing:
        """Say whose the object with this uuid is.

        An object whose label names another uuid is a copy that somebody made of one of ours; unless we were
        making it.
        """
        values = self.values
        if not values.get("kind"):
            return Standing.FOREIGN
        if "uuid" not in values:
            return Standing.UNFINISHED
        if values["uuid"] == uuid:
            return Standing.OWNED
        return Standing.UNFINISHED if COPYING in values else Standing.FOREIGN


def other_config(kind: Kind, **values: str) -> dict[str, str]:
    """Make the ``other_config`` keys of a new object; it counts as unfinished until its uuid is added."""
    return {PREFIX + "kind": kind.value, **{PREFIX + name: value for name, value in values.items()}}
