# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of both sides, in debconf's databases and in ucf's."""

from __future__ import annotations

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.debconf import (
    decide_answers,
    merge_answers,
    merge_templates,
    merge_ucf,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Action

from ..support.trees import three_sides


def answer(name: str, value: str, owners: str = "p", more: str = "") -> str:
    return f"Name: {name}\nTemplate: {name}\nValue: {value}\nOwners: {owners}\n{more}\n"


TZ = answer("tz", "Etc/UTC")


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (answer("tz", "Europe/Rome"), TZ, answer("tz", "Europe/Rome")),
        (TZ, answer("tz", "Asia/Tokyo"), answer("tz", "Asia/Tokyo")),
        (answer("tz", "Europe/Rome"), answer("tz", "Asia/Tokyo"), answer("tz", "Europe/Rome")),
        (answer("tz", "Europe/Rome"), answer("tz", "Etc/UTC", "p, q"), answer("tz", "Europe/Rome", "p, q")),
        (answer("tz", "Etc/UTC", "p, mine"), answer("tz", "Etc/UTC", "p, q"), answer("tz", "Etc/UTC", "p, mine, q")),
        (TZ + answer("mine", "1"), TZ + answer("new", "2"), TZ + answer("new", "2") + answer("mine", "1")),
        ("", TZ, ""),
        (TZ, "", ""),
        (answer("tz", "Etc/UTC", more="Variables:\n a = b\n c = d\n"), TZ + answer("new", "2"),
         answer("tz", "Etc/UTC", more="Variables:\n a = b\n c = d\n") + answer("new", "2")),
    ],
)  # fmt: skip
def test_answers(ours: str, theirs: str, merged: str) -> None:
    assert merge_answers(TZ, ours, theirs) == merged


def test_words_of_a_question_are_the_new_masters() -> None:
    old, mine, new = (f"Name: q\nDescription: {word}\nOwners: q\n\n" for word in ("old", "mine", "new"))
    assert merge_templates(old, mine, new) == new


def test_without_changes_a_database_is_as_it_was() -> None:
    text = TZ + answer("other", "") + answer("third", "x", more="Flags: seen\n")
    assert merge_answers(TZ, TZ, text) == text
    assert merge_answers(TZ, text, TZ) == text


def test_what_ucf_knows_of_files() -> None:
    base, ours, theirs = "1  /etc/a\n2  /etc/b\n", "1  /etc/a\n3  /etc/b\n4  /etc/mine\n", "5  /etc/a\n2  /etc/b\n"
    assert merge_ucf(base, ours, theirs) == "5  /etc/a\n3  /etc/b\n4  /etc/mine\n"


def test_only_databases_that_are_not_right_as_they_are_get_a_decision() -> None:
    config, old = "/var/cache/debconf/config.dat", "/var/cache/debconf/config.dat-old"
    mine, new = answer("tz", "Europe/Rome").encode(), (TZ + answer("new", "2")).encode()
    untouched = three_sides({config: TZ.encode()}, {config: TZ.encode()}, {config: new})
    assert list(decide_answers(untouched)) == []
    changed = three_sides({config: TZ.encode()}, {config: mine, old: TZ.encode()}, {config: new})
    assert {one.path: (one.action, one.content) for one in decide_answers(changed)} == {
        config: (Action.WRITE, mine + answer("new", "2").encode()),
        old: (Action.DROP, None),
    }
