# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences that are found in raw layers are those between what was seen before and what is seen after."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from hypothesis import given, settings

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.differences import Kind, differences
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.directory import DirectoryTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.upper import Upper
from tests.support import mounts
from tests.support.tree_work import WORK, Seen, Step, everything, work_in

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")


def kinds(before: Seen, after: Seen, path: str) -> set[Kind | None]:
    """What may be said of a path that was seen before or after; None is nothing."""
    if path not in before:
        return {Kind.ADDED}
    if path not in after:
        return {Kind.DELETED}
    (lower, lower_content), (entry, content) = before[path], after[path]
    if entry.type is not lower.type:
        return {Kind.REPLACED}
    if (content, entry.target, entry.device) != (lower_content, lower.target, lower.device):
        return {Kind.CHANGED}
    unchanged = {Kind.IDENTICAL, None} if entry == lower else {Kind.METADATA}
    return {*unchanged, Kind.OPAQUE} if entry.type is Type.DIRECTORY else unchanged


@settings(max_examples=40)
@given(below=WORK, middle=WORK, above=WORK)
def test_what_is_found_is_what_is_seen(below: list[Step], middle: list[Step], above: list[Step]) -> None:
    with mounts.memory() as there:
        master, identity, upper, work, root = (there / name for name in ("master", "identity", "upper", "work", "root"))
        for directory in (master, identity, upper, work, root):
            directory.mkdir()
        work_in(master, below)
        with mounts.joined(identity, work, [master], root):
            work_in(root, middle)
        shutil.rmtree(work)
        work.mkdir()
        with mounts.joined(upper, work, [identity, master], root):
            before = everything(DirectoryTree(root))
            work_in(root, above)
            after = everything(DirectoryTree(root))
        found = differences(Upper(upper), [str(identity), str(master)])
    check(before, after, found)


def check(before: Seen, after: Seen, found: list) -> None:
    """Every path is told as it is, once, and nothing else is told."""
    told: dict[str, Kind] = {difference.path: difference.kind for difference in found}
    hidden = [path for difference in found for path in difference.hides]
    assert len(told) == len(found) and len(set(hidden)) == len(hidden) and not told.keys() & set(hidden)
    for path in before.keys() | after.keys():
        said = Kind.DELETED if path in hidden else told.get(path)
        assert said in kinds(before, after, path), path
    # Of what was seen neither before nor after, only a whiteout of nothing may be told.
    strange = [each for each in found if each.path not in before and each.path not in after]
    assert all(each.kind is Kind.IDENTICAL and each.entry is None for each in strange)
    assert set(hidden) <= before.keys()


def test_more_directories_within_each_other_than_python_may_call() -> None:
    depth = sys.getrecursionlimit() + 200
    with mounts.memory() as there:
        for top in ("upper", "master"):
            for number in range(depth):
                os.mkdir(f"{there}/{top}" + "/d" * number)  # noqa: PTH102
        os.setxattr(there / "upper" / "d", "trusted.overlay.opaque", b"y")
        (there / "upper" / "d" / "d").rename(there / "upper" / "d" / "e")
        first, *rest = differences(Upper(there / "upper"), [str(there / "master")])
        assert (first.path, first.kind, len(first.hides)) == ("/d", Kind.OPAQUE, depth - 2)
        assert [each.kind for each in rest] == [Kind.ADDED] * (depth - 2)
