# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random work in real file trees, that stays in them, and all that a tree says, to be compared."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Entry, Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.tree import Tree

Step = tuple[str, str, str, int]
Seen = dict[str, tuple[Entry, bytes]]

#: Few, so that steps meet; and odd ones.
NAMES = ("a", "b", os.fsdecode(b"\n\xe9"), "x" * 255)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
_VERBS = (
    *("write", "write", "mkdir", "remove", "renew", "link", "symlink"),
    *("fifo", "device", "chmod", "chown", "attribute", "move"),
)
#: What people and programs do in a tree; what cannot be done there is not done.
WORK = st.lists(st.tuples(st.sampled_from(_VERBS), PATHS, PATHS, st.integers(0, 3)), max_size=25)
#: What fills a tree.
FILES = st.lists(st.tuples(st.just("write"), PATHS, PATHS, st.integers(0, 3)), min_size=5, max_size=15)


def work_in(root: Path, steps: list[Step]) -> None:
    """Do these steps below a directory. No symbolic link is followed, and no device or fifo is opened."""
    for verb, path, other, number in steps:
        with contextlib.suppress(OSError, shutil.SpecialFileError):
            if all(_leads_nowhere(root, place) for place in (path, other)):
                do(root / path, root / other, verb, number)


def _leads_nowhere(root: Path, path: str) -> bool:
    parents = (root / path).parents
    return not any(parent.is_symlink() for parent in parents if parent != root and root in parent.parents)


def do(path: Path, other: Path, verb: str, number: int) -> None:
    """One step."""
    if verb == "write":
        if path.is_file() or not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
            os.write(descriptor, b"%d" % number * number)
            os.close(descriptor)
    elif verb == "mkdir":
        path.mkdir(parents=True)
    elif verb == "remove":
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif verb == "renew":
        if path.is_dir() and not path.is_symlink():  # rmtree opens what is there, and waits for ever at a fifo
            shutil.rmtree(path)
            path.mkdir()
    elif verb == "link":
        os.link(path, other, follow_symlinks=False)
    elif verb == "symlink":
        path.symlink_to(f"{other.name}/{number}")
    elif verb == "fifo":
        os.mkfifo(path)
    elif verb == "device":
        os.mknod(path, (stat.S_IFCHR, stat.S_IFBLK)[number % 2] | 0o600, os.makedev(1, 3 + number))
    elif verb == "chmod":
        if not path.is_symlink():
            path.chmod(0o700 + number)
    elif verb == "chown":
        os.chown(path, number, number, follow_symlinks=False)
    elif verb == "attribute":
        os.setxattr(path, f"trusted.of-{number}", b"value", follow_symlinks=False)
    else:
        path.rename(other)


def everything(tree: Tree, path: str = "/") -> Seen:
    """All that a tree says, by path."""
    entry = tree.entry(path)
    assert entry is not None
    found: Seen = {path: (entry, tree.read(path) if entry.type is Type.FILE else b"")}
    for name in tree.names(path):
        found |= everything(tree, f"{path.rstrip('/')}/{name}")
    return found
