# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls whose result is unknown, and the progress that is told: without any XAPI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.outcome import (
    Outcome,
    State,
    counts,
    failures,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.progress import Progress
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.settle import settle
from ansible_collections.skinnybox.xenserver.plugins.module_utils.apply.stopping import Stopped
from ansible_collections.skinnybox.xenserver.plugins.module_utils.xapi.errors import (
    ApiFailure,
    ConnectionLost,
    TaskLost,
)

LOST, FORGOTTEN = ConnectionLost("lost"), TaskLost("forgotten")
REFUSED = ApiFailure("VBD.create", ["DEVICE_ALREADY_EXISTS", "1"])


def client() -> Any:
    return SimpleNamespace(stopping=threading.Event())


def one_after_another(*steps: Any) -> Callable[[], Any]:
    """A function that returns these, or raises those that are exceptions."""
    left: Iterator[Any] = iter(steps)

    def do() -> Any:
        step = next(left)
        if isinstance(step, Exception):
            raise step
        return step

    return do


@pytest.mark.parametrize(
    ("acts", "looks", "result"),
    [
        (["made"], [], "made"),
        ([None], [], None),
        ([LOST], ["found"], "found"),
        ([FORGOTTEN], ["found"], "found"),
        ([LOST, "made"], [None], "made"),
        ([LOST, LOST, "made"], [None, None], "made"),
        ([LOST, FORGOTTEN], [None, "found"], "found"),
        # The first attempt was only late: the second is refused because of it.
        ([LOST, REFUSED], [None, "found"], "found"),
        ([LOST], [""], ""),
    ],
)
def test_a_call_is_carried_out_once(acts: list[Any], looks: list[Any], result: Any) -> None:
    assert settle(client(), one_after_another(*acts), one_after_another(*looks)) == result


def test_a_refusal_is_a_refusal() -> None:
    with pytest.raises(ApiFailure):
        settle(client(), one_after_another(REFUSED), one_after_another())
    with pytest.raises(ApiFailure):
        settle(client(), one_after_another(LOST, REFUSED), one_after_another(None, None))


def test_who_is_to_stop_does_not_begin_and_does_not_repeat() -> None:
    stopped = client()
    stopped.stopping.set()
    with pytest.raises(Stopped):
        settle(stopped, one_after_another("made"), one_after_another())
    stops = client()

    def look() -> None:
        stops.stopping.set()

    with pytest.raises(Stopped):
        settle(stops, one_after_another(LOST, "made"), look)


def outcome(name: str, state: State, error: str = "", *steps: str) -> Outcome:
    return Outcome("web", name, "create", state, error, steps)


OUTCOMES = [
    outcome("web-001", State.DONE, "", "VM cloned", "started"),
    outcome("web-002", State.FAILED, "web-002: not created: boom."),
    outcome("web-003", State.STOPPED, "web-003: stopped midway; done: VM cloned."),
    outcome("web-004", State.UNTRIED, "web-004: not begun: the run was asked to stop."),
]


def test_outcomes_are_counted_and_only_failures_told_one_by_one() -> None:
    assert counts(OUTCOMES) == (
        "1 of 4 actions failed, 1 done, 1 stopped midway (the next run finishes or removes what was made), 1 not begun"
    )
    assert counts(OUTCOMES[:1]) == "0 of 1 actions failed, 1 done"
    assert failures(OUTCOMES) == [one.error for one in OUTCOMES[1:3]]
    assert [one.as_data()["failed"] for one in OUTCOMES] == [False, True, False, False]


def test_progress_in_words_and_as_a_fraction() -> None:
    progress = Progress("web", 8)
    assert str(progress) == "web: 0 of 8 done"
    for one in OUTCOMES[:2]:
        progress.add(one)
    assert str(progress) == "web: 1 of 8 done, 1 failed, last web-001 started"
    assert progress.fraction == 0.25
    assert Progress("web", 0).fraction == 1.0
