# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rebase decided, as data and as lines for people; of one that was done, and of one that may be."""

from __future__ import annotations

from collections import Counter
from typing import Any, Iterable

from ..layers.printable import printable
from .decision import Action, Decision, Severity
from .engine import Decisions

#: What need not be said of each path: nothing happens to it that people would want to know.
_SILENT = ("parent", "identical", "unchanged", "changed", "added", "deleted", "cache", "backup", "stamp")
#: What is clean, and still a text that somebody wrote.
_MERGES = ("text-merged", "text-companion")
WORDS = {
    Action.DROP: "the new master's",
    Action.KEEP: "the instance's",
    Action.TAKE: "the new master's, copied",
    Action.WRITE: "merged",
    Action.DELETE: "deleted",
}
SIGNS = {Severity.DANGER: "!!", Severity.CONFLICT: "! ", Severity.NOTE: "~ ", Severity.CLEAN: "  "}


def as_data(decisions: Decisions) -> dict[str, Any]:
    """How many decisions each rule made, and those that are no matter of course, the most urgent first."""
    rules = Counter(decision.rule for decision in decisions if decision.rule != "parent")
    return {
        "rules": dict(sorted(rules.items())),
        "decisions": [_item(decision) for decision in _told(decisions)],
    }


def as_text(decisions: Decisions) -> list[str]:
    """A line for each decision that a person may want to look at, the most urgent first; the last one has numbers."""
    looked_at = [item for item in _told(decisions) if item.severity is not Severity.CLEAN or item.rule in _MERGES]
    numbers = ", ".join(f"{name} {count}" for name, count in decisions.numbers().items())
    return [*(_line(decision) for decision in looked_at), f"{numbers}."]


def _told(decisions: Iterable[Decision]) -> list[Decision]:
    told = [item for item in decisions if item.severity is not Severity.CLEAN or _is_news(item)]
    urgency = list(Severity)
    return sorted(told, key=lambda decision: (-urgency.index(decision.severity), decision.path))


def _is_news(decision: Decision) -> bool:
    return decision.action is not Action.DROP and decision.rule not in _SILENT


def _item(decision: Decision) -> dict[str, str]:
    item = {"path": printable(decision.path), "action": decision.action.value, "rule": decision.rule}
    item["severity"] = decision.severity.value
    if decision.reason:
        item["reason"] = printable(decision.reason)
    return item


def _line(decision: Decision) -> str:
    why = printable(decision.reason) or decision.rule
    return f"{SIGNS[decision.severity]} {printable(decision.path)}: {WORDS[decision.action]} ({why})"
