# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users and groups of both sides: who exists, with which number, password and membership."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.accounts_merge import Merged, merge_accounts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.accounts_numbers import assign
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.accounts_subordinate import merge_subordinate
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.accounts_table import parse
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.acl import renumber_acl
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Severity
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.numbers import NoNumberLeft, free_number

BASE = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nsshd:x:101:65534::/:/bin/false\nops:x:1000:1000::/home/ops:/bin/bash\n",
    "shadow": "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\nops:$y$old:19000:0:99999:7:::\n",
    "group": "root:x:0:\nadm:x:4:syslog,ops\nssl-cert:x:102:\nops:x:1000:\n",
    "gshadow": "root:*::\nadm:*::syslog,ops\nssl-cert:!::\nops:!::\n",
}


def edited(*edits: tuple[str, str, str]) -> dict[str, str]:
    """The base's files with a text replaced in some; an empty text to replace appends."""
    texts = dict(BASE)
    for kind, old, new in edits:
        assert old in texts[kind]
        texts[kind] = texts[kind].replace(old, new) if old else texts[kind] + new
    return texts


def merge(ours: dict[str, str], theirs: dict[str, str], base: dict[str, str] = BASE) -> Merged:
    return merge_accounts(*({kind: parse(kind, text) for kind, text in side.items()} for side in (base, ours, theirs)))


def text(merged: Merged, kind: str) -> str:
    return merged.tables[kind].text()


def user(name: str, number: int, password: str = "!") -> list[tuple[str, str, str]]:
    return [
        ("passwd", "", f"{name}:x:{number}:{number}::/home/{name}:/bin/sh\n"),
        ("shadow", "", f"{name}:{password}:19500:0:99999:7:::\n"),
        ("group", "", f"{name}:x:{number}:\n"),
        ("gshadow", "", f"{name}:!::\n"),
    ]


def test_users_of_both_sides_exist_and_the_new_masters_gets_another_number() -> None:
    merged = merge(edited(*user("alice", 1001)), edited(*user("bob", 1001)))
    assert "alice:x:1001:1001:" in text(merged, "passwd")
    assert "bob:x:1002:1002:" in text(merged, "passwd")
    assert "bob:x:1002:\n" in text(merged, "group")
    assert merged.theirs.uids == {1001: 1002} and merged.theirs.gids == {1001: 1002}
    assert merged.base.identity
    assert merged.notes["passwd"] == [
        (Severity.NOTE, "user bob has the number 1002, not 1001 as in the new master"),
    ]


def test_the_same_user_made_on_both_sides_keeps_the_instances_number() -> None:
    merged = merge(edited(*user("_chrony", 110)), edited(*user("_other", 110), *user("_chrony", 111)))
    assert "_chrony:x:110:110:" in text(merged, "passwd")
    assert "_other:x:112:112:" in text(merged, "passwd")  # 111 is where the new master's files have another owner
    assert merged.theirs.uids == {110: 112, 111: 110}


def test_a_number_that_the_instance_once_gave_away_is_not_given_again() -> None:
    gone = {
        kind: "".join(line for line in text.splitlines(True) if not line.startswith("sshd:"))
        for kind, text in BASE.items()
    }
    theirs = dict(gone) | {"passwd": gone["passwd"] + "new:x:101:65534::/:/bin/false\n"}
    merged = merge(dict(BASE), theirs)
    assert "sshd:" not in text(merged, "passwd") and "sshd:" not in text(merged, "shadow")
    assert "new:x:103:65534:" in text(merged, "passwd")


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([("shadow", "$y$old:19000", "$y$mine:19600")], [], "ops:$y$mine:19600:0:99999:7:::"),
        ([], [("shadow", "$y$old:19000", "$y$new:19700")], "ops:$y$new:19700:0:99999:7:::"),
        (
            [("shadow", "$y$old:19000", "$y$mine:19600")],
            [("shadow", "$y$old:19000", "$y$new:19700")],
            "ops:$y$mine:19600:0:99999:7:::",
        ),
        (
            [("shadow", "$y$old:19000", "$y$mine:19600")],
            [("shadow", "$y$old:19000:0:99999", "$y$old:19000:0:90")],
            "ops:$y$mine:19600:0:90:7:::",
        ),
        (
            [("shadow", "ops:$y$old", "ops:!$y$old")],
            [("shadow", "ops:$y$old", "ops:$y$new")],
            "ops:!$y$old:19000:0:99999:7:::",
        ),
    ],
)
def test_passwords(ours: list[tuple[str, str, str]], theirs: list[tuple[str, str, str]], expected: str) -> None:
    merged = merge(edited(*ours), edited(*theirs))
    assert expected in text(merged, "shadow").splitlines()
    clash = [note for note in merged.notes["shadow"] if note[0] is Severity.CONFLICT]
    assert bool(clash) == (bool(ours) and bool(theirs) and "90" not in theirs[0][2])
    assert not [note for note in merged.notes["shadow"] if "$y$" in note[1]]


def test_fields_of_a_user_are_merged_one_by_one() -> None:
    ours = edited(("passwd", "/home/ops:/bin/bash", "/home/ops:/bin/zsh"))
    theirs = edited(("passwd", "ops:x:1000:1000:", "ops:x:1000:1000:Operations"))
    assert "ops:x:1000:1000:Operations:/home/ops:/bin/zsh\n" in text(merge(ours, theirs), "passwd")


def test_both_shells_changed_is_a_conflict_that_names_the_field() -> None:
    ours = edited(("passwd", "/home/ops:/bin/bash", "/home/ops:/bin/zsh"))
    theirs = edited(("passwd", "/home/ops:/bin/bash", "/home/ops:/bin/fish"))
    merged = merge(ours, theirs)
    assert "/home/ops:/bin/zsh\n" in text(merged, "passwd")
    assert merged.notes["passwd"] == [
        (Severity.CONFLICT, "user ops: shell changed on both sides, the instance's stays"),
    ]


def test_members_are_merged_as_sets() -> None:
    ours = edited(
        ("group", "syslog,ops", "syslog,ops,alice"), ("gshadow", "syslog,ops", "syslog,ops,alice"), *user("alice", 1001)
    )
    theirs = edited(("group", "syslog,ops", "ops,backup"), ("gshadow", "syslog,ops", "ops,backup"))
    merged = merge(ours, theirs)
    assert "adm:x:4:ops,alice,backup\n" in text(merged, "group")
    assert "adm:*::ops,alice,backup\n" in text(merged, "gshadow")


def without(name: str) -> dict[str, str]:
    return {
        kind: "".join(line for line in text.splitlines(True) if not line.startswith(f"{name}:"))
        for kind, text in BASE.items()
    }


@pytest.mark.parametrize("deleted_by", ["instance", "master"])
def test_what_one_side_deleted_and_the_other_left_alone_is_gone(deleted_by: str) -> None:
    ours, theirs = (without("ops"), dict(BASE)) if deleted_by == "instance" else (dict(BASE), without("ops"))
    merged = merge(ours, theirs)
    assert all(not line.startswith("ops:") for kind in BASE for line in text(merged, kind).splitlines())
    assert "adm:x:4:syslog\n" in text(merged, "group")


def test_what_the_instance_deleted_stays_deleted_when_the_master_changed_it() -> None:
    merged = merge(without("ops"), edited(("passwd", "/home/ops:/bin/bash", "/home/ops:/bin/zsh")))
    assert "ops:" not in text(merged, "passwd") and "ops:" not in text(merged, "shadow")


def test_a_user_whose_password_the_instance_set_survives_the_masters_deletion_with_its_group() -> None:
    merged = merge(edited(("shadow", "$y$old", "$y$mine")), without("ops"))
    assert "ops:x:1000:1000:" in text(merged, "passwd")
    assert "ops:$y$mine:" in text(merged, "shadow")
    assert "ops:x:1000:\n" in text(merged, "group")
    assert merged.notes["passwd"][0][0] is Severity.CONFLICT


def test_a_group_that_a_user_of_the_instance_has_as_primary_survives() -> None:
    ours = edited(("passwd", "", "alice:x:1001:102::/home/alice:/bin/sh\n"))
    assert "ssl-cert:x:102:\n" in text(merge(ours, without("ssl-cert")), "group")


def test_primary_groups_follow_their_groups_number() -> None:
    ours = edited(("group", "", "docker:x:103:\n"))
    theirs = edited(("group", "", "app:x:103:\n"), ("passwd", "", "app:x:103:103::/:/bin/false\n"))
    merged = merge(ours, theirs)
    assert "app:x:104:\n" in text(merged, "group")
    assert "app:x:103:104:" in text(merged, "passwd")  # its uid is free, its gid was not


def test_accounts_made_on_different_days_do_not_clash() -> None:
    ours, theirs = edited(*user("_x", 120)), edited(*user("_x", 121))
    theirs["shadow"] = theirs["shadow"].replace("_x:!:19500", "_x:!*:19623")
    assert not [note for notes in merge(ours, theirs).notes.values() for note in notes if note[0] is not Severity.NOTE]


def test_an_alias_of_the_new_master_stays_an_alias() -> None:
    merged = merge(dict(BASE), edited(("passwd", "", "toor:x:0:0::/root:/bin/sh\n")))
    assert "toor:x:0:0:" in text(merged, "passwd")
    assert merged.theirs.identity


def test_lines_that_are_no_account_are_kept_last() -> None:
    ours = edited(("passwd", "", "+@admins::::::\nbroken line\n"))
    merged = merge(ours, edited(*user("bob", 1001)))
    assert text(merged, "passwd").endswith("/bin/sh\n+@admins::::::\nbroken line\n")


def test_without_changes_everything_is_as_it_was() -> None:
    for side in (dict(BASE), edited(*user("bob", 1001))):
        assert {kind: text(merge(dict(BASE), side), kind) for kind in BASE} == side
        assert {kind: text(merge(side, dict(BASE)), kind) for kind in BASE} == side


def test_shadows_that_cannot_be_told_are_left_out() -> None:
    public = {kind: text for kind, text in BASE.items() if "shadow" not in kind}
    merged = merge(dict(public), public | {"passwd": public["passwd"] + "bob:x:1001:1001::/:/bin/sh\n"}, public)
    assert set(merged.tables) == set(public)


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
NUMBERS = st.integers(100, 104)


@st.composite
def sides(draw: st.DrawFn) -> dict[str, str]:
    users = draw(st.dictionaries(NAMES, NUMBERS, max_size=5))
    unique = {number: name for name, number in users.items()}
    password = draw(st.sampled_from(["!", "$1", "$2"]))
    return {
        "passwd": "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for number, name in unique.items()),
        "group": "".join(f"{name}:x:{number}:\n" for number, name in unique.items()),
        "shadow": "".join(f"{name}:{password}:1:::::: \n".replace(" ", "") for name in unique.values()),
    }


def numbers(side: dict[str, str], kind: str) -> dict[str, int]:
    return {line.split(":")[0]: int(line.split(":")[2]) for line in side[kind].splitlines()}


@settings(deadline=None, max_examples=150)
@given(sides(), sides(), sides())
def test_any_three_sides(base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]) -> None:
    merged = merge(ours, theirs, base)
    final = {kind: text(merged, kind) for kind in BASE if kind in merged.tables}
    for kind in ("passwd", "group"):
        mine, new, end = numbers(ours, kind), numbers(theirs, kind), numbers(final, kind)
        assert not [number for number, count in Counter(end.values()).items() if count > 1]
        assert all(end[name] == mine[name] for name in mine if name in end)
        assert set(end) >= {name for name in mine if name in new or name not in numbers(base, kind)}
        assert set(end) >= set(new) - set(numbers(base, kind))
        assert not set(end) & (set(numbers(base, kind)) - set(mine))
        translated = merged.theirs.uids if kind == "passwd" else merged.theirs.gids
        assert all(translated.get(number, number) == end[name] for name, number in new.items() if name in end)
    gids = set(numbers(final, "group").values())
    assert all(int(line.split(":")[3]) in gids for line in final["passwd"].splitlines())
    assert {line.split(":")[0] for line in final["shadow"].splitlines()} == set(numbers(final, "passwd"))
    assert merge(merged_again := final, merged_again, merged_again).theirs.identity


def test_numbers_are_taken_from_their_range() -> None:
    assert free_number(1000, {1000}) == 1001
    assert free_number(999, {999}) == 100
    assert free_number(37, {37}) == 100
    with pytest.raises(NoNumberLeft):
        free_number(500, set(range(100, 1000)))
    assert assign({"a": 5}, {"b": 5, "c": 100}, ["a", "b", "c"], {101}) == {"a": 5, "c": 100, "b": 102}


@pytest.mark.parametrize(
    ("ours", "theirs", "gone", "expected"),
    [
        ("a:100000:65536\n", "a:100000:65536\nb:165536:65536\n", "", "a:100000:65536\nb:165536:65536\n"),
        (
            "a:100000:65536\nc:165536:65536\n",
            "a:100000:65536\nb:165536:65536\n",
            "",
            "a:100000:65536\nc:165536:65536\nb:231072:65536\n",
        ),
        ("a:200000:10\n", "a:300000:10\n", "", "a:200000:10\n"),
        ("", "a:100000:65536\n", "", ""),
        ("a:100000:65536\n", "", "", ""),
        ("a:100000:65536\n# why\n", "a:100000:65536\n", "a", "# why\n"),
    ],
)
def test_subordinate_ranges_never_overlap(ours: str, theirs: str, gone: str, expected: str) -> None:
    assert merge_subordinate("a:100000:65536\n", ours, theirs, set(gone)) == expected


def test_numbers_in_acls_follow() -> None:
    entry = lambda tag, number: bytes([tag, 0, 6, 0]) + number.to_bytes(4, "little")  # noqa: E731
    before = (
        b"\2\0\0\0" + entry(1, 0xFFFFFFFF) + entry(2, 1001) + entry(2, 1005) + entry(4, 0xFFFFFFFF) + entry(8, 1001)
    )
    after = b"\2\0\0\0" + entry(1, 0xFFFFFFFF) + entry(2, 1005) + entry(2, 1009) + entry(4, 0xFFFFFFFF) + entry(8, 1001)
    assert renumber_acl(before, {1001: 1009}, {}) == after
