# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The word rollout of a VM pool: checked as a whole, before anything is done."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.skinnybox.xenserver.plugins.filter.rollout import rollout
from ansible_collections.skinnybox.xenserver.plugins.filter.rollout_problem import rollout_problem
from ansible_collections.skinnybox.xenserver.plugins.module_utils.module import check_entry
from ansible_collections.skinnybox.xenserver.plugins.module_utils.options import ROLLOUT_OPTIONS
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.rollout import (
    Rollout,
    parse_rollout,
    reasons,
    story,
)


def parse(**words: Any) -> Rollout:
    return parse_rollout(check_entry(words, ROLLOUT_OPTIONS))


def test_a_pool_that_says_nothing_goes_carefully() -> None:
    for nothing in (None, {}):
        assert rollout(nothing) == {
            "canary": "1",
            "batch": "25%",
            "serial": [1, "25%"],
            "max_failures": 1,
            "bake_time": 0,
            "health": {"units": [], "tasks": None, "timeout": 300},
            "max_conflicts": 0,
            "max_dangers": 0,
        }


@pytest.mark.parametrize(
    ("words", "serial"),
    [
        ({"canary": 2, "batch": "10%"}, [2, "10%"]),
        ({"canary": "5%", "batch": 10}, ["5%", 10]),
        ({"canary": 0}, ["25%"]),
        ({"canary": "0%", "batch": "100%"}, ["100%"]),
        ({"canary": " 3 ", "batch": "7 %"}, [3, "7%"]),
    ],
)
def test_batches_are_as_ansible_has_them(words: dict[str, Any], serial: list[int | str]) -> None:
    assert parse(**words).serial == serial


@pytest.mark.parametrize(
    ("text", "seconds"), [(90, 90), ("90", 90), ("90 s", 90), ("10 min", 600), ("10m", 600), ("2h", 7200)]
)
def test_times_are_seconds_or_have_a_unit(text: object, seconds: int) -> None:
    found = parse(bake_time=text, health={"timeout": text})
    assert (found.bake_time, found.health.timeout) == (seconds, seconds)


def test_units_are_services_unless_they_say_otherwise() -> None:
    assert parse(health={"units": ["nginx", "app.socket", "getty@tty1"]}).health.units == (
        *("nginx.service", "app.socket", "getty@tty1.service"),
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"canary": -1}, "canary: -1 is neither a number"),
        ({"canary": "a few"}, "canary: 'a few' is neither"),
        ({"canary": True}, "canary: True is neither"),
        ({"canary": 1.5}, "canary: 1.5 is neither"),
        ({"canary": "120%"}, "canary: 120% is not possible; at least 0%, at most 100%"),
        ({"batch": 0}, "batch: 0 is not possible; at least 1"),
        ({"batch": "0%"}, "batch: 0% is not possible"),
        ({"max_failures": 0}, "max_failures: 0 is not possible; at least 1"),
        ({"max_failures": "some"}, "max_failures"),
        ({"bake_time": "ten"}, "bake_time: 'ten' is no time"),
        ({"bake_time": -5}, "bake_time: -5 is no time"),
        ({"health": {"timeout": 0}}, "health.timeout: 0 is not possible"),
        ({"health": {"units": ["-rf"]}}, "health.units: '-rf' is no name"),
        ({"health": {"units": ["a b"]}}, "health.units: 'a b' is no name"),
        ({"health": {"unit": ["a"]}}, "health.unit: no such option"),
        ({"max_dangers": -1}, "max_dangers: -1 is not possible"),
        ({"canaries": 2}, "canaries: no such option. Options: bake_time, batch, canary,"),
        (["canary"], "it is no dictionary"),
        ("1", "it is no dictionary"),
    ],
)
def test_what_cannot_be_meant_is_named(words: Any, complaint: str) -> None:
    with pytest.raises(AnsibleFilterError, match=complaint):
        rollout(words)


FULL = (
    "its overlay is too full for the new layer; let it grow by 300 MiB at least (module overlay_disk), or free space in"
)
GROWS = {"fits": False, "grow_by": 300 << 20, "conflicts": 0, "dangers": 0}


@pytest.mark.parametrize(
    ("preview", "health", "found"),
    [
        ({}, {}, []),
        ({"fits": True, "conflicts": 1, "dangers": 0}, {"inactive_units": []}, []),
        (
            {"fits": True, "conflicts": 2, "dangers": 1},
            {},
            ["1 danger (0 allowed, rollout.max_dangers)", "2 conflicts (1 allowed, rollout.max_conflicts)"],
        ),
        (GROWS, {}, [f"{FULL} it"]),
        ({}, {"inactive_units": ["nginx.service"]}, ["unit nginx.service is not active now"]),
    ],
)
def test_reasons_not_to_move(preview: dict[str, Any], health: dict[str, Any], found: list[str]) -> None:
    assert reasons(rollout({"max_conflicts": 1}), preview, health) == found


THERE = {"master": "noble", "version": 8, "power_state": "Running"}
REBASED = {"layer": "rebased", "kept": 1, "merged": 2, "dangers": 0}


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({}, "noble:7 -> noble:8"),
        ({"downtime": None, "instance": {}}, "noble:7 -> noble:8"),
        (
            {"downtime": 41.24, "instance": {**THERE, "boot": {"layer": "kept", "kept": 1}}},
            "noble:7 -> noble:8, down for 41.2 s",
        ),
        (
            {"downtime": 2, "instance": {**THERE, "boot": REBASED}},
            "noble:7 -> noble:8, down for 2.0 s; kept 1, merged 2, dangers 0",
        ),
        # in check mode it is where it was, and its last boot tells of another move
        ({"instance": {**THERE, "version": 7, "boot": REBASED}}, "noble:7 -> noble:8"),
        (
            {"instance": {**THERE, "power_state": "Halted", "boot": REBASED}},
            "noble:7 -> noble:8 at its next start: it is halted",
        ),
    ],
)
def test_the_story_of_an_upgrade(result: dict[str, Any], told: str) -> None:
    assert story(result, "noble:7", "noble:8") == told


def test_a_run_that_was_killed_early_leaves_it_where_it_was() -> None:
    found = {"changed": True, "downtime": None, "instance": {**THERE, "version": 7}}
    assert story(found, "noble:7", "noble:7") == "on noble:7, what was interrupted is finished"
    assert story({**found, "changed": False}, "noble:7", "noble:7") == "on noble:7, as before"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (None, ""),
        ({"batch": "10%"}, ""),
        (5, "rollout: it is no dictionary."),
        ({"batch": "lots"}, "rollout.batch: 'lots' is neither a number of instances nor a share such as 25%."),
        ({"btach": 5}, "rollout: btach: no such option. Options: bake_time, batch, "),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(words: object, problem: str) -> None:
    said = rollout_problem(words)
    assert said.startswith(problem) and bool(said) == bool(problem)
