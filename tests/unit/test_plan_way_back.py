# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where instances go back to, also when a run was killed between two versions, and when some are there already."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.way_back import going_back, way_back


def instance(
    title: str, *previous: str, moving_to: str | None = None, name: str = "web-001", halted: bool = False
) -> dict[str, Any]:
    """``halted``: it is, by a run that was to start it again."""
    master, _colon, version = title.partition(":")
    power = {"restarting": halted, "power_state": "Halted" if halted else "Running"}
    return {
        "name": name,
        "master": master,
        "version": int(version),
        "previous": list(previous),
        "moving_to": moving_to,
        **power,
    }


@pytest.mark.parametrize(
    ("facts", "back"),
    [
        (instance("noble:7"), ""),
        (instance("noble:8", "noble:7", "noble:6"), "noble:7"),
        # an upgrade that was killed: before anything is attached anew, and after
        (instance("noble:7", moving_to="noble:8"), "noble:7"),
        (instance("noble:7", "noble:6", moving_to="noble:8"), "noble:7"),
        (instance("noble:8", "noble:7", moving_to="noble:8"), "noble:7"),
        (instance("noble:7", "noble:6", halted=True), "noble:7"),
        (instance("noble:8", "noble:7", moving_to="noble:8", halted=True), "noble:7"),
        # a rollback that was killed goes on
        (instance("noble:8", "noble:7", "noble:6", moving_to="noble:7"), "noble:7"),
        (instance("noble:8", "noble:7", "noble:6", moving_to="noble:6"), "noble:6"),
        (instance("noble:7", moving_to="noble:7"), "noble:7"),
    ],
)
def test_the_way_back_of_one(facts: dict[str, Any], back: str) -> None:
    assert way_back(facts) == back


def names(found: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["way_back"] for one in found}


def test_those_that_have_nowhere_to_go_stay() -> None:
    found = going_back([instance("noble:8", "noble:7"), instance("noble:7", name="web-002")], None)
    assert (names(found["moving"]), found["stuck"]) == ({"web-001": "noble:7"}, {})


def test_run_again_it_takes_nobody_further_back_than_asked() -> None:
    there, not_yet = instance("noble:7", "noble:6"), instance("noble:8", "noble:7", "noble:6", name="web-002")
    found = going_back([there, not_yet], "noble:7")
    assert (names(found["moving"]), found["stuck"]) == ({"web-002": "noble:7"}, {})


def test_two_versions_back_is_possible_and_elsewhere_is_not() -> None:
    pool = [instance("noble:8", "noble:7", "noble:6"), instance("noble:8", "noble:7", name="web-002")]
    found = going_back(pool, "noble:6")
    assert (names(found["moving"]), found["stuck"]) == ({"web-001": "noble:6"}, {"web-002": ["noble:7"]})


def test_a_killed_upgrade_counts_as_not_there() -> None:
    found = going_back([instance("noble:7", moving_to="noble:8")], "noble:7")
    assert names(found["moving"]) == {"web-001": "noble:7"}
    found = going_back([instance("noble:8", "noble:7", moving_to="noble:8")], "noble:8")
    assert (found["moving"], found["stuck"]) == ([], {"web-001": ["noble:7"]})
