# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three-way rule for one path, and what people configure, as tables."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Entry, Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import accounts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Action, Severity
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.engine import Decisions, decide
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.globs import compiled
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.policy import Line, Wish, parse
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.refusal import Refusal
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.sides import Sides
from tests.support.trees import Content, three_sides

ROOT = Entry(Type.DIRECTORY, 0o755, 0, 0, xattrs={})
FILE = Entry(Type.FILE, 0o644, 0, 0, xattrs={})
PROGRAM = "/usr/bin/program"
DATA = "/srv/data"


def decided(base: dict[str, Content], ours: dict[str, Content], theirs: dict[str, Content]) -> Decisions:
    sides = three_sides(*({"/": ROOT, **side} for side in (base, ours, theirs)))
    return decide(sides, accounts.read(sides.base, sides.ours, sides.theirs))


def at(path: str, base: Content | None, ours: Content | None, theirs: Content | None) -> tuple[str, str, str]:
    """Action, rule and severity for the path of three sides, None where one has nothing there."""
    there: dict[str, Content] = {path.rpartition("/")[0]: ROOT}
    sides = (there | ({path: content} if content is not None else {}) for content in (base, ours, theirs))
    decision = decided(*sides).by_path[path]
    return decision.action.value, decision.rule, decision.severity.value


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "wanted"),
    [
        (DATA, None, b"mine", None, ("keep", "added", "clean")),
        (DATA, b"old", b"mine", b"old", ("keep", "changed", "clean")),
        (DATA, b"old", b"new", b"new", ("drop", "identical", "clean")),
        (DATA, None, b"new", b"new", ("drop", "identical", "clean")),
        (DATA, b"old", None, b"old", ("delete", "deleted", "clean")),
        (DATA, b"old", None, b"new", ("delete", "deleted", "note")),
        (DATA, b"old", None, None, ("drop", "identical", "clean")),
        (DATA, b"old", b"mine", None, ("keep", "orphan", "conflict")),
        (DATA, b"old", b"mine", b"new", ("keep", "conflict", "conflict")),
        (DATA, None, b"mine", b"new", ("keep", "conflict", "conflict")),
        (PROGRAM, b"old", b"mine", b"new", ("keep", "conflict", "conflict")),
        ("/usr/lib/libx.so.1", b"old", b"mine", b"new", ("keep", "stale", "danger")),
        (DATA, b"old", "a/link", b"new", ("keep", "type", "danger")),
        (DATA, "old", "mine", "new", ("keep", "conflict", "conflict")),
        (DATA, "old", "mine", "old", ("keep", "changed", "clean")),
        ("/var/cache/a", b"old", b"mine", b"old", ("drop", "cache", "clean")),
        ("/var/cache/a", b"old", None, b"new", ("drop", "cache", "clean")),
        ("/usr/share/info/dir", b"old", b"mine", b"new", ("keep", "generated", "note")),
        ("/usr/lib/python3/__pycache__", None, ROOT, None, ("drop", "cache", "clean")),
        ("/var/cache/tool", None, ROOT, None, ("keep", "added", "clean")),
        ("/etc/passwd-", None, b"mine", None, ("drop", "backup", "clean")),
        ("/etc/skinnybox/master-id", b"1", b"mine", b"2", ("drop", "master", "note")),
    ],
)
def test_one_path(
    path: str, base: Content | None, ours: Content | None, theirs: Content | None, wanted: tuple[str, str, str]
) -> None:
    assert at(path, base, ours, theirs) == wanted


def with_entries(base: Entry, ours: Entry, theirs: Entry, contents: tuple[bytes, bytes, bytes]) -> Sides:
    sides = three_sides(*({"/": ROOT, PROGRAM: content} for content in contents))
    trees = (sides.base, sides.ours.tree, sides.theirs)
    for tree, entry, content in zip(trees, (base, ours, theirs), contents, strict=True):
        tree.entries[PROGRAM] = dataclasses.replace(entry, size=len(content))  # type: ignore[attr-defined]
    return dataclasses.replace(sides, touched=(PROGRAM,))


@pytest.mark.parametrize(
    ("modes", "contents", "action", "mode"),
    [
        # what one side changed holds, attributes and contents each by themselves
        ((0o755, 0o700, 0o755), (b"old", b"old", b"new"), Action.TAKE, 0o700),
        ((0o755, 0o755, 0o700), (b"old", b"mine", b"old"), Action.KEEP, 0o700),
        ((0o755, 0o755, 0o700), (b"old", b"old", b"new"), Action.DROP, None),
        ((0o755, 0o700, 0o711), (b"old", b"old", b"new"), Action.TAKE, 0o700),
        ((0o755, 0o700, 0o700), (b"old", b"old", b"new"), Action.DROP, None),
    ],
)
def test_attributes_and_contents_are_merged_apart(
    modes: tuple[int, int, int], contents: tuple[bytes, bytes, bytes], action: Action, mode: int | None
) -> None:
    sides = with_entries(*(dataclasses.replace(FILE, mode=mode) for mode in modes), contents)
    decision = decide(sides, accounts.read(sides.base, sides.ours, sides.theirs)).by_path[PROGRAM]
    assert (decision.action, decision.entry.mode if decision.entry else None) == (action, mode)
    assert (decision.severity is Severity.CONFLICT) == (modes == (0o755, 0o700, 0o711))


def test_what_is_kept_keeps_its_directories() -> None:
    found = decided({"/opt/app/masters": b"old"}, {"/opt/app/masters": b"old", "/opt/app/own": b"mine"}, {})
    assert [(one.path, one.action, one.rule) for one in found if one.path.startswith("/opt")] == [
        ("/opt", Action.KEEP, "parent"),
        ("/opt/app", Action.KEEP, "parent"),
        ("/opt/app/own", Action.KEEP, "added"),
    ]


def test_nothing_is_written_below_what_the_instance_deleted() -> None:
    base: dict[str, Content] = {"/opt/app/a": b"old", "/opt/app/deep/b": b"old"}
    found = decided(base, {"/opt": ROOT}, {**base, "/opt/app/deep/b": b"new", "/opt/app/c": b"new"})
    assert [one.path for one in found if one.action is not Action.DROP] == ["/opt", "/opt/app"]


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("/etc/*.conf", ["/etc/a.conf"], ["/etc/a/b.conf", "/etc/conf", "/x/etc/a.conf"]),
        ("/srv/**", ["/srv/a", "/srv/a/b"], ["/srv", "/srvx"]),
        ("/usr/**/x", ["/usr/x", "/usr/a/b/x"], ["/usr/ax"]),
        ("/a/?[0-9]", ["/a/b1"], ["/a/b", "/a/bb", "/a//1"]),
        ("/a/[!x]", ["/a/b"], ["/a/x", "/a//"]),
        ("/a/[", ["/a/["], ["/a/b"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/odd/*", ["/odd/new\nline", "/odd/\udcff"], []),
    ],
)
def test_globs(glob: str, matching: list[str], others: list[str]) -> None:
    assert all(compiled(glob).fullmatch(path) for path in matching)
    assert not any(compiled(glob).fullmatch(path) for path in others)


def test_a_configuration_is_read_line_by_line() -> None:
    assert parse("/x", "# why\n\n keep /srv/**\nconflict-fails\t/etc/with blank\n") == [
        Line(Wish.KEEP, "/srv/**"),
        Line(Wish.CONFLICT_FAILS, "/etc/with blank"),
    ]


@pytest.mark.parametrize("line", ["keep", "keep srv", "drop /srv", "/srv", "keep/srv"])
def test_a_bad_line_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(Refusal, match=r"^/etc/skinnybox/rebase\.conf line 2: "):
        parse("/etc/skinnybox/rebase.conf", f"keep /a\n{line}\n")


def test_the_last_line_that_matches_holds_but_not_for_databases() -> None:
    own = {"/srv/a": b"mine", "/srv/b": b"mine", "/var/lib/dpkg/x": b"mine"}
    lines = b"master /**\nkeep /srv/b\n"
    found = decided({}, {**own, "/etc/skinnybox/rebase.conf": lines}, {})
    rules = {path: found.by_path[path].rule for path in own}
    assert rules == {"/srv/a": "policy-master", "/srv/b": "policy-keep", "/var/lib/dpkg/x": "added"}
