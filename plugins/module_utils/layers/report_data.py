# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report in values for programs."""

from __future__ import annotations

import datetime
import fnmatch
import re
from typing import Any, Sequence

from . import sums
from .by_package import Change, Owned, PackageDifference
from .differences import checksum
from .fill import Disk, Forecast
from .printable import printable
from .report import Report

_SUMMARY, _FILES = "summary", "files"


def as_data(
    report: Report, details: str, paths: Sequence[str] = (), largest: int = 20, checksums: bool = False
) -> dict[str, Any]:
    """The report in as much detail as was asked for. Raises OSError for checksums."""
    data: dict[str, Any] = {"summary": summary(report), "disk": disk_data(report.disk, report.forecast)}
    if details == _SUMMARY:
        return data
    data |= {
        "packages": [_package(row) for row in report.packages],
        "directories": [_sum(one) for one in sums.by_directory(report.owned, largest)],
        "foreign": [_sum(one) for one in sums.by_directory(filter(sums.counts_as_foreign, report.owned), largest)],
        "users": [_sum(one) for one in sums.by_user(report.owned, report.users)],
        "largest": [_large(each) for each in sums.largest(report.owned, largest)],
        "growth": [{"path": path, "bytes": size} for path, size in list(report.growth.items())[:largest]],
        "growth_since": _moment(report.samples[-1].time) if report.samples else None,
    }
    if details == _FILES:
        wanted = _matcher(paths)
        found = (each for each in report.owned if _wanted(each.difference.path, wanted))
        data["files"] = [_file(each, report.users, checksums) for each in found]
    return data


def summary(report: Report) -> dict[str, Any]:
    """Numbers only."""
    changes = {change.value: sum(row.change is change for row in report.packages) for change in Change}
    return {
        "differences": sums.by_kind(report.owned),
        "packages": changes,
        "conffiles": sum(len(row.conffiles) for row in report.packages),
        "modified_files": sum(len(row.modified) for row in report.packages),
        "foreign_files": sum(sums.counts_as_foreign(each) for each in report.owned),
        "bytes": sum(each.difference.bytes for each in report.owned),
        "allocated": sum(each.difference.allocated for each in report.owned),
        "divergence": report.divergence,
    }


def disk_data(disk: Disk, forecast: Forecast | None) -> dict[str, Any]:
    """How full the overlay disk is, and when it will be full."""
    return {
        "size": disk.size,
        "used": disk.used,
        "available": disk.available,
        "percent": disk.percent,
        "inodes": disk.inodes,
        "inodes_used": disk.inodes_used,
        "forecast": forecast
        and {
            "days": forecast.days,
            "full_at": _moment(forecast.full_at),
            "bytes_per_day": forecast.bytes_per_day,
            "samples": forecast.samples,
        },
    }


def _file(each: Owned, users: dict[int, str], checksums: bool) -> dict[str, Any]:
    difference = each.difference
    entry = difference.entry
    seen = entry or difference.lower
    row: dict[str, Any] = {
        "path": difference.path,
        "change": difference.kind.value,
        "type": seen.type.value if seen else None,
        "bytes": difference.bytes,
        "allocated": difference.allocated,
        "mode": f"{entry.mode:04o}" if entry else None,
        "uid": entry.uid if entry else None,
        "gid": entry.gid if entry else None,
        "user": users.get(entry.uid, str(entry.uid)) if entry else None,
        "target": entry.target if entry and entry.target else None,
        "modified": _moment(int(difference.modified)) if entry else None,
        "metadata": difference.metadata,
        "attributes": sorted(dict(entry.xattrs)) if entry else [],
        "packages": each.packages,
        "conffile": each.conffile,
        "foreign": each.foreign,
        "links": difference.links,
        "breaks_link": difference.breaks_link,
        "hides": difference.hides,
    }
    return row | ({"sha256": checksum(difference) or None} if checksums else {})


def _package(row: PackageDifference) -> dict[str, Any]:
    return {
        "name": row.name,
        "architecture": row.architecture,
        "change": row.change.value,
        "version": row.version or None,
        "master_version": row.master_version or None,
        "conffiles": row.conffiles,
        "modified": row.modified,
        "files": row.files,
        "bytes": row.bytes,
        "allocated": row.allocated,
    }


def _sum(one: sums.Sum) -> dict[str, Any]:
    return {"name": one.name, "files": one.files, "bytes": one.bytes, "allocated": one.allocated}


def _large(each: Owned) -> dict[str, Any]:
    difference = each.difference
    return {
        "path": difference.path,
        "change": difference.kind.value,
        "bytes": difference.bytes,
        "allocated": difference.allocated,
        "growth": difference.bytes - (difference.lower.size if difference.lower else 0),
    }


def _matcher(globs: Sequence[str]) -> re.Pattern[str]:
    """What any of the globs matches; everything when there is none. A star matches slashes, too."""
    return re.compile("|".join(map(fnmatch.translate, globs)), re.DOTALL)


def _wanted(path: str, wanted: re.Pattern[str]) -> bool:
    """Whether a path matches as it is, or as it is told."""
    return bool(wanted.match(path) or wanted.match(printable(path)))


def _moment(seconds: int) -> str:
    """A time in UTC, as ISO 8601 has it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
