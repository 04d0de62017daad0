# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report sums up: fill level and forecast, directories, users, divergence, and its words."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.guest import shown
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers import sums
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.by_package import (
    Change,
    Owned,
    PackageDifference,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.differences import Difference, Kind
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Entry, Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.fill import (
    SAMPLES,
    Disk,
    Sample,
    forecast,
    parse_samples,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.printable import Text, printable
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.report import Report
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.report_text import as_text

DAY = 86400
MIB = 1 << 20
DISK = Disk(size=1000 * MIB, used=400 * MIB, available=600 * MIB, inodes=100, inodes_used=10)


def daily(*used: int) -> list[Sample]:
    """Samples of MiB, a day apart, the last of them a day ago."""
    return [Sample((number - len(used)) * DAY, size * MIB) for number, size in enumerate(used)]


@pytest.mark.parametrize(
    ("samples", "days", "per_day"),
    [
        (daily(200, 300), 6.0, 100 * MIB),
        (daily(100, 200, 300), 6.0, 100 * MIB),
        (daily(0, 100, 990, 300), 6.0, 100 * MIB),  # a large file that came and went
        (daily(390, 395), 120.0, 5 * MIB),
    ],
)
def test_the_forecast_goes_on_as_it_was(samples: list[Sample], days: float, per_day: int) -> None:
    found = forecast(samples, DISK, now=0)
    assert found and (found.days, found.bytes_per_day) == (days, per_day)
    assert found.full_at == days * DAY and found.samples == len(samples) + 1


@pytest.mark.parametrize(
    "samples",
    [
        [],
        daily(300),  # one is no trend
        daily(400, 400),  # does not grow
        daily(600, 500),  # shrinks
        [Sample(-60, 100 * MIB), Sample(-30, 200 * MIB)],  # a minute says nothing about days
        [Sample(DAY, 1), Sample(2 * DAY, 2), Sample(3 * DAY, 3)],  # a clock that was wrong
    ],
)
def test_there_is_no_forecast_when_nothing_can_be_told(samples: list[Sample]) -> None:
    assert forecast(samples, DISK, now=0) is None


@given(st.lists(st.tuples(st.integers(-(10**9), 0), st.integers(0, 1000 * MIB)), max_size=30))
def test_a_forecast_is_never_in_the_past(numbers: list[tuple[int, int]]) -> None:
    found = forecast(sorted((Sample(*pair) for pair in numbers), key=lambda one: one.time), DISK, now=0)
    assert found is None or (found.days >= 0 and found.full_at >= 0 and found.bytes_per_day > 0)


def test_only_the_latest_samples_count() -> None:
    old = [Sample(-(1000 + number) * DAY, 0) for number in range(SAMPLES, 0, -1)]
    found = forecast([*old, *daily(*[399] * SAMPLES)], DISK, now=0)
    assert found is None or found.samples == SAMPLES


@given(st.lists(st.builds(Sample, st.integers(0, 10**10), st.integers(0), st.dictionaries(st.text(), st.integers()))))
def test_samples_come_back_as_they_were_saved(samples: list[Sample]) -> None:
    text = "".join(f"{sample.as_line()}\n" for sample in samples)
    assert parse_samples(text) == sorted(samples, key=lambda sample: sample.time)


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "7", '{"time": 1}', '{"time": "x", "used": 1}', "\0", '{"directories": 1}']
)
def test_lines_that_are_no_samples_are_left_out(line: str) -> None:
    assert parse_samples(f"{line}\n{Sample(1, 2).as_line()}\n") == [Sample(1, 2)]


def test_a_disk_is_as_full_as_df_says() -> None:
    assert DISK.percent == 40
    assert dataclasses.replace(DISK, used=1, available=999999).percent == 1
    assert Disk(0, 0, 0, 0, 0).percent == 100


def owned(path: str, allocated: int = 4096, kind: Kind = Kind.CHANGED, **more: object) -> Owned:
    """A difference: a file of so many bytes."""
    uid = int(str(more.pop("uid", 0)))
    entry = None if kind is Kind.DELETED else Entry(Type.FILE, 0o644, uid, 0, allocated)
    difference = Difference(path, kind, f"/upper{path}", entry, None, allocated=allocated if entry else 0)
    return Owned(difference, **{"packages": (), **more})  # type: ignore[arg-type]


def test_directories_count_what_is_below_them() -> None:
    found = sums.by_directory([owned("/a/b/c/d/e", 10), owned("/a/x", 5), owned("/top", 1)], 10)
    assert [(one.name, one.files, one.allocated) for one in found] == [
        ("/", 1, 1),
        ("/a", 2, 15),
        ("/a/b", 1, 10),
        ("/a/b/c", 1, 10),
    ]
    assert [one.name for one in sums.by_directory([owned("/a/b/c/d", 10), owned("/a/x", 5)], 1)] == ["/a"]


def test_users_have_names_or_numbers() -> None:
    names = sums.user_names("root:x:0:0::/:/bin/sh\ntwin:x:0:0::/:/bin/sh\nweb:x:33:33\nbroken\n:x:y:\n")
    assert names == {0: "root", 33: "web"}
    found = sums.by_user(
        [owned("/a", 1), owned("/b", 2, uid=33), owned("/c", 4, uid=7), owned("/d", 8, Kind.DELETED)], names
    )
    assert [(one.name, one.allocated) for one in found] == [("7", 4), ("root", 1), ("web", 2)]


def test_the_largest_come_first() -> None:
    found = sums.largest([owned("/b", 1), owned("/a", 1), owned("/c", 9), owned("/gone", 0, Kind.DELETED)], 2)
    assert [each.difference.path for each in found] == ["/c", "/a"]


def test_growth_is_what_is_more_than_earlier() -> None:
    now = sums.by_directory([owned("/a/x", 10), owned("/b/x", 7), owned("/c/x", 1)], 10)
    assert sums.growth(now, {"/a": 4, "/b": 7, "/c": 5, "/gone": 9}) == {"/a": 6}


def package(change: Change, conffiles: int = 0, modified: int = 0) -> PackageDifference:
    return PackageDifference("p", "p", "all", change, "2", "1", ("/c",) * conffiles, ("/m",) * modified, 1, 1, 1)


@pytest.mark.parametrize(
    ("found", "packages", "score"),
    [
        ([], [], 0),
        ([owned("/same", kind=Kind.IDENTICAL)], [], 0),
        ([], [package(Change.UPGRADED)] * 10, 50),
        ([], [package(Change.MODIFIED, conffiles=50)], 50),
        ([], [package(Change.MODIFIED, modified=34)], 76),
        ([owned(f"/srv/{number}") for number in range(4900)], [package(Change.MODIFIED, conffiles=1)], 50),
        ([owned("/etc/x", packages=("p",))], [], 0),
        ([], [package(Change.REMOVED)] * 1000, 99),
    ],
)
def test_divergence_is_by_what_an_upgrade_has_to_care_for(
    found: list[Owned], packages: list[PackageDifference], score: int
) -> None:
    assert sums.divergence(found, packages) == score


@given(st.lists(st.sampled_from(Change)), st.integers(0, 300))
def test_more_differences_never_make_less_divergence(changes: list[Change], foreign: int) -> None:
    rows = [package(change, 1, 1) for change in changes]
    files = [owned(f"/srv/{number}") for number in range(foreign)]
    assert (
        0
        <= sums.divergence(files, rows)
        <= sums.divergence([*files, owned("/x")], [*rows, package(Change.MODIFIED, 1)])
        <= 99
    )


def test_the_text_says_first_what_needs_a_look() -> None:
    files = (owned("/var/big\nname", 3 * MIB), owned("/etc/x", uid=33), owned("/gone", kind=Kind.DELETED))
    packages = (package(Change.UPGRADED), package(Change.MODIFIED, 1, 1), package(Change.REMOVED))
    report = Report(files, packages, {0: "root"}, DISK, tuple(daily(200, 300)), 0)
    lines = as_text(report, "Instance x", 2).splitlines()
    assert lines[0] == "Instance x"
    assert lines[1] == "Overlay disk: 400.0 MiB of 1000.0 MiB used (40 %), full in 6 days at 100.0 MiB a day."
    assert lines[2] == "Differences: 2 changed, 1 deleted; 3.0 MiB. Divergence: 19 of 100."
    assert "  upgraded    p 1 -> 2" in lines and "  removed     p 1" in lines
    assert "     3.0 MiB  /var/big\\nname (changed)" in lines
    titles = [line for line in lines[3:] if not line.startswith(" ")]
    assert titles == [
        "Packages:",
        "Changed conffiles:",
        "Other files of packages changed or gone:",
        "Files of no package, by directory:",
        "Largest files:",
        "Grown since the last sample:",
        "By user:",
    ]


@given(st.binary(max_size=8))
def test_every_name_can_be_shown_and_told_apart(name: bytes) -> None:
    shown_name = printable(os.fsdecode(name))
    json.dumps(shown_name).encode("utf-8")
    assert shown_name.encode() and "\n" not in shown_name if name else shown_name == ""
    other = name + b"\\"
    assert printable(os.fsdecode(other)) != shown_name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"plain", "plain"),
        ("ünï".encode(), "ünï"),
        (b"a\nb\tc\rd", "a\\nb\\tc\\rd"),
        (b"caf\xe9", "caf\\xe9"),
        (b"back\\slash", "back\\\\slash"),
        (b"\x1b[31m", "\\x1b[31m"),
        ("\u2028\x85".encode(), "\\u2028\\u0085"),
    ],
)
def test_odd_characters_are_escaped(name: bytes, text: str) -> None:
    assert printable(os.fsdecode(name)) == text


def test_results_are_shown_all_through_and_texts_stay() -> None:
    result = {"a\n": ["b\n", ("c\n", 1, None)], "text": Text("x\ny")}
    assert shown(result) == {"a\\n": ["b\\n", ["c\\n", 1, None]], "text": "x\ny"}
