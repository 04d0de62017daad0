# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rebased layer, seen through the mount, is what the three-way rule makes of three plain trees."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.directory import DirectoryTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Entry, Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.run import rebase
from tests.support import mounts
from tests.support.pictures import picture
from tests.support.rebasing import Scene
from tests.support.tree_work import FILES, WORK, Seen, everything, work_in

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")
T = TypeVar("T")


@dataclass
class Node:
    """A file with all that is in it."""

    entry: Entry
    content: bytes = b""
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def is_directory(self) -> bool:
        return self.entry.type is Type.DIRECTORY


def nodes(seen: Seen) -> Node:
    """A tree of nodes."""
    found = {path: Node(entry, content) for path, (entry, content) in seen.items()}
    for path, node in found.items():
        directory, _slash, name = path.rpartition("/")
        if name:
            found[directory or "/"].children[name] = node
    return found["/"]


def one(base: T, ours: T, theirs: T) -> T:
    """The rule, of a single value: what one side changed holds, and where both did, ours."""
    return theirs if ours == base else ours


def merged(base: Node | None, ours: Node | None, theirs: Node | None) -> Node | None:
    """The rule, of trees."""
    if ours == base:
        return theirs
    if ours is None or theirs == base:
        return ours
    if ours.is_directory:
        return merged_directory(base, ours, theirs)
    if theirs is None or theirs.entry.type is not ours.entry.type:
        return ours
    if base is None or base.entry.type is not ours.entry.type:
        return ours
    content = one(base.content, ours.content, theirs.content)
    return Node(replace(attributes(base.entry, ours.entry, theirs.entry), size=len(content)), content)


def merged_directory(base: Node | None, ours: Node, theirs: Node | None) -> Node | None:
    was = base if base and base.is_directory else None
    new = theirs if theirs and theirs.is_directory else None
    sides = [node.children if node else {} for node in (was, ours, new)]
    names = sorted({name for children in sides for name in children})
    inside = {name: merged(*(children.get(name) for children in sides)) for name in names}
    kept = {name: node for name, node in inside.items() if node}
    if new:
        entry = attributes(was.entry, ours.entry, new.entry) if was else ours.entry
    elif not kept and was and was.entry == ours.entry:
        return theirs
    else:
        entry = ours.entry
    return Node(entry, children=kept)


def attributes(base: Entry, ours: Entry, theirs: Entry) -> Entry:
    """Each of them by itself."""
    values: dict[str, Any] = {
        name: one(getattr(base, name), getattr(ours, name), getattr(theirs, name))
        for name in ("mode", "uid", "gid", "target", "device")
    }
    xattrs: list[dict[str, bytes]] = [dict(entry.xattrs) for entry in (base, ours, theirs)]
    values["xattrs"] = {
        name: value
        for name in sorted({name for side in xattrs for name in side})
        if (value := one(*(side.get(name) for side in xattrs))) is not None
    }
    return replace(ours, **values)


def flat(node: Node, path: str = "") -> Seen:
    found: Seen = {path or "/": (node.entry, node.content)}
    for name, child in node.children.items():
        found |= flat(child, f"{path}/{name}")
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_rebase_is_the_three_way_rule_on_plain_trees(data: st.DataObject) -> None:
    both, only_old, only_new = data.draw(FILES), data.draw(WORK), data.draw(WORK)
    own, changes = data.draw(WORK), data.draw(WORK)
    with mounts.memory() as there:
        scene = Scene(there)
        work_in(scene.old, both + only_old)
        work_in(scene.new, both + only_new)
        with scene.mounted(scene.old, there / "made-identity") as seen:
            work_in(seen, own)
        scene.identity.rmdir()
        (there / "made-identity/upper").rename(scene.identity)  # it has whiteouts and opaque directories
        with scene.before() as seen:
            base = nodes(everything(DirectoryTree(seen)))
            work_in(seen, changes)
            ours = nodes(everything(DirectoryTree(seen)))
        with scene.mounted(scene.new, there / "nothing") as seen:
            theirs = nodes(everything(DirectoryTree(seen)))
        old_layer = picture(scene.layers / "master-1", links=True)

        rebase(scene.job)

        wanted = merged(base, ours, theirs)
        assert wanted
        with scene.after() as seen:
            assert everything(DirectoryTree(seen)) == flat(wanted)
        assert picture(scene.layers / "master-1", links=True) == old_layer
