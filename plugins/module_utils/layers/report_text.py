# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a text that people read."""

from __future__ import annotations

from typing import Iterable, Iterator

from . import sums
from .by_package import Change, PackageDifference
from .differences import Kind
from .printable import Text, printable
from .report import Report

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_KINDS = {
    Kind.METADATA: "with other metadata only",
    Kind.OPAQUE: "directories made anew",
    Kind.IDENTICAL: "copied up but as the master's",
}


def as_text(report: Report, title: str, largest: int = 20) -> Text:
    """The report, what needs a look before what is only large."""
    lines = [title, *_space(report), _numbers(report)]
    lines += _section("Packages", (_package(row) for row in report.packages if row.change is not Change.MODIFIED))
    lines += _section("Changed conffiles", _by_package(report.packages, "conffiles"))
    lines += _section("Other files of packages changed or gone", _by_package(report.packages, "modified"))
    lines += _section("Files of no package, by directory", _foreign(report, largest))
    lines += _section("Largest files", _large(report, largest))
    lines += _section("Grown since the last sample", _grown(report, largest))
    lines += _section("By user", (f"{_size(one.allocated):>10}  {one.name}" for one in _users(report)))
    return Text("\n".join(lines) + "\n")


def _space(report: Report) -> Iterator[str]:
    disk = report.disk
    yield f"Overlay disk: {_size(disk.used)} of {_size(disk.size)} used ({disk.percent} %), {_forecast(report)}"


def _forecast(report: Report) -> str:
    forecast = report.forecast
    if forecast:
        return f"full in {forecast.days:g} days at {_size(forecast.bytes_per_day)} a day."
    return "it does not grow." if len(report.samples) > 1 else "no forecast: too few samples yet."


def _numbers(report: Report) -> str:
    counts = sums.by_kind(report.owned)
    words = {
        Kind.METADATA: "with other metadata only",
        Kind.OPAQUE: "directories made anew",
        Kind.IDENTICAL: "as below",
    }
    told = [f"{counts[kind.value]} {words.get(kind, kind.value)}" for kind in Kind if counts[kind.value]]
    allocated = sum(each.difference.allocated for each in report.owned)
    return f"Differences: {', '.join(told) or 'none'}; {_size(allocated)}. Divergence: {report.divergence} of 100."


def _package(row: PackageDifference) -> str:
    versions = {
        Change.INSTALLED: row.version,
        Change.REMOVED: row.master_version,
    }.get(row.change, f"{row.master_version} -> {row.version}")
    return f"{row.change.value:<10}  {row.key} {versions}"


def _by_package(packages: Iterable[PackageDifference], what: str) -> Iterator[str]:
    for row in packages:
        for path in getattr(row, what):
            yield f"{printable(path)} ({row.name})"


def _foreign(report: Report, number: int) -> Iterator[str]:
    foreign = [each for each in report.owned if sums.counts_as_foreign(each)]
    for one in sums.by_directory(foreign, number):
        yield f"{_size(one.allocated):>10}  {printable(one.name)} ({one.files})"


def _large(report: Report, number: int) -> Iterator[str]:
    for each in sums.largest(report.owned, number):
        difference = each.difference
        yield f"{_size(difference.allocated):>10}  {printable(difference.path)} ({difference.kind.value})"


def _grown(report: Report, number: int) -> list[str]:
    return [f"{_size(size):>10}  {printable(path)}" for path, size in report.growth.items()][:number]


def _users(report: Report) -> list[sums.Sum]:
    return [one for one in sums.by_user(report.owned, report.users) if one.allocated]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    """A title and its lines; nothing when there are none."""
    found = [f"  {line}" for line in lines]
    return [f"{title}:", *found] if found else []


def _size(number: float) -> str:
    """Bytes for people: 1.5 MiB."""
    for unit in _UNITS[:-1]:
        if abs(number) < 1024:
            return f"{number:.0f} {unit}" if unit == _UNITS[0] else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} {_UNITS[-1]}"
