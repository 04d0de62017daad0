# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees read from raw directories are what the kernel shows, for random trees and random work in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.directory import DirectoryTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.stack import Stack
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.tree import Tree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.upper import ForeignLayer, Upper
from tests.support import mounts

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")

NAMES = ("a", "b", "c", "odd\nname", os.fsdecode(b"caf\xe9"), "x" * 255)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)
#: What people and programs do in a tree; what cannot be done there is not done.
WORK = st.lists(
    st.tuples(
        st.sampled_from(
            ["write", "mkdir", "remove", "link", "symlink", "fifo", "device", "chmod", "chown", "attribute", "move"]
        ),
        PATHS,
        PATHS,
        st.integers(0, 3),
    ),
    max_size=25,
)


def work_in(root: Path, steps: list[tuple[str, str, str, int]]) -> None:
    """Do these steps below a directory."""
    for verb, path, other, number in steps:
        with contextlib.suppress(OSError, shutil.SpecialFileError):
            do(root / path, root / other, verb, number)


def do(path: Path, other: Path, verb: str, number: int) -> None:
    """One step."""
    if verb == "write":
        path.write_bytes(b"%d" % number * number)
    elif verb == "mkdir":
        path.mkdir(parents=True)
    elif verb == "remove":
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif verb == "link":
        other.hardlink_to(path)
    elif verb == "symlink":
        path.symlink_to("../" * number + other.name)
    elif verb == "fifo":
        os.mkfifo(path)
    elif verb == "device":
        os.mknod(path, (stat.S_IFCHR, stat.S_IFBLK)[number % 2] | 0o600, os.makedev(1, 3 + number))
    elif verb == "chmod":
        path.chmod(0o700 + number)
    elif verb == "chown":
        os.chown(path, number, number, follow_symlinks=False)
    elif verb == "attribute":
        os.setxattr(path, f"trusted.of-{number}", b"value", follow_symlinks=False)
    else:
        path.rename(other)


def everything(tree: Tree, path: str = "/") -> dict[str, object]:
    """All that a tree says, by path."""
    entry = tree.entry(path)
    assert entry is not None
    content = tree.read(path) if entry.type is Type.FILE else None
    found: dict[str, object] = {path: (entry, content)}
    for name in tree.names(path):
        found |= everything(tree, f"{path.rstrip('/')}/{name}")
    return found


@settings(max_examples=40)
@given(below=WORK, middle=WORK, above=WORK)
def test_a_stack_shows_what_the_mount_shows(below: list, middle: list, above: list) -> None:
    with mounts.memory() as there:
        master, identity, upper, work, merged = (
            there / name for name in ["master", "identity", "upper", "work", "merged"]
        )
        for directory in (master, identity, upper, work, merged):
            directory.mkdir()
        work_in(master, below)
        # The layer between is one that an instance wrote: it has whiteouts and opaque directories.
        with mounts.joined(identity, work, [master], merged):
            work_in(merged, middle)
        shutil.rmtree(work)
        work.mkdir()
        with mounts.joined(upper, work, [identity, master], merged):
            work_in(merged, above)
            shown = everything(DirectoryTree(merged))
            stack = Stack([upper, identity, master])
            assert everything(stack) == shown
            assert everything(Stack([upper, identity], below=DirectoryTree(master))) == shown
        for raw in Upper(upper).walk():
            seen = shown.get(raw.path)
            assert (raw.entry is None) == (seen is None)
            assert seen is None or seen[0] == raw.entry  # type: ignore[index]


def test_links_lead_nowhere(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "secret").mkdir(parents=True)
    root.mkdir()
    (root / "link").symlink_to(outside)
    for tree in (DirectoryTree(root), Stack([root])):
        assert tree.entry("/link") and not tree.entry("/link/secret")
        assert not list(tree.names("/link")) and tree.location("/link/secret") is None
        with pytest.raises(FileNotFoundError):
            tree.read("/link/secret")


@pytest.mark.parametrize("attribute", ["redirect", "metacopy", "nlink", "upper", "whiteout"])
def test_a_layer_from_elsewhere_is_refused(attribute: str) -> None:
    with mounts.memory() as there:
        (there / "upper" / "etc").mkdir(parents=True)
        os.setxattr(there / "upper" / "etc", f"trusted.overlay.{attribute}", b"/elsewhere")
        with pytest.raises(ForeignLayer, match=f"/etc has the attribute trusted.overlay.{attribute}"):
            list(Upper(there / "upper").walk())


def test_whiteouts_kept_as_attributes_are_refused() -> None:
    with mounts.memory() as there:
        (there / "upper").mkdir()
        os.setxattr(there / "upper", "trusted.overlay.opaque", b"x")
        with pytest.raises(ForeignLayer):
            list(Upper(there / "upper").walk())
