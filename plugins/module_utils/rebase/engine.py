# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a whole layer: all rules together, and directories for what they keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, Mapping

from .accounts import Accounts
from .decision import Action, Decision, Severity
from .outcome import theirs_wins
from .owned import owned_paths
from .paths import join, parent
from .plain import plain, wished
from .policy import Policy, read_policy
from .refusal import Refusal
from .rules import STEPS
from .settle import settled
from .sides import Sides


@dataclass(frozen=True)
class Decisions:
    """What becomes of every path that a rule had something to say about, parents first."""

    by_path: Mapping[str, Decision]

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.by_path.values())

    def of(self, *severities: Severity) -> list[Decision]:
        """Those of some severities."""
        return [decision for decision in self if decision.severity in severities]

    def numbers(self) -> dict[str, int]:
        """How many were kept, merged and dropped, and how many need a look; without directories made for others."""
        counted = [decision.action for decision in self if decision.rule != "parent"]
        merged, dropped = counted.count(Action.WRITE), counted.count(Action.DROP)
        numbers = {"kept": len(counted) - merged - dropped, "merged": merged, "dropped": dropped}
        return {**numbers, "conflicts": len(self.of(Severity.CONFLICT)), "dangers": len(self.of(Severity.DANGER))}


def decide(sides: Sides, accounts: Accounts) -> Decisions:
    """Decide about everything that the instance touched, and what must change with it. Raises Refusal.

    Steps (accounts, packages) come first, since what they say about one path goes with what they say about another;
    what people have configured for a path overrules them, but for their databases.
    """
    policy = read_policy(sides)
    decisions: dict[str, Decision] = {}
    steps: list[Callable[[Sides], Iterable[Decision]]] = [accounts.decide, *STEPS]
    for step in steps:
        for decision in step(sides):
            decisions.setdefault(decision.path, decision)
    for path in [*sides.touched, *_hidden(sides)]:
        said = wished(sides, path, policy)
        if said:
            decisions[path] = said
        elif path not in decisions:
            for decision in plain(sides, path, policy):
                decisions.setdefault(decision.path, decision)
    for path in owned_paths(sides.lower, accounts.theirs):
        decisions.setdefault(path, theirs_wins(sides, path, "renumbered"))
    complete = settled(sides, decisions)
    _forbid(complete.values(), policy)
    return Decisions(complete)


def _hidden(sides: Sides) -> Iterator[str]:
    """Paths of the base that are gone because their directory was made anew, where no whiteout tells of it."""
    pure: set[str] = set()  # directories below which nothing of the base is seen
    for path in sides.touched:
        if path not in sides.opaque and parent(path) not in pure:
            continue
        pure.add(path)
        here = set(sides.ours.names(path))
        yield from (join(path, name) for name in sides.base.names(path) if name not in here)


def _forbid(decisions: Iterable[Decision], policy: Policy) -> None:
    urgent = (Severity.CONFLICT, Severity.DANGER)
    bad = [item for item in decisions if item.severity in urgent and policy.fails(item.path)]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise Refusal(f"{bad[0].path}: {bad[0].reason}; the configuration (conflict-fails) refuses that{more}")
