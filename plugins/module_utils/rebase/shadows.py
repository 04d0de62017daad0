# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs and libraries that an instance has installed beside its packages, in front of those of the master."""

from __future__ import annotations

from typing import Iterator

from ..layers.entry import Type
from .decision import Decision, Severity
from .dpkg_database import unchanged
from .outcome import ours_wins
from .sides import Sides

#: Where a name is looked up first, and where a package has what the same name stands for.
_BEFORE = {
    "/usr/local/bin/": ("/usr/bin/", "/bin/"),
    "/usr/local/sbin/": ("/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"),
    "/usr/local/lib/": ("/usr/lib/", "/lib/", "/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/"),
}


def decide_shadows(sides: Sides) -> Iterator[Decision]:
    """A step of the rebase: what hides something that the new master has changed stays, and is a danger."""
    for path in sides.touched:
        directory, name = path[: path.rfind("/") + 1], path.rpartition("/")[2]
        entry = sides.ours.entry(path)
        if entry is None or entry.type not in (Type.FILE, Type.LINK) or directory not in _BEFORE:
            continue
        if sides.base.entry(path) is not None or sides.theirs.entry(path) is not None:
            continue  # the master knows of it
        for there in _BEFORE[directory]:
            hidden = sides.theirs.entry(there + name)
            if hidden is None or sides.base.entry(there + name) is None:
                continue
            if not unchanged(sides.base, sides.theirs, there + name):
                reason = f"hides {there}{name}, which the new master has changed"
                yield ours_wins(sides, path, "shadow", Severity.DANGER, reason)
                break
