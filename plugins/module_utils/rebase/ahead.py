# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new layer will most likely hold is copied while it is being decided what it holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Iterable, Iterator

from ..layers.durable import sync_file_system
from ..layers.entry import Type
from ..layers.files import is_unchanged
from ..layers.tree import Tree
from ..layers.upper import Raw
from .copying import Copy, copy_in_turn
from .defaults import is_backup, is_cache
from .worker import Worker, beside


class Ahead:
    """Copies of the instance's files where the new master has nothing that the old one had not.

    When making them fails, there are none: whoever builds the layer then meets the reason. The end of the context
    removes what nobody has taken.
    """

    def __init__(self, changes: Iterable[Raw], base: Tree, lower: Tree, directory: Path) -> None:
        """The directory is made; ``base`` and ``lower`` are what lies below the old and the new layer."""
        self._changes = changes
        self._base = base
        self._lower = lower
        self._directory = directory
        self._worker: Worker | None = None
        self._done: bool | None = None  # None: not known yet

    def begin(self) -> None:
        """Begin to copy, if another process can do it beside this one. Raises OSError."""
        self._directory.mkdir()
        # what can be written now, the end need not wait for
        self._worker = beside(self._copy, lambda: sync_file_system(self._directory))
        if self._worker is None:
            self._directory.rmdir()

    def take(self, status: os.stat_result, target: str) -> bool:
        """Put the copy of a file, whose lstat this is, to the target. False when there is none."""
        if self._worker is None or status.st_nlink > 1:
            return False
        if self._done is None:
            self._done = self._wait(self._worker)
        if not self._done:
            return False
        try:
            os.rename(self._place(status), target)  # noqa: PTH104 (many files)
        except FileNotFoundError:
            return False
        return True

    def give_up(self) -> None:
        """Remove what nobody has taken. From now on there are no copies."""
        if self._worker:
            self._worker.end()
            self._worker = None
            shutil.rmtree(self._directory)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.give_up()

    def _copy(self) -> None:
        copy_in_turn(self._copies())

    def _copies(self) -> Iterator[Copy]:
        for raw in self._changes:
            if raw.entry is None or raw.entry.type is not Type.FILE or raw.links > 1:
                continue
            if not is_cache(raw.path) and not is_backup(raw.path) and self._is_as_before(raw.path):
                yield Copy(raw.location, raw.status, self._place(raw.status), raw.entry)

    def _is_as_before(self, path: str) -> bool:
        """Whether the new master has nothing at the path, or what the old one had."""
        now = self._lower.location(path)
        if now is None:
            return True
        before = self._base.location(path)
        return before is not None and is_unchanged(os.lstat(before), os.lstat(now))

    def _place(self, status: os.stat_result) -> str:
        return f"{self._directory}/{status.st_dev}-{status.st_ino}"

    @staticmethod
    def _wait(worker: Worker) -> bool:
        try:
            worker.wait()
        except OSError:
            return False
        return True
