# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three-way merge of what lstat and xattrs tell of a path."""

from __future__ import annotations

import dataclasses
from typing import Mapping, TypeVar

from ..layers.entry import Entry

T = TypeVar("T")


def merge(base: Entry | None, ours: Entry, theirs: Entry) -> Entry:
    """Field by field: what one side changed holds; where both did, ours.

    Ours and theirs are of one type. Size is ours, since it belongs to the content. Without a base of that type, what
    differs is ours.
    """
    if base is None or base.type is not ours.type:
        return ours
    return dataclasses.replace(
        ours,
        mode=_merged(base.mode, ours.mode, theirs.mode),
        uid=_merged(base.uid, ours.uid, theirs.uid),
        gid=_merged(base.gid, ours.gid, theirs.gid),
        target=_merged(base.target, ours.target, theirs.target),
        device=_merged(base.device, ours.device, theirs.device),
        xattrs=_attributes(dict(base.xattrs), dict(ours.xattrs), dict(theirs.xattrs)),
    )


def quarrel(base: Entry | None, ours: Entry, theirs: Entry) -> bool:
    """Whether both sides changed a field, each to something else, so that :func:`merge` had to choose."""
    return merge(base, ours, theirs) != dataclasses.replace(merge(base, ours=theirs, theirs=ours), size=ours.size)


def _merged(base: T, ours: T, theirs: T) -> T:
    return theirs if ours == base else ours


def _attributes(
    base: Mapping[str, bytes], ours: Mapping[str, bytes], theirs: Mapping[str, bytes]
) -> Mapping[str, bytes]:
    names = sorted({*base, *ours, *theirs})
    merged = {name: _merged(base.get(name), ours.get(name), theirs.get(name)) for name in names}
    return {name: value for name, value in merged.items() if value is not None}
