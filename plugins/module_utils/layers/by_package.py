# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences by the Debian packages that they belong to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Iterable, Iterator, Mapping, Sequence

from .differences import Difference, Kind
from .entry import Type
from .files import content_at
from .packages import DATABASE, Conffile, Package, Packages
from .versions import compare_versions

_INFO = f"{DATABASE}/info/"
_BOOKKEEPING = (f"{DATABASE}/", "/var/lib/apt/", "/var/cache/apt/", "/var/cache/debconf/")


class Change(str, Enum):
    """What the instance did with a package."""

    INSTALLED = "installed"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    MODIFIED = "modified"  # the same version, but files of it differ


@dataclass(frozen=True, slots=True)
class Owned:
    """A difference, and whose it is."""

    difference: Difference
    packages: tuple[str, ...]  # keys; of directories often many, none of what no package brought
    conffile: bool = False
    bookkeeping: bool = False  # dpkg's and apt's own files, which change with every package

    @property
    def foreign(self) -> bool:
        """Whether no package brought it."""
        return not self.packages and not self.bookkeeping


@dataclass(frozen=True, slots=True)
class PackageDifference:
    """A package of which the instance has not what the master has."""

    key: str
    name: str
    architecture: str
    change: Change
    version: str  # in the instance; empty when removed
    master_version: str  # empty when installed
    conffiles: tuple[str, ...]  # that a person changed or deleted
    modified: tuple[str, ...]  # other files that are not as this version of the package brought them, or are gone
    files: int  # differences that belong to it
    bytes: int
    allocated: int


def assign(found: Iterable[Difference], base: Packages, ours: Packages) -> list[Owned]:
    """Each difference with its packages. Raises nothing."""
    conffiles = _conffile_paths(ours) | _conffile_paths(base)
    return [_assign(difference, base, ours, conffiles) for difference in found]


def by_package(owned: Sequence[Owned], base: Packages, ours: Packages) -> list[PackageDifference]:
    """Packages that differ, by key. Reads the conffiles of packages with another version. Raises OSError."""
    found: dict[str, list[Owned]] = {}
    for each in owned:
        if len(each.packages) == 1 or (each.packages and not _is_directory(each.difference)):
            found.setdefault(each.packages[0], []).append(each)
    gone = _gone_by_package(owned, base)
    before = {(package.name, package.architecture): package for package in base if package.unpacked}
    after = {(package.name, package.architecture): package for package in ours if package.unpacked}
    rows = (_package(before.get(pair), after.get(pair), found, gone) for pair in sorted({*before, *after}))
    return [row for row in rows if row]


def _assign(difference: Difference, base: Packages, ours: Packages, conffiles: frozenset[str]) -> Owned:
    path = difference.path
    if path.startswith(_BOOKKEEPING):
        return Owned(difference, tuple(_package_of_info(path, base, ours)), bookkeeping=True)
    return Owned(difference, ours.owners(path) or base.owners(path), conffile=path in conffiles)


def _package_of_info(path: str, base: Packages, ours: Packages) -> Iterator[str]:
    """The package that a file such as info/bash.md5sums tells about."""
    key, dot, _kind = path.removeprefix(_INFO).rpartition(".")
    if dot and path.startswith(_INFO) and (ours.get(key) or base.get(key)):
        yield key


def _gone_by_package(owned: Iterable[Owned], base: Packages) -> dict[str, list[str]]:
    """Files below directories that are gone, by key."""
    gone: dict[str, list[str]] = {}
    for each in owned:
        for path in each.difference.hides:
            owners = base.owners(path)
            if len(owners) == 1:  # directories belong to many, and go with their files
                gone.setdefault(owners[0], []).append(path)
    return gone


def _package(
    before: Package | None, after: Package | None, found: Mapping[str, list[Owned]], gone: Mapping[str, list[str]]
) -> PackageDifference | None:
    package = after or before
    if package is None:
        return None
    keys = {each.key for each in (before, after) if each}
    owned = [each for key in sorted(keys) for each in found.get(key, ())]
    change = _change(before, after)
    conffiles: list[str] = []
    modified: list[str] = []
    if before and after:
        touched = [each for each in owned if _touches(each)]
        conffiles = [each.difference.path for each in touched if each.conffile and _by_hand(each, after, change)]
    if change is Change.MODIFIED:
        modified = [each.difference.path for each in touched if not each.conffile]
        modified += [path for key in sorted(keys) for path in gone.get(key, ())]
        if not conffiles and not modified:
            return None
    return PackageDifference(
        key=package.key,
        name=package.name,
        architecture=package.architecture,
        change=change,
        version=after.version if after else "",
        master_version=before.version if before else "",
        conffiles=tuple(conffiles),
        modified=tuple(modified),
        files=len(owned),
        bytes=sum(each.difference.bytes for each in owned),
        allocated=sum(each.difference.allocated for each in owned),
    )


def _change(before: Package | None, after: Package | None) -> Change:
    if before is None or after is None:
        return Change.REMOVED if before else Change.INSTALLED
    order = compare_versions(after.version, before.version)
    if order == 0:
        return Change.MODIFIED
    return Change.UPGRADED if order > 0 else Change.DOWNGRADED


def _touches(each: Owned) -> bool:
    """Whether a file is not as it was, bookkeeping apart."""
    return not each.bookkeeping and each.difference.kind not in (Kind.IDENTICAL, Kind.ADDED)


def _by_hand(each: Owned, after: Package, change: Change) -> bool:
    """Whether a person changed a conffile; with another version of the package it may just be that version's."""
    if change is Change.MODIFIED:
        return True
    entry = each.difference.entry
    if entry is None or entry.type is not Type.FILE:
        return True
    try:
        digest = hashlib.md5(content_at(each.difference.location), usedforsecurity=False).hexdigest()
    except FileNotFoundError:  # gone meanwhile, from a running system
        return True
    return all(conffile.md5 != digest for conffile in after.conffiles if conffile.path == each.difference.path)


def _conffile_paths(packages: Packages) -> frozenset[str]:
    conffiles: Iterator[Conffile] = (conffile for package in packages for conffile in package.conffiles)
    return frozenset(packages.canonical(conffile.path) for conffile in conffiles if not conffile.obsolete)


def _is_directory(difference: Difference) -> bool:
    entry = difference.entry or difference.lower
    return entry is not None and entry.type is Type.DIRECTORY
