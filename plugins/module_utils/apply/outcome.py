# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a plan's actions, each by itself and all in one place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Any, Iterable


class State(str, Enum):
    """How far an action came."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # midway: the run was asked to stop
    UNTRIED = "untried"  # not begun: the run was asked to stop, or another one had failed (fail_fast)


@dataclass(frozen=True)
class Outcome:
    """What became of one action."""

    vm_pool: str
    name: str
    action: str
    state: State = State.DONE
    error: str = ""  # a sentence or two for people; empty = done
    steps: tuple[str, ...] = ()  # what was done, in order
    has_changed: bool = True
    downtime: float | None = None  # seconds, where the guest was waited for

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "instance": self.name,
            "action": self.action,
            "state": self.state.value,
            "failed": self.state is State.FAILED,
            "changed": self.has_changed,
            "steps": list(self.steps),
        }
        if self.downtime is not None:
            data["downtime"] = round(self.downtime, 3)
        return {**data, "msg": self.error} if self.error else data


def failures(outcomes: Iterable[Outcome]) -> list[str]:
    """What failed, a sentence or two each. Who only did not get his turn is not among them."""
    return [outcome.error for outcome in outcomes if outcome.state in (State.FAILED, State.STOPPED)]


def counts(outcomes: Iterable[Outcome]) -> str:
    """``1 of 40 actions failed, 38 done, 1 not begun``."""
    found = Counter(outcome.state for outcome in outcomes)
    parts = [f"{found[State.FAILED]} of {found.total()} actions failed, {found[State.DONE]} done"]
    if found[State.STOPPED]:
        parts.append(f"{found[State.STOPPED]} stopped midway (the next run finishes or removes what was made)")
    if found[State.UNTRIED]:
        parts.append(f"{found[State.UNTRIED]} not begun")
    return ", ".join(parts)
