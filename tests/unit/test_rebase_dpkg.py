# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages: who wins, and what dpkg's own files say then. With real packages: integration/test_rebase_packages.py."""

from __future__ import annotations

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Action, Decision, Severity
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.dpkg import decide_packages
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.dpkg_alternatives import (
    decide_alternatives,
    merge_groups,
    parse_group,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.refusal import Refusal
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.shadows import decide_shadows

from ..support.trees import Content, three_sides

DPKG = "/var/lib/dpkg"
Side = dict[str, Content]


def stanza(name: str, version: str, status: str = "install ok installed", **fields: str) -> str:
    more = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    return f"Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: {version}\n{more}\n"


def side(*stanzas: str, **files: Content) -> Side:
    """A tree with these packages; each has a program and dpkg's list of it."""
    tree: Side = {f"{DPKG}/status": "".join(stanzas).encode()}
    for text in stanzas:
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        if not fields["Status"].endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        tree[f"{DPKG}/info/{name}.list"] = f"/.\n/usr\n/usr/bin\n/usr/bin/{name}\n".encode()
        tree[f"/usr/bin/{name}"] = f"{name} {version}".encode()
    return {**tree, **files}


def decide(base: Side, ours: Side, theirs: Side) -> dict[str, Decision]:
    found: dict[str, Decision] = {}
    for decision in decide_packages(three_sides(base, ours, theirs)):
        found.setdefault(decision.path, decision)
    return found


def status(decisions: dict[str, Decision], ours: Side, theirs: Side) -> str:
    """The status file in the end."""
    decision = decisions.get(f"{DPKG}/status")
    if decision is None or decision.action is Action.DROP:
        return str(theirs[f"{DPKG}/status"].decode())  # type: ignore[union-attr]
    if decision.action is Action.KEEP:
        return str(ours[f"{DPKG}/status"].decode())  # type: ignore[union-attr]
    assert decision.content is not None
    return decision.content.decode()


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "final", "rule"),
    [
        ("1", "1", "2", "2", None),
        ("1", "2", "1", "2", "package-newer"),
        ("1", "2", "3", "3", "package-older"),
        ("1", "3", "2", "3", "package-newer"),
        ("1", "2", "2", "2", "package-equal"),
        ("1", "2~rc1", "2", "2", "package-older"),
        ("1", "1:0", "2", "1:0", "package-newer"),
        ("2", "2", "1", "1", None),
        (None, "1", None, "1", "package-installed"),
        (None, None, "1", "1", None),
        ("1", None, "2", None, "package-removed"),
        ("1", "1", None, None, None),
        ("1", "2", None, "2", "package-newer"),
        ("1", None, None, None, None),
    ],
)
def test_whose_version_holds(
    base: str | None, ours: str | None, theirs: str | None, final: str | None, rule: str | None
) -> None:
    sides = [
        side(stanza("other", "1"), *([stanza("p", version)] if version else [])) for version in (base, ours, theirs)
    ]
    decisions = decide(*sides)
    expected = stanza("other", "1") + (stanza("p", final) if final else "")
    assert status(decisions, sides[1], sides[2]) == expected
    assert {decision.rule for path, decision in decisions.items() if "status" not in path} == (
        {rule} if rule else set()
    )


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "final"),
    [
        ("install", "hold", "install", "hold"),
        ("hold", "install", "hold", "install"),
        ("install", "install", "hold", "hold"),
        ("hold", "hold", "install", "install"),
    ],
)
def test_selections_are_those_of_who_changed_them(base: str, ours: str, theirs: str, final: str) -> None:
    sides = [
        side(stanza("p", version, f"{want} ok installed"))
        for version, want in (("1", base), ("1", ours), ("2", theirs))
    ]
    assert status(decide(*sides), sides[1], sides[2]) == stanza("p", "2", f"{final} ok installed")


def test_a_held_package_that_gives_way_is_said() -> None:
    sides = side(stanza("p", "1")), side(stanza("p", "2", "hold ok installed")), side(stanza("p", "3"))
    decision = decide(*sides)[f"{DPKG}/info/p.list"]
    assert (decision.severity, decision.action) == (Severity.NOTE, Action.DROP)
    assert decision.reason == "p 2 of the instance gives way to the new master's 3, although it is held"


def test_what_a_stopped_dpkg_left_in_its_journal_counts() -> None:
    ours = side(stanza("p", "1"), **{f"{DPKG}/updates/0001": stanza("p", "3").encode(), "/usr/bin/p": b"p 3"})
    sides = side(stanza("p", "1")), ours, side(stanza("p", "2"))
    decisions = decide(*sides)
    assert status(decisions, sides[1], sides[2]) == stanza("p", "3")
    assert decisions[f"{DPKG}/updates/0001"].action is Action.DROP


@pytest.mark.parametrize(
    ("needs", "danger"),
    [
        ("lib (>= 1)", False),
        ("lib (>= 3)", True),
        ("lib (>= 3) | other", False),
        ("gone", True),
        ("virtual", False),
        ("virtual (>= 1)", True),
        ("numbered (>= 2)", False),
        ("lib:any (= 2)", False),
    ],
)
def test_what_a_kept_package_needs_and_will_not_have(needs: str, danger: bool) -> None:
    has = {"Provides": "virtual, numbered (= 2)"}
    mine = stanza("mine", "1", Depends=needs)
    sides = (
        side(stanza("lib", "3"), stanza("other", "1"), stanza("gone", "1")),
        side(stanza("lib", "3", **has), stanza("other", "1"), stanza("gone", "1"), mine),
        side(stanza("lib", "2", **has), stanza("other", "1")),
    )
    decision = decide(*sides)[f"{DPKG}/info/mine.list"]
    before = needs in ("virtual (>= 1)",)  # was so in the instance already: nothing new
    assert (decision.severity is Severity.DANGER) == (danger and not before)
    assert not decision.reason or f"mine will be broken: it needs {needs}" in decision.reason


def test_a_package_of_the_master_that_breaks_with_the_instances_version_is_said() -> None:
    sides = (
        side(stanza("lib", "1"), stanza("app", "1")),
        side(stanza("lib", "3"), stanza("app", "1")),
        side(stanza("lib", "2"), stanza("app", "2", Breaks="lib (>= 3)")),
    )
    decision = decide(*sides)[f"{DPKG}/info/app.list"]
    assert decision.severity is Severity.DANGER
    assert decision.reason == "app will be broken: it breaks lib (>= 3)"


def test_what_was_broken_in_the_instance_already_is_not_said_again() -> None:
    sides = (
        side(stanza("lib", "1"), stanza("app", "1", Depends="lib (= 1)")),
        side(stanza("lib", "3"), stanza("app", "1", Depends="lib (= 1)")),
        side(stanza("lib", "2"), stanza("app", "1", Depends="lib (= 1)")),
    )
    assert not [decision for decision in decide(*sides).values() if decision.severity is Severity.DANGER]


def test_a_package_that_is_not_set_up_is_said() -> None:
    sides = side(), side(stanza("p", "1", "install ok half-configured"), **{f"{DPKG}/info/p.list": b"/.\n"}), side()
    decision = decide(*sides)[f"{DPKG}/info/p.list"]
    assert (decision.severity, decision.reason) == (
        Severity.DANGER,
        "p is not fully installed in the instance (half-configured)",
    )


def test_a_master_without_a_package_database_is_refused() -> None:
    with pytest.raises(Refusal, match="no package database"):
        decide(side(stanza("p", "1")), side(stanza("p", "1")), {})


def test_interests_in_triggers_are_those_of_the_packages_that_hold() -> None:
    triggers = f"{DPKG}/triggers/File"
    sides = (
        side(stanza("a", "1"), stanza("b", "1"), **{triggers: b"/x a/noawait\n/y b\n"}),
        side(stanza("a", "1"), stanza("c", "1"), **{triggers: b"/x a/noawait\n/z c\n"}),
        side(stanza("a", "2"), stanza("b", "1"), **{triggers: b"/x2 a/noawait\n/y b\n"}),
    )
    assert decide(*sides)[triggers].content == b"/x2 a/noawait\n/z c\n"


def test_marks_of_apt_survive_for_packages_that_do() -> None:
    def marks(**packages: int) -> bytes:
        return "".join(
            f"Package: {name}\nArchitecture: amd64\nAuto-Installed: {mark}\n\n" for name, mark in packages.items()
        ).encode()

    path = "/var/lib/apt/extended_states"
    sides = (
        side(stanza("a", "1"), stanza("b", "1"), stanza("gone", "1"), **{path: marks(a=1, b=1, gone=1)}),
        side(stanza("a", "1"), stanza("b", "1"), stanza("gone", "1"), stanza("c", "1"), **{path: marks(a=0, b=1, c=1)}),
        side(stanza("a", "1"), stanza("b", "1"), stanza("d", "1"), **{path: marks(a=1, b=1, d=1)}),
    )
    assert decide(*sides)[path].content == marks(a=0, b=1, d=1, c=1)


def test_nothing_is_decided_where_the_instance_has_done_nothing() -> None:
    old, new = side(stanza("a", "1"), stanza("b", "1")), side(stanza("a", "2"), stanza("c", "1"))
    assert decide(old, old, new) == {}


GENERATED = {
    "/usr/lib/modules/6.1/modules.dep": ("theirs", "theirs"),
    "/usr/share/glib-2.0/schemas/gschemas.compiled": ("ours", "theirs"),
    "/usr/lib/locale/locale-archive": ("ours", "ours"),
}


@pytest.mark.parametrize(("path", "winners"), GENERATED.items())
@pytest.mark.parametrize("keeps", [True, False])
def test_what_programs_make_from_other_files_is_no_conflict(path: str, winners: tuple[str, str], keeps: bool) -> None:
    mine = [stanza("mine", "1")] if keeps else []
    sides = side(**{path: b"1"}), side(*mine, **{path: b"mine"}), side(**{path: b"new"})
    decision = decide(*sides)[path]
    expected = Action.KEEP if winners[0 if keeps else 1] == "ours" else Action.DROP
    assert (decision.action, decision.rule) == (expected, "generated")
    assert ("make it anew" in decision.reason) == (expected is Action.KEEP)


@pytest.mark.parametrize(("mine", "new"), [(b"1", b"new"), (b"mine", b"1"), (b"new", b"new")])
def test_what_one_side_made_anew_is_left_to_the_plain_rules(mine: bytes, new: bytes) -> None:
    path = "/usr/lib/locale/locale-archive"
    assert path not in decide(side(**{path: b"1"}), side(**{path: mine}), side(**{path: new}))


def group(status: str, *choices: tuple[str, int]) -> str:
    rows = "".join(f"{path}\n{priority}\n{path}.1.gz\n" for path, priority in choices)
    return f"{status}\n/usr/bin/editor\neditor.1.gz\n/usr/share/man/man1/editor.1.gz\n\n{rows}\n"


NANO, VIM, ED, EMACS = ("/bin/nano", 40), ("/usr/bin/vim", 30), ("/bin/ed", -100), ("/usr/bin/emacs", 50)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (("auto", ED, NANO, VIM), ("auto", ED, EMACS, NANO), ("auto", ED, NANO, EMACS, VIM)),
        (("manual", ED, NANO), ("auto", EMACS, NANO), ("manual", NANO, EMACS)),
        (("auto", NANO), ("auto", ED, NANO, EMACS), ("auto", NANO, EMACS)),
    ],
)
def test_choices_of_both_sides_are_offered(
    ours: tuple[str, ...], theirs: tuple[str, ...], merged: tuple[str, ...]
) -> None:
    base, mine, new = (parse_group(group(*one)) for one in (("auto", ED, NANO), ours, theirs))  # type: ignore[arg-type]
    assert base and mine and new
    found, expected = merge_groups(base, mine, new), parse_group(group(*merged))  # type: ignore[arg-type]
    assert expected and found.text() == expected.text()


@pytest.mark.parametrize(
    ("mode", "extra", "shown"),
    [("auto", VIM, EMACS), ("auto", ("/usr/bin/mine", 90), ("/usr/bin/mine", 90)), ("manual", VIM, VIM)],
)
def test_links_show_what_the_merged_group_shows(mode: str, extra: tuple[str, int], shown: tuple[str, int]) -> None:
    path, link = f"{DPKG}/alternatives/editor", "/etc/alternatives/editor"
    mine = extra[0] if mode == "manual" or extra[1] > 40 else NANO[0]
    decisions = {
        decision.path: decision
        for decision in decide_alternatives(
            three_sides(
                {path: group("auto", ED, NANO).encode(), link: NANO[0]},
                {path: group(mode, ED, NANO, extra).encode(), link: mine},
                {path: group("auto", ED, NANO, EMACS).encode(), link: EMACS[0]},
            )
        )
    }
    assert decisions[path].action is Action.WRITE
    assert decisions[link].action is (Action.DROP if shown == EMACS else Action.KEEP)


@pytest.mark.parametrize("text", ["", "auto\n", "auto\n/x\n\n/a\nhigh\n\n", "auto\n/x\nslave\n"])
def test_what_is_no_group_of_alternatives_is_left_alone(text: str) -> None:
    assert parse_group(text) is None


@pytest.mark.parametrize(
    ("path", "theirs", "danger"),
    [
        ("/usr/local/bin/tool", b"2", True),
        ("/usr/local/bin/tool", b"1", False),
        ("/usr/local/bin/other", b"2", False),
        ("/usr/local/share/tool", b"2", False),
    ],
)
def test_programs_beside_packages_that_hide_a_changed_one(path: str, theirs: bytes, danger: bool) -> None:
    sides = three_sides({"/usr/bin/tool": b"1"}, {"/usr/bin/tool": b"1", path: b"mine"}, {"/usr/bin/tool": theirs})
    found = list(decide_shadows(sides))
    assert [(one.path, one.action, one.severity) for one in found] == (
        [(path, Action.KEEP, Severity.DANGER)] if danger else []
    )
