# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Round-robin archives: samples of the last minutes, and averages, minima and maxima of ever longer times."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: Seconds between two samples.
STEP = 5
FUNCTIONS = ("AVERAGE", "MIN", "MAX")
#: Samples in a row -> rows kept: ten minutes, two hours, a week, a year.
RESOLUTIONS = {1: 120, 12: 120, 720: 168, 17280: 366}
#: Longest gap, in samples, that is filled with rows that know nothing.
LONGEST_GAP = 2000
Row = Mapping[str, float]


@dataclass
class Running:
    """What is known of the row that is being filled."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lows: dict[str, float] = field(default_factory=dict)
    highs: dict[str, float] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        for name, value in row.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
            self.lows[name] = min(value, self.lows.get(name, math.inf))
            self.highs[name] = max(value, self.highs.get(name, -math.inf))

    def row(self, function: str) -> Row:
        if function == "AVERAGE":
            return {name: total / self.counts[name] for name, total in self.sums.items()}
        return self.lows if function == "MIN" else self.highs


class Archive:
    """The figures of one object. Rows are told by their age: 0 is the newest."""

    def __init__(self) -> None:
        #: every figure that was ever seen, in order
        self.names: dict[str, None] = {}
        #: time of the newest sample, a multiple of STEP
        self.updated = 0
        self._rows: dict[tuple[str, int], deque[Row]] = {
            (function, samples): deque(maxlen=kept) for function in FUNCTIONS for samples, kept in RESOLUTIONS.items()
        }
        self._running = {samples: Running() for samples in RESOLUTIONS}

    def add(self, time: float, row: Row) -> None:
        """Note a sample; nothing happens when there is one of that time already."""
        now = int(time) // STEP * STEP
        if now <= self.updated:
            return
        if self.updated:
            gap = min((now - self.updated) // STEP - 1, LONGEST_GAP)
            for missing in range(gap, 0, -1):
                self._push(now - missing * STEP, {})
        self.names.update(dict.fromkeys(row))
        self._push(now, row)

    def _push(self, time: int, row: Row) -> None:
        self.updated = time
        for samples, running in self._running.items():
            running.add(row)
            if time % (samples * STEP) == 0:
                for function in FUNCTIONS:
                    _append(self._rows[function, samples], running.row(function))
                self._running[samples] = Running()

    def row(self, function: str, samples: int, age: int) -> list[float]:
        """The values of all figures in a row, NaN where nothing is known."""
        rows = self._rows[function, samples]
        found = rows[-1 - age] if age < len(rows) else {}
        return [found.get(name, math.nan) for name in self.names]

    def latest(self) -> Row:
        """The newest sample."""
        rows = self._rows["AVERAGE", 1]
        return rows[-1] if rows else {}


def _append(rows: deque[Row], row: Row) -> None:
    """Most rows are like the one before, and need not be kept again."""
    rows.append(rows[-1] if rows and rows[-1] == row else row)


def resolution(updated: int, start: int, interval: int) -> int:
    """Samples in a row of the finest resolution that is at least the interval (seconds) and reaches back to start.

    The coarsest when none does, as XAPI chooses.
    """
    for samples, kept in RESOLUTIONS.items():
        if samples >= interval // STEP and updated - STEP * kept * samples < start:
            return samples
    return max(RESOLUTIONS)


def shown(value: float) -> str:
    """A value as XAPI writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value:.4f}"


def functions(wanted: str) -> Iterable[str]:
    """The consolidation functions that a client asks for: one, or all."""
    return (wanted,) if wanted in FUNCTIONS else FUNCTIONS
