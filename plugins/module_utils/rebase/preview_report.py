# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A preview in words: as data and as a text."""

from __future__ import annotations

from enum import Enum
from typing import Any, Sequence

from ..layers.printable import Text, printable
from .decision import Action, Decision, Severity
from .dpkg_verdicts import OLDER
from .engine import Decisions
from .globs import matches
from .preview import UNKNOWN, Preview, is_unknown
from .report import SIGNS, WORDS, as_data


class Details(str, Enum):
    """Which decisions are told one by one."""

    SUMMARY = "summary"  # conflicts and dangers, and packages that give way
    NOTES = "notes"  # also what else the instance loses, what is merged, and what cannot be known yet
    FILES = "files"  # all


#: Lines of a text about single files.
_LONGEST = 40
_URGENCY = list(Severity)


def as_result(preview: Preview, details: Details, paths: Sequence[str] = ()) -> dict[str, Any]:
    """The preview as a module returns it: numbers over everything, decisions of the paths that match a glob."""
    known = Decisions({one.path: one for one in preview.decisions if not is_unknown(one)})
    numbers = known.numbers()
    told = sorted(
        (one for one in preview.decisions if _is_told(one, details) and (not paths or matches(one.path, paths))),
        key=lambda one: (-_URGENCY.index(one.severity), one.path),
    )
    return {
        **numbers,
        "notes": len(known.of(Severity.NOTE)),
        "unknown": len(preview.unknown()),
        "clean": not numbers["conflicts"] and not numbers["dangers"] and preview.fits,
        "rules": as_data(preview.decisions)["rules"],
        "needed": preview.needed.bytes,
        "free": preview.free.bytes,
        "fits": preview.fits,
        "grow_by": preview.grow_by,
        "decisions": [_item(preview, one) for one in told],
        "text": _text(preview, told, numbers),
    }


def _is_told(decision: Decision, details: Details) -> bool:
    if decision.severity in (Severity.CONFLICT, Severity.DANGER) or (decision.rule == OLDER and decision.reason):
        return True
    if details is Details.NOTES:
        return decision.severity is Severity.NOTE or decision.action is Action.WRITE or is_unknown(decision)
    return details is Details.FILES and decision.rule != "parent"


def _item(preview: Preview, decision: Decision) -> dict[str, Any]:
    change = preview.change(decision.path)
    return {
        "path": decision.path,
        "change": change.value if change else None,
        "action": decision.action.value,
        "rule": decision.rule,
        "severity": decision.severity.value,
        "reason": decision.reason or ("unknown until then" if decision.rule == UNKNOWN else ""),
        "unknown": is_unknown(decision),
    }


def _text(preview: Preview, told: Sequence[Decision], numbers: dict[str, int]) -> Text:
    counts = ", ".join(f"{count} {name}" for name, count in numbers.items())
    unknown = len(preview.unknown())
    lines = [f"{counts}{f', {unknown} unknown until then' if unknown else ''}.", _space(preview)]
    lines += [_line(one) for one in told[:_LONGEST]]
    if len(told) > _LONGEST:
        lines.append(f"   and {len(told) - _LONGEST} more")
    return Text("\n".join(lines) + "\n")


def _line(decision: Decision) -> str:
    why = printable(decision.reason) or ("unknown until then" if is_unknown(decision) else decision.rule)
    return f"{SIGNS[decision.severity]} {printable(decision.path)}: {WORDS[decision.action]} ({why})"


def _space(preview: Preview) -> str:
    room = f"The new layer takes at most {_mib(preview.needed.bytes)}, {_mib(preview.free.bytes)} are free"
    return f"{room}." if preview.fits else f"{room}: grow the overlay disk by {_mib(preview.grow_by)}."


def _mib(size: int) -> str:
    return f"{-(-size // 2**20)} MiB"
