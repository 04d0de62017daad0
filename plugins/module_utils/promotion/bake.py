# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many instances have changed alike, and would not have to carry if the next master had it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from ..layers.entry import Entry, Type
from ..layers.printable import Text
from ..rebase.defaults import is_cache
from .accounts import ACCOUNTS
from .fstab import FSTAB
from .scrub import Scrub

Report = Mapping[str, Any]  # what module overlay_report returns, with files and checksums

#: Databases that follow from what else is baked.
_DATABASES = ("/var/lib/dpkg/", "/var/lib/apt/")
_NO_DIFFERENCE = ("identical", "opaque")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class ReportUnusable(Exception):
    """A report does not have what is needed; the message names it."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A package or a file that some instances have changed alike."""

    kind: str  # package or file
    name: str  # of a package, with its version; or a path
    change: str  # in the words of the reports
    instances: tuple[str, ...]
    bytes: int  # that it takes on all their overlay disks

    def as_data(self, total: int) -> dict[str, Any]:
        """What modules return of it; ``total`` is the number of all instances."""
        return {
            "kind": self.kind,
            "name": Text(self.name),  # the reports have made it printable
            "change": self.change,
            "instances": list(self.instances),
            "share": round(100 * len(self.instances) / total, 1),
            "saves": self.bytes,
        }


def find_alike(reports: Mapping[str, Report], share: int) -> list[Alike]:
    """What at least ``share`` percent of the instances have alike, what saves most first. Raises ReportUnusable."""
    least = -(-share * len(reports) // 100)
    packages = _in_common("package", {name: _packages(report) for name, report in reports.items()}, least)
    baked = {(alike.name, instance) for alike in packages for instance in alike.instances}
    files = {
        name: [item for item in _files(name, report) if not any((key, name) in baked for key in item.packages)]
        for name, report in reports.items()
    }
    found = [*packages, *_in_common("file", files, least)]
    return sorted(found, key=lambda alike: (-alike.bytes, alike.kind, alike.name))


def as_text(found: Sequence[Alike], total: int, share: int, most: int) -> str:
    """The advice for people, with at most so many lines of each kind."""
    if not found:
        return f"Nothing was changed alike in at least {share} % of {total} instances."
    added = [alike for alike in found if alike.change not in ("deleted", "removed")]
    gone = [alike for alike in found if alike.change in ("deleted", "removed")]
    lines = []
    if added:
        saved = sum(alike.bytes for alike in added)
        lines += [f"Put these in the next master, which saves {size_text(saved)} in {total} instances:"]
        lines += _lines(added, total, most)
    if gone:
        lines += ["Remove these from the next master:", *_lines(gone, total, most)]
    return "\n".join(lines)


def size_text(size: int) -> str:
    """Bytes as people read them."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} bytes"


def _lines(found: Sequence[Alike], total: int, most: int) -> list[str]:
    lines = [
        f"  {alike.kind} {alike.name} ({alike.change}) in {len(alike.instances)} of {total}, {size_text(alike.bytes)}"
        for alike in found[:most]
    ]
    return lines if len(found) <= most else [*lines, f"  and {len(found) - most} more"]


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    change: str
    same: tuple[Any, ...]  # by which two instances have it alike
    bytes: int
    packages: tuple[str, ...] = ()  # that it belongs to, as items are named


def _in_common(kind: str, items: Mapping[str, Sequence[_Item]], least: int) -> list[Alike]:
    instances: dict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
    for instance, found in items.items():
        for item in found:
            instances[item.name, item.change, item.same][instance] = item.bytes
    return [
        Alike(kind, name, change, tuple(sorted(sizes)), sum(sizes.values()))
        for (name, change, _same), sizes in instances.items()
        if len(sizes) >= least
    ]


def _packages(report: Report) -> list[_Item]:
    rows = [row for row in report.get("packages", ()) if row["change"] != "modified"]
    return [_Item(_package_name(row), row["change"], (), row["allocated"]) for row in rows]


def _package_name(row: Mapping[str, Any]) -> str:
    version = f" {row['version']}" if row.get("version") and row["change"] != "removed" else ""
    return f"{row['name']}:{row['architecture']}{version}"


def _files(instance: str, report: Report) -> Iterator[_Item]:
    if "files" not in report:
        raise ReportUnusable(
            f"The report of {instance} has no files: run overlay_report with details=files and checksums=true."
        )
    names: dict[str, list[str]] = defaultdict(list)
    for row in report.get("packages", ()):
        if row["change"] != "modified":
            names[row["name"]].append(_package_name(row))
    scrub = Scrub()
    for row in report["files"]:
        if row["change"] in _NO_DIFFERENCE or _is_own(scrub, row):
            continue
        if row["type"] == "file" and row["change"] != "deleted" and not row.get("sha256"):
            raise ReportUnusable(f"The report of {instance} has no checksums: run overlay_report with checksums=true.")
        what = ("sha256", "mode", "user", "target") if row["change"] != "deleted" else ()
        owners = [name for key in row["packages"] for name in names[key.partition(":")[0]]]
        same = (row["type"], *(row.get(word) for word in what))
        yield _Item(row["path"], row["change"], same, row["allocated"], tuple(owners))


def _is_own(scrub: Scrub, row: Mapping[str, Any]) -> bool:
    """Whether it belongs to one instance by its nature, follows from something else, or is a directory that came."""
    path = row["path"]
    if row["type"] == "directory" and row["change"] == "added":
        return True
    if path in ACCOUNTS or path.startswith(_DATABASES) or is_cache(path):
        return True
    if path == FSTAB:  # every instance's first boot adapts it alike, and a golden VM needs its own
        return True
    kind = Type(row["type"]) if row["type"] in {one.value for one in Type} else Type.FILE
    return scrub.reason(path, Entry(kind, 0, 0, 0)) is not None
