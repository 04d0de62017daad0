# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File trees in memory, for rules that ask trees and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Collection, Mapping

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Entry, Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.tree import ContentUnknown
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.remembered import Remembered
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.sides import Sides

#: A file's content, a link's target, or a whole entry.
Content = bytes | str | Entry


class MemoryTree:
    """A tree of the protocol Tree."""

    def __init__(self, files: Mapping[str, Content], unknown: Collection[str] = ()) -> None:
        self.contents = {path: content for path, content in files.items() if isinstance(content, bytes)}
        self.entries = {path: _entry(content) for path, content in files.items()}
        self.unknown = frozenset(unknown)
        for path in files:
            while (path := path.rpartition("/")[0]) and path not in self.entries:
                self.entries[path] = Entry(Type.DIRECTORY, 0o755, 0, 0, xattrs={})

    def entry(self, path: str) -> Entry | None:
        return self.entries.get(path)

    def names(self, path: str) -> list[str]:
        prefix = path.rstrip("/") + "/"
        inside = (found.removeprefix(prefix) for found in self.entries if found.startswith(prefix))
        return sorted(name for name in inside if "/" not in name)

    def sha256(self, path: str) -> str:
        return hashlib.sha256(self.contents[path]).hexdigest()

    def read(self, path: str) -> bytes:
        if path in self.unknown:
            raise ContentUnknown(path)
        return self.contents[path]

    def location(self, path: str) -> str | None:
        return None


def _entry(content: Content) -> Entry:
    if isinstance(content, Entry):
        return content
    if isinstance(content, str):
        return Entry(Type.LINK, 0o777, 0, 0, target=content, xattrs={})
    return Entry(Type.FILE, 0o644, 0, 0, size=len(content), xattrs={})


def three_sides(
    base: Mapping[str, Content],
    ours: Mapping[str, Content],
    theirs: Mapping[str, Content],
    unknown: Collection[str] = (),
    modes: Mapping[str, int] | None = None,
) -> Sides:
    """Sides of trees in memory; touched is what differs between base and ours. Modes are of files of ours."""
    trees = [MemoryTree(base), MemoryTree(ours), MemoryTree(theirs, unknown)]
    for path, mode in (modes or {}).items():
        trees[1].entries[path] = dataclasses.replace(trees[1].entries[path], mode=mode)
    before, mine = trees[0], trees[1]
    differing = [
        path
        for path in sorted({*before.entries, *mine.entries})
        if before.entries.get(path) != mine.entries.get(path) or before.contents.get(path) != mine.contents.get(path)
    ]
    touched = [path for path in differing if mine.entry(path) or not _is_gone(mine, path.rpartition("/")[0])]
    return Sides(before, Remembered(mine), trees[2], trees[2], tuple(touched), frozenset())


def _is_gone(tree: MemoryTree, directory: str) -> bool:
    """Whether one whiteout of the directory, or of one above it, hides all that was in it."""
    return bool(directory) and tree.entry(directory) is None
