# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of many files side by side, so that the disk and the processors need not wait for each other."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple

from ..layers.entry import Entry
from .copying import copy_file

_THREADS = 4
#: Files that a thread gets at a time: handing over takes as long as copying a small one.
_BATCH = 50


class Copy(NamedTuple):
    """A file to be copied, see copy_file."""

    source: str
    status: os.stat_result
    target: str
    entry: Entry


class Copies:
    """Files are copied as they are added. When the context ends well, all of them are there."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS)
        self._batch: list[Copy] = []
        self._begun: list[Future[None]] = []

    def add(self, copy: Copy) -> None:
        """Copy a file now or soon; the target's directory is there. Raises OSError when an earlier copy has failed."""
        self._batch.append(copy)
        if len(self._batch) == _BATCH:
            self._begin()

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Wait until nothing is being copied any more. Raises OSError when a copy has failed."""
        if kind is None:
            self._begin()
        self._threads.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for batch in self._begun:
                batch.result()

    def _begin(self) -> None:
        self._begun.append(self._threads.submit(_copy, self._batch))
        self._batch = []
        while self._begun and self._begun[0].done():
            self._begun.pop(0).result()


def _copy(batch: list[Copy]) -> None:
    for copy in batch:
        copy_file(*copy)
