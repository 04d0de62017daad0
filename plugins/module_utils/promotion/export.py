# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive of what an instance has changed, for its golden VM."""

from __future__ import annotations

import filecmp
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from ..layers.directory import DirectoryTree
from ..layers.files import sha256_at
from ..layers.instance import Instance
from ..layers.stack import Stack
from .accounts import SHADOWS, account_texts
from .archive import Output, write_archive
from .content import Content, find_content
from .index import Index, Item, State
from .scrub import Scrub

#: Part of the free space that an archive may take: an overlay that is full stops its instance.
_SHARE = 0.9
_KERNELS = "/boot/vmlinuz-"


class ExportRefused(Exception):
    """No archive can be written; the message says why."""


@dataclass
class _Checksum:
    """An output that is thrown away."""

    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> int:
        """See Output."""
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        """See Output."""


@dataclass(frozen=True)
class Export:
    """What is written, and of whom."""

    instance: Instance
    hostname: str
    content: Content
    with_passwords: bool

    def write(self, target: Path) -> bool:
        """Write the archive; whether the file changed. Raises ExportRefused, Unsettled, OSError."""
        self._check_room(target)
        beside = target.with_name(f".{target.name}.new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                self._write_to(file)
                file.flush()
                os.fsync(file.fileno())
            if target.exists() and filecmp.cmp(beside, target, shallow=False):
                return False
            beside.replace(target)
            return True
        finally:
            beside.unlink(missing_ok=True)

    def would_write(self, target: Path) -> bool:
        """Whether the file would change. Raises ExportRefused, Unsettled, OSError."""
        self._check_room(target)
        if not target.exists():
            return True
        checksum = _Checksum()
        self._write_to(checksum)
        return checksum.digest.hexdigest() != sha256_at(str(target))

    def _write_to(self, output: Output) -> None:
        write_archive(output, self.content, DirectoryTree(self.instance.master), self._index)

    def _index(self, items: dict[str, Item], deletions: dict[str, State]) -> Index:
        master = DirectoryTree(self.instance.master)
        seen = Stack([self.instance.upper, *self.instance.lowers])
        return Index(
            master_id=self.instance.master_id,
            hostname=self.hostname,
            items=items,
            deletions=deletions,
            scrubbed=self.content.scrubbed,
            master_accounts=account_texts(master, self.with_passwords),
            instance_accounts=account_texts(seen, self.with_passwords),
        )

    def _check_room(self, target: Path) -> None:
        room = os.statvfs(target.parent)
        free = int(room.f_bavail * room.f_frsize * _SHARE)
        needed = sum(change.raw.allocated for change in self.content.changes)
        if needed > free:
            raise ExportRefused(
                f"{target.parent} has room for an archive of {free >> 20} MiB, and up to {needed >> 20} MiB may be "
                "needed: write it elsewhere, or scrub what is large and not wanted."
            )


def prepare(instance: Instance, target: Path, keep: Sequence[str], more: Sequence[str]) -> Export:
    """Look at what is to be exported. Raises ExportRefused, ForeignLayer, OSError."""
    if not target.parent.is_dir():
        raise ExportRefused(f"There is no directory {target.parent}.")
    if target.is_dir():
        raise ExportRefused(f"{target} is a directory; dest is the archive itself.")
    for glob in (*keep, *more):
        if not glob.startswith("/"):
            raise ExportRefused(f"{glob!r} is no glob of paths: it must begin with a slash.")
    own = [str(target), str(target.with_name(f".{target.name}.new"))]
    content = find_content(instance.upper, instance.lowers[:-1], instance.master, keep, [*more, *map(_literal, own)])
    _check_kernels(instance, content)
    with_passwords = any(Scrub(keep=tuple(keep)).keeps(path) for path in SHADOWS)
    return Export(instance, os.uname().nodename, content, with_passwords)


def _check_kernels(instance: Instance, content: Content) -> None:
    """A golden VM boots from its own /boot; packages and modules of other kernels would not fit it."""
    seen, master = Stack([instance.upper, *instance.lowers]), DirectoryTree(instance.master)
    kernels = [path for path, reason in content.scrubbed.items() if reason == "boot" and path.startswith(_KERNELS)]
    if other := [path for path in kernels if (seen.entry(path) is None) != (master.entry(path) is None)]:
        raise ExportRefused(
            f"The instance has other kernels than its master ({', '.join(other)}). A kernel is never promoted: install "
            "it in the golden VM, and have the instance's packages of kernels as its master has them."
        )


def _literal(path: str) -> str:
    """A glob for just this path."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)
