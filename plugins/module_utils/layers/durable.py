# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes that a crash does not take back."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from pathlib import Path
from typing import Iterator

#: Seconds between two times at which what was written meanwhile begins to go to the disk.
_PACE = 0.2


def sync_file_system(directory: Path) -> None:
    """Write all that the kernel holds back for the file system of a directory. Raises OSError when it cannot."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written_meanwhile(directory: Path) -> Iterator[None]:
    """Have the disk write while the block still makes files below a directory, instead of all at the end.

    The block's files are not safe by this: call sync_file_system at the end. Raises OSError, in the place of which
    the later call would see nothing, when a write has failed.
    """
    ended, problems = threading.Event(), list[OSError]()

    def write() -> None:
        while not ended.wait(_PACE) and not problems:
            try:
                sync_file_system(directory)
            except OSError as problem:
                problems.append(problem)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if problems:
        raise problems[0]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory last: those that were added, renamed or removed. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, text: str) -> None:
    """Replace a file, so that after a crash it has the old content or the new one. Raises OSError."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(path.parent)
