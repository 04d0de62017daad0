# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""At the end of a run: how many points of each matrix were tried, over all tests and processes."""

from __future__ import annotations

from collections import Counter
from typing import Any

#: A test that tries many points says how many with ``record_property(MATRIX + "kill", number)``.
MATRIX = "matrix: "


def pytest_terminal_summary(terminalreporter: Any) -> None:
    points: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                points.update({k: v for k, v in report.user_properties if k.startswith(MATRIX)})
    for name, number in sorted(points.items()):
        terminalreporter.write_line(f"{name.removeprefix(MATRIX)} matrix: {number} points")
