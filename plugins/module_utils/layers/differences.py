# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what an instance differs from its master: every path of its upper directory against what lies below."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Iterable, Iterator, Sequence

from .entry import Entry, Type
from .files import same_content, sha256_at
from .stack import Stack
from .upper import Raw, Upper

#: What of a master is laid into the upper directory of each new instance, see role overlayroot.
_OF_INSTANCES = "/usr/lib/skinnybox/instance"


class Kind(str, Enum):
    """What the instance made of a path of its master."""

    ADDED = "added"
    CHANGED = "changed"  # other content, link target or device numbers; maybe other metadata, too
    METADATA = "metadata"  # other mode, owner, group or attributes only
    REPLACED = "replaced"  # another type
    DELETED = "deleted"
    OPAQUE = "opaque"  # a directory that was removed and made again: nothing of the master's is seen in it
    IDENTICAL = "identical"  # copied up and not changed, or a whiteout of nothing


@dataclass(frozen=True, slots=True)
class Difference:
    """A path of the upper directory that is not what the layers below have."""

    path: str
    kind: Kind
    location: str  # in the upper directory
    entry: Entry | None  # the instance's; None when it deleted the path
    lower: Entry | None  # what the layers below have
    metadata: tuple[str, ...] = ()  # mode, uid, gid, and extended attributes by name, where they differ
    hides: tuple[str, ...] = ()  # paths below it that the layers below have and that are not seen any more
    within: str = ""  # the opaque directory that it is in: what is identical in there is needed all the same
    links: tuple[str, ...] = ()  # other names of the same file in the upper directory
    breaks_link: bool = False  # the file below has other names, which do not show what the instance wrote
    allocated: int = 0  # bytes on the overlay disk; of a file with several names at the first only
    modified: float = 0.0  # seconds since the epoch

    @property
    def bytes(self) -> int:
        """Apparent size of the instance's file."""
        return self.entry.size if self.entry else 0


def differences(upper: Upper, lowers: Sequence[str]) -> list[Difference]:
    """All differences to the raw directories below (the topmost first, the master last).

    Parents come first, siblings by name. A directory that is there only because something in it differs is none, nor
    are the files that every instance gets from its master at its first boot. Raises ForeignLayer, OSError.
    """
    raws = list(upper.walk())
    groups = _link_groups(raws)
    expected = f"{lowers[-1].rstrip('/')}{_OF_INSTANCES}"
    lower = Stack([expected, *lowers] if Path(expected).is_dir() else lowers)
    found = (each for each in _compare_all(raws, lower) if not _is_expected(each, lower, expected))
    return [_with_links(difference, groups) for difference in found]


def hidden(lower: Stack, path: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Paths below one that the layers below have, without those that are seen all the same, and what is in them."""
    waiting = [path]
    while waiting:
        directory = waiting.pop()
        if directory != path and directory not in seen:
            yield directory
        names = lower.names(directory)
        waiting += [f"{directory.rstrip('/')}/{name}" for name in reversed(names)]


def _is_expected(difference: Difference, lower: Stack, expected: str) -> bool:
    """Whether it is one of the files that only instances have, as the master gives them."""
    if difference.kind is not Kind.IDENTICAL:
        return False
    return (lower.location(difference.path) or "").startswith(f"{expected}/")


def _compare_all(raws: list[Raw], lower: Stack) -> Iterator[Difference]:
    opaque = ""  # the outermost opaque directory that the walk is in
    for raw, following in itertools.zip_longest(raws, raws[1:]):
        if opaque and not raw.path.startswith(opaque):
            opaque = ""
        holds_more = following is not None and following.path.startswith(f"{raw.path.rstrip('/')}/")
        try:
            difference = _compare(raw, lower, holds_more)
        except FileNotFoundError:  # gone meanwhile, from a running system
            continue
        if difference is None:
            continue
        if difference.kind is Kind.OPAQUE and not opaque:
            opaque = f"{raw.path}/"
            inside = frozenset(other.path for other in raws if other.path.startswith(opaque))
            difference = replace(difference, hides=tuple(hidden(lower, raw.path, inside)))
        elif opaque:
            difference = replace(difference, within=opaque.rstrip("/"), hides=())
        yield difference


def _compare(raw: Raw, lower: Stack, holds_more: bool) -> Difference | None:
    """The difference at one path; None of a directory that is as it was and holds differences."""
    place = lower.find(raw.path)
    below = lower.entry(raw.path) if place else None
    kind, metadata = _kind(raw, below, place.location if place else "")
    if kind is Kind.IDENTICAL and raw.entry and raw.entry.type is Type.DIRECTORY and (holds_more or raw.path == "/"):
        return None
    gone = kind is Kind.DELETED or (kind is Kind.REPLACED and below is not None and below.type is Type.DIRECTORY)
    several = place is not None and below is not None and below.type is Type.FILE and place.status.st_nlink > 1
    return Difference(
        path=raw.path,
        kind=kind,
        location=raw.location,
        entry=raw.entry,
        lower=below,
        metadata=metadata,
        hides=tuple(hidden(lower, raw.path)) if gone else (),
        breaks_link=several and kind in (Kind.CHANGED, Kind.METADATA, Kind.REPLACED),
        allocated=raw.allocated,
        modified=raw.modified,
    )


def _kind(raw: Raw, below: Entry | None, lower_location: str) -> tuple[Kind, tuple[str, ...]]:
    entry = raw.entry
    if entry is None:
        return (Kind.DELETED if below else Kind.IDENTICAL), ()
    if below is None:
        return Kind.ADDED, ()
    if entry.type is not below.type:
        return Kind.REPLACED, ()
    metadata = _metadata(entry, below)
    if entry.type is Type.DIRECTORY and raw.opaque:
        return Kind.OPAQUE, metadata
    if not _same(raw, entry, below, lower_location):
        return Kind.CHANGED, metadata
    return (Kind.METADATA if metadata else Kind.IDENTICAL), metadata


def _same(raw: Raw, entry: Entry, below: Entry, lower_location: str) -> bool:
    """Whether what is in the file, the link or the device is the same."""
    if (entry.size, entry.target, entry.device) != (below.size, below.target, below.device):
        return False
    return entry.type is not Type.FILE or not entry.size or same_content(raw.location, lower_location)


def _metadata(entry: Entry, below: Entry) -> tuple[str, ...]:
    fields = [name for name in ("mode", "uid", "gid") if getattr(entry, name) != getattr(below, name)]
    ours, theirs = dict(entry.xattrs), dict(below.xattrs)
    attributes = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    return (*fields, *attributes)


def _link_groups(raws: Iterable[Raw]) -> dict[str, tuple[str, ...]]:
    """All names of each file that has several, by each of them."""
    names: dict[int, list[str]] = defaultdict(list)
    for raw in raws:
        if raw.entry and raw.links > 1:
            names[raw.inode].append(raw.path)
    return {path: tuple(group) for group in names.values() for path in group if len(group) > 1}


def _with_links(difference: Difference, groups: dict[str, tuple[str, ...]]) -> Difference:
    group = groups.get(difference.path)
    if not group:
        return difference
    others = tuple(path for path in group if path != difference.path)
    allocated = difference.allocated if group[0] == difference.path else 0
    return replace(difference, links=others, allocated=allocated)


def checksum(difference: Difference) -> str:
    """SHA-256 of the instance's file, empty where there is none (any more)."""
    if difference.entry is None or difference.entry.type is not Type.FILE:
        return ""
    try:
        return sha256_at(difference.location)
    except FileNotFoundError:
        return ""
