# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Previews of rebases, summed up over many instances."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Iterator, Mapping

#: Names that a line shows before it only counts.
_SHOWN = 5


def summarize(previews: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How many instances are clean, which need a look, and why; ``previews`` are results of rebase_info by instance.

    A result that is a failure needs a look, too. Raises ValueError when something else is no result.
    """
    reasons: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    clean: list[str] = []
    for instance, preview in sorted(previews.items()):
        found = list(_reasons(instance, preview))
        for reason in found:
            reasons[reason].append(instance)
        if not found:
            clean.append(instance)
    rows = [
        {"severity": severity, "path": path, "reason": reason, "instances": instances}
        for (severity, path, reason), instances in reasons.items()
    ]
    rows.sort(key=lambda row: (_ORDER.index(row["severity"]), -len(row["instances"]), row["path"]))
    look = sorted(set(previews) - set(clean))
    return {"clean": clean, "look": look, "reasons": rows, "text": _text(clean, look, rows)}


#: The most urgent first.
_ORDER = ("failed", "space", "danger", "conflict")


def _reasons(instance: str, preview: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Why somebody should look at an instance: how urgent, at which path, in which words."""
    if preview.get("failed") or preview.get("unreachable"):
        yield "failed", "", str(preview.get("msg", "no preview"))
        return
    missing = {"decisions", "fits", "grow_by"} - set(preview)
    if missing:
        raise ValueError(f"{instance}: this is no result of rebase_info, it has no {', '.join(sorted(missing))}")
    if not preview["fits"]:
        yield "space", "", "the overlay disk has no room for the new layer"
    for decision in preview["decisions"]:
        if decision["severity"] in ("danger", "conflict"):
            yield decision["severity"], decision["path"], decision["reason"] or decision["rule"]


def _text(clean: list[str], look: list[str], rows: list[dict[str, Any]]) -> str:
    total = len(clean) + len(look)
    if not look:
        return f"{total} of {total} clean.\n"
    needs = "needs" if len(look) == 1 else "need"
    lines = [f"{len(clean)} of {total} clean, {len(look)} {needs} a look, here is why:"]
    for row in rows:
        names = row["instances"]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        where = f"{row['path']}: " if row["path"] else ""
        lines.append(f"  {row['severity']:<8}  {where}{row['reason']} ({', '.join(names[:_SHOWN])}{more})")
    return "\n".join(lines) + "\n"
