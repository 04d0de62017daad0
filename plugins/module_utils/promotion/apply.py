# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a promotion into a golden VM's root. Each path is made beside its place and renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..layers.entry import Type
from ..rebase.copying import make_node, set_attributes
from ..rebase.numbers import Numbers
from .archive import ROOT
from .index import Index, Item
from .plan import Plan

_PIECE = 1 << 16


@dataclass
class Import:
    """One archive and one root; ``root`` is a directory without a slash at its end ("" is this system's)."""

    root: str
    archive: Path
    index: Index
    plan: Plan
    numbers: Numbers  # of the instance's accounts in the golden VM
    directories: list[tuple[str, tarfile.TarInfo]] = field(default_factory=list)

    def run(self) -> None:
        """Do all of the plan. Killed in between, it is done again from the start. Raises OSError."""
        for path, content in self.plan.accounts.items():
            self._replace_text(path, content)
        with tarfile.open(self.archive, "r|gz") as tar:
            for member in tar:
                path = path_of(member)
                if path in self.plan.place:
                    self._place(tar, member, path)
        for path in self.plan.delete:
            self._delete(path)
        for path, member in reversed(self.directories):
            self._finish_directory(path, member)
        for path in self.index.items:
            _remove(self._beside(path, "new"))
            _remove(self._beside(path, "old"))

    def _place(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        item, target, beside = self.index.items[path], self.root + path, self._beside(path, "new")
        if item.now.entry.type is Type.DIRECTORY:
            self.directories.append((path, member))
            if _is_directory(target):
                return
        _remove(beside)
        self._make(tar, member, item, beside)
        if _is_directory(target) or (_is_directory(beside) and os.path.lexists(target)):
            aside = self._beside(path, "old")
            _remove(aside)
            os.rename(target, aside)  # noqa: PTH104
        os.rename(beside, target)  # noqa: PTH104
        _remove(self._beside(path, "old"))

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, item: Item, target: str) -> None:
        entry = self.numbers.entry(item.now.entry)
        if item.link:
            os.link(self.root + item.link, target, follow_symlinks=False)
            return
        if entry.type is Type.FILE:
            file = tar.extractfile(member)
            if file is not None:  # as it is of every file
                _write(file, target, entry.size, member.issparse())  # type: ignore[arg-type]
        elif entry.type is Type.DIRECTORY:
            os.mkdir(target, 0o700)  # noqa: PTH102
        elif entry.type is Type.LINK:
            os.symlink(entry.target, target)  # noqa: PTH211
        else:
            make_node(target, entry)
        set_attributes(target, entry)
        _set_time(target, member)

    def _finish_directory(self, path: str, member: tarfile.TarInfo) -> None:
        """Now that nothing in it changes any more."""
        target, entry = self.root + path, self.numbers.entry(self.index.items[path].now.entry)
        for name in os.listxattr(target, follow_symlinks=False):
            if name not in entry.xattrs:
                os.removexattr(target, name, follow_symlinks=False)
        set_attributes(target, entry)
        _set_time(target, member)

    def _delete(self, path: str) -> None:
        target = self.root + path
        if _is_directory(target):
            os.rmdir(target)  # noqa: PTH106
        elif os.path.lexists(target):
            os.unlink(target)  # noqa: PTH108

    def _replace_text(self, path: str, content: bytes) -> None:
        target, beside = self.root + path, self._beside(path, "new")
        status = os.lstat(target)
        _remove(beside)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chown(beside, status.st_uid, status.st_gid)
        Path(beside).chmod(status.st_mode & 0o7777)
        os.rename(beside, target)  # noqa: PTH104

    def _beside(self, path: str, kind: str) -> str:
        """A name in the same directory, the same in each run and short enough for every name."""
        parent, _slash, name = path.rpartition("/")
        return f"{self.root}{parent}/.skinnybox-{hashlib.sha256(os.fsencode(name)).hexdigest()[:20]}.{kind}"


def path_of(member: tarfile.TarInfo) -> str:
    """The path that a member of an archive is for; empty for the index."""
    return (member.name[len(ROOT) :] or "/") if member.name.partition("/")[0] == ROOT else ""


def _write(source: BinaryIO, target: str, size: int, has_holes: bool) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while piece := source.read(_PIECE):
            if has_holes and not any(piece):
                file.seek(len(piece), os.SEEK_CUR)
            else:
                file.write(piece)
        file.truncate(size)


def _set_time(target: str, member: tarfile.TarInfo) -> None:
    seconds, _dot, rest = member.pax_headers["mtime"].partition(".")
    time = int(seconds) * 10**9 + int(rest.ljust(9, "0")[:9])
    os.utime(target, ns=(time, time), follow_symlinks=False)


def _remove(path: str) -> None:
    if _is_directory(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)  # noqa: PTH108


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114
