# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmarks share: figures with their goals, as a table and as bench/results.json."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The benchmarks build on the lab, on the tests' ways to run modules, and on the collection itself.
sys.path[:0] = [str(ROOT), str(ROOT / ".venv" / "collections")]
RESULTS = ROOT / "bench" / "results.json"


@dataclass(frozen=True)
class Figure:
    """Something measured. Without a goal it is for information; a goal is what it may be at most."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None

    @property
    def holds(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f"{'at most' if self.holds else 'MORE than'} {self.goal:g}"
        return f"  {self.name:60} {self.value:10.2f} {self.unit:6} {goal}".rstrip()


def report(title: str, figures: list[Figure], results: Path = RESULTS) -> bool:
    """Print the figures and add them to the file of results; whether all goals hold."""
    print(f"{title} (load of this machine: {os.getloadavg()[0]:.1f})")
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    for figure in figures:
        print(figure)
        known[f"{title}: {figure.name}"] = {
            "value": round(figure.value, 3), "unit": figure.unit, "goal": figure.goal, "holds": figure.holds,
        }  # fmt: skip
    results.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    return all(figure.holds for figure in figures)
