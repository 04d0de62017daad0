# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd and dpkg say, made into problems; and how long one waits for them to pass."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils import health
from ansible_collections.skinnybox.xenserver.plugins.module_utils.health import NotAskable, look, wait_until_settled

AUDIT = """\
The following packages are only half configured, probably due to problems
configuring them the first time.  The configuration should be retried using
dpkg --configure <package> or the configure menu option in dselect:
 skinny-demo          Demonstration of something
 libc6:amd64          GNU C Library: Shared libraries

"""


class System:
    """Answers of systemctl and dpkg: each look takes the next state, the last one stays."""

    def __init__(self, *states: str, failed: str = "", units: str = "", audit: str = "") -> None:
        self.states, self.failed, self.units, self.audit = list(states), failed, units, audit
        self.looks = self.audits = 0

    def __call__(self, words: Sequence[str]) -> str:
        if words[:2] == ["systemctl", "is-system-running"]:
            self.looks += 1
            return (self.states.pop(0) if len(self.states) > 1 else self.states[0]) + "\n"
        if words[:2] == ["systemctl", "list-units"]:
            return "".join(f"{unit} loaded failed failed Words\n" for unit in self.failed.split())
        if words[:2] == ["systemctl", "is-active"]:
            return "\n".join(self.units.split()) + "\n"
        assert list(words) == ["dpkg", "--audit"]
        self.audits += 1
        return self.audit


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_LOOK_AGAIN", 0)


@pytest.mark.parametrize(
    ("system", "units", "problems"),
    [
        (System("running"), [], []),
        (System("degraded"), [], []),
        (System("maintenance"), [], ["systemd is maintenance"]),
        (System("degraded", failed="a.service"), [], ["unit a.service has failed"]),
        (
            System("degraded", failed="a.service", units="failed active deactivating"),
            ["a.service", "b.service", "c.socket"],
            ["unit a.service has failed", "unit c.socket is deactivating"],
        ),
        (
            System("running", audit=AUDIT),
            [],
            ["package libc6:amd64 is not whole (dpkg --audit)", "package skinny-demo is not whole (dpkg --audit)"],
        ),
    ],
)
def test_problems_are_named(system: System, units: list[str], problems: list[str]) -> None:
    assert wait_until_settled(units, 0, [], system).problems == problems


@pytest.mark.parametrize("system", [System(""), System("running", units="active")])
def test_no_answer_is_no_health(system: System) -> None:
    with pytest.raises(NotAskable):
        look(["a.service", "b.service"], system)


def test_it_waits_for_what_may_pass_and_for_nothing_else() -> None:
    busy = System("starting", "starting", "running")
    assert wait_until_settled([], 1000, [], busy).problems == []
    assert (busy.looks, busy.audits) == (3, 1)
    broken = System("degraded", failed="a.service")
    assert wait_until_settled([], 1000, [], broken).problems == ["unit a.service has failed"]
    assert broken.looks == 1
    known = System("starting", failed="a.service")
    wait_until_settled([], 1000, ["unit a.service has failed", "systemd is starting"], known)
    assert known.looks == 1


def test_it_waits_no_longer_than_it_is_asked_to() -> None:
    late = System("running", units="activating")
    assert wait_until_settled(["a.service"], 0, [], late).problems == ["unit a.service is activating"]
    assert late.looks == 1
