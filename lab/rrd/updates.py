# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""/rrd_updates: the rows since a time, of several objects side by side, in rrdtool's xport format or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lab.rrd.archive import RESOLUTIONS, STEP, Archive, functions, resolution, shown


class NothingKnown(Exception):
    """There is no archive to answer from."""


@dataclass(frozen=True)
class Updates:
    """Rows, the newest first. Times are epoch seconds."""

    start: int
    step: int
    end: int
    legend: list[str]
    rows: list[tuple[int, list[float]]]

    def xml(self) -> str:
        entries = "".join(f"<entry>{escape(entry)}</entry>" for entry in self.legend)
        meta = (
            f"<meta><start>{self.start}</start><step>{self.step}</step><end>{self.end}</end>"
            f"<rows>{len(self.rows)}</rows><columns>{len(self.legend)}</columns><legend>{entries}</legend></meta>"
        )
        rows = []
        for time, values in self.rows:
            cells = "".join([f"<v>{shown(value)}</v>" for value in values])
            rows.append(f"<row><t>{time}</t>{cells}</row>")
        return f'<?xml version="1.0"?><xport>{meta}<data>{"".join(rows)}</data></xport>'

    def json(self) -> str:
        """Numbers are text, so that NaN can be told."""
        meta = {
            "start": self.start, "step": self.step, "end": self.end, "rows": len(self.rows),
            "columns": len(self.legend), "legend": self.legend,
        }  # fmt: skip
        data = [{"t": time, "values": [shown(value) for value in values]} for time, values in self.rows]
        return json.dumps({"meta": meta, "data": data}, separators=(",", ":"))


def collect(archives: Sequence[tuple[str, Archive]], start: int, interval: int, function: str) -> Updates:
    """The rows of archives, each with the prefix of its entries in the legend; a negative start counts from the end.

    Archives that are not as new as the first are left out. Raises NothingKnown.
    """
    if not archives:
        raise NothingKnown
    updated = archives[0][1].updated
    alike = [(prefix, archive) for prefix, archive in archives if archive.updated == updated]
    start = start + updated if start < 0 else start
    samples = resolution(updated, start, interval)
    step = samples * STEP
    end = updated // step * step
    ages = range(min(RESOLUTIONS[samples], max(0, (end - start) // step + 1)))
    columns = [(prefix, archive, wanted) for prefix, archive in alike for wanted in functions(function)]
    rows = []
    for age in ages:
        values = [value for _prefix, archive, wanted in columns for value in archive.row(wanted, samples, age)]
        rows.append((end - age * step, values))
    legend = [f"{wanted}:{prefix}{name}" for prefix, archive, wanted in columns for name in archive.names]
    return Updates(start // step * step + step, step, end, legend, rows)
