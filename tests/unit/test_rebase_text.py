# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that both sides changed."""

from __future__ import annotations

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import text_merge
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Action, Severity
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.refusal import Refusal

from ..support.trees import three_sides

BASE = b"a\nb\nc\nd\ne\nf\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (b"A\nb\nc\nd\ne\nf\n", b"a\nb\nc\nd\ne\nF\n", b"A\nb\nc\nd\ne\nF\n"),
        (b"A\nb\nc\nd\ne\nf2\n", b"A\nb\nc\nd\ne\nf\n", b"A\nb\nc\nd\ne\nf2\n"),
        (b"A\nb\nc\nd\ne\nf", b"a\nb\nc\nd\ne\nf\ng\n", None),
        (b"A\nb\nc\nd\ne\nf\n", b"X\nb\nc\nd\ne\nf\n", None),
        (b"\xff\nb\nc\nd\ne\nf\n", b"a\nb\nc\nd\ne\n", b"\xff\nb\nc\nd\ne\n"),
    ],
)
def test_merging(ours: bytes, theirs: bytes, merged: bytes | None) -> None:
    assert text_merge.merge_texts(ours, BASE, theirs) == merged


def test_changes_of_both_sides_are_in_the_merged_file() -> None:
    sides = three_sides({"/etc/x": BASE}, {"/etc/x": b"A" + BASE}, {"/etc/x": BASE + b"g\n"})
    (decision,) = text_merge.merge(sides, "/etc/x")
    assert (decision.action, decision.rule, decision.content) == (Action.WRITE, "text-merged", b"A" + BASE + b"g\n")
    assert decision.entry and decision.entry.size == len(BASE) + 3


def test_contradicting_changes_leave_both_texts() -> None:
    sides = three_sides({"/etc/x": BASE}, {"/etc/x": b"A" + BASE}, {"/etc/x": b"B" + BASE})
    kept, beside = text_merge.merge(sides, "/etc/x")
    assert (kept.action, kept.rule, kept.severity) == (Action.KEEP, "text-conflict", Severity.CONFLICT)
    assert "/etc/x.dpkg-dist" in kept.reason
    assert (beside.path, beside.action, beside.source) == ("/etc/x.dpkg-dist", Action.TAKE, "/etc/x")


def test_lines_of_a_set_may_be_added_at_the_same_place() -> None:
    sides = three_sides(
        {"/etc/shells": b"/bin/sh\n"}, {"/etc/shells": b"/bin/sh\n/bin/zsh\n"}, {"/etc/shells": b"/bin/sh\n/bin/fish\n"}
    )
    (decision,) = text_merge.merge(sides, "/etc/shells")
    assert decision.content == b"/bin/sh\n/bin/zsh\n/bin/fish\n"


def test_different_files_made_on_both_sides_contradict_each_other() -> None:
    sides = three_sides({}, {"/etc/x": b"one\n"}, {"/etc/x": b"two\n"})
    assert [decision.rule for decision in text_merge.merge(sides, "/etc/x")] == ["text-conflict", "text-companion"]


@pytest.mark.parametrize("content", [b"a\0b", b"x" * (text_merge.LARGEST + 1)])
def test_what_is_no_text_is_left_to_others(content: bytes) -> None:
    sides = three_sides({"/etc/x": b"1"}, {"/etc/x": b"2"}, {"/etc/x": content})
    assert list(text_merge.merge(sides, "/etc/x")) == []


def test_a_content_that_a_manifest_does_not_have_is_unknown_until_then() -> None:
    sides = three_sides({"/etc/x": b"1"}, {"/etc/x": b"2"}, {"/etc/x": b"3"}, unknown={"/etc/x"})
    (decision,) = text_merge.merge(sides, "/etc/x")
    assert (decision.action, decision.content) == (Action.WRITE, None)
    assert "unknown until then" in decision.reason


def test_without_diff3_nothing_is_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refusal, match="diff3 is missing"):
        text_merge.merge_texts(b"1", b"2", b"3")
