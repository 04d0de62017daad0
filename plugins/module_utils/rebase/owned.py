# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a master whose owners have other numbers in the instance; all of it is searched, so it has to be quick."""

from __future__ import annotations

import os
from typing import Iterator

from ..layers.entry import Type
from ..layers.tree import Tree
from .acl import ACLS
from .numbers import Numbers
from .paths import join


def owned_paths(tree: Tree, numbers: Numbers) -> Iterator[str]:
    """Paths of files whose entries change with the numbers.

    A tree of raw directories is searched in them: what is hidden by another one or by a whiteout is no reason to
    build an entry for each of a hundred thousand files.
    """
    if numbers.identity:
        return
    directories: tuple[str, ...] | None = getattr(tree, "directories", None)
    candidates = _walk(tree) if directories is None else _search_all(directories, numbers)
    for path in candidates:
        entry = tree.entry(path)
        if entry is not None and numbers.entry(entry) is not entry:
            yield path


def _search_all(directories: tuple[str, ...], numbers: Numbers) -> list[str]:
    return sorted({path for directory in directories for path in _search(directory.rstrip("/"), numbers)})


def _search(root: str, numbers: Numbers) -> Iterator[str]:
    """Paths in a raw directory with an owner, or with an ACL, that may change."""
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(f"{root}{directory}/") as children:
            for child in children:
                path = f"{directory}/{child.name}"
                status = child.stat(follow_symlinks=False)
                if status.st_uid in numbers.uids or status.st_gid in numbers.gids or _has_acl(child):
                    yield path
                if child.is_dir(follow_symlinks=False):
                    waiting.append(path)


def _has_acl(child: os.DirEntry[str]) -> bool:
    if child.is_symlink():
        return False
    try:
        return any(name in ACLS for name in os.listxattr(child.path, follow_symlinks=False))
    except OSError:
        return False


def _walk(tree: Tree) -> Iterator[str]:
    waiting = ["/"]
    while waiting:
        directory = waiting.pop()
        for name in tree.names(directory):
            path = join(directory, name)
            yield path
            entry = tree.entry(path)
            if entry is not None and entry.type is Type.DIRECTORY:
                waiting.append(path)
