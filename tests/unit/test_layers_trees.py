# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees read from raw directories are what the kernel shows, for random trees and random work in them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.directory import DirectoryTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.stack import Stack
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.upper import ForeignLayer, Upper
from tests.support import mounts
from tests.support.tree_work import WORK, everything, work_in

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")


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
            assert seen is None or seen[0] == raw.entry


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
