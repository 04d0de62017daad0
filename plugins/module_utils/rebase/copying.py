# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of single files, with everything that belongs to them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple

from ..layers.entry import Entry, Type
from ..layers.extents import data_extents, has_holes
from .worker import beside

#: Files up to this size are read at once; of larger ones holes are looked for.
_SMALL = 1 << 20
_CHUNK = 1 << 30
#: So many files the disk is told to read before the first of them is copied.
_BATCH = 32
_DEVICES = {
    Type.CHARACTER: stat.S_IFCHR,
    Type.BLOCK: stat.S_IFBLK,
    Type.FIFO: stat.S_IFIFO,
    Type.SOCKET: stat.S_IFSOCK,
}


class Copy(NamedTuple):
    """A regular file to be copied."""

    source: str
    status: os.stat_result  # lstat of the source
    target: str  # does not exist
    entry: Entry  # owners, mode and attributes that the target gets


def copy_files(copies: list[Copy]) -> None:
    """Copy many files, half of them in another process if it can be. Raises OSError; then nothing is being copied."""
    half = len(copies) // 2
    worker = beside(lambda: copy_in_turn(copies[:half]))
    if worker is None:
        copy_in_turn(copies)
        return
    try:
        copy_in_turn(copies[half:])
        worker.wait()
    finally:
        worker.end()


def copy_in_turn(copies: Iterable[Copy]) -> None:
    """Copy files one after the other, while the disk reads those that come next. Holes stay holes. Raises OSError."""
    left = iter(copies)
    while batch := list(itertools.islice(left, _BATCH)):
        with _opened(batch) as sources:
            for copy, source in zip(batch, sources, strict=True):
                _copy(source, copy)


@contextlib.contextmanager
def _opened(copies: list[Copy]) -> Iterator[list[int]]:
    """Descriptors of the sources, which the kernel is told to read now."""
    sources: list[int] = []
    try:
        for copy in copies:
            sources.append(os.open(copy.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
            os.posix_fadvise(sources[-1], 0, min(copy.status.st_size, _SMALL), os.POSIX_FADV_WILLNEED)
        yield sources
    finally:
        for source in sources:
            os.close(source)


def _copy(source: int, copy: Copy) -> None:
    status = copy.status
    with _new_file(copy.target) as writing:
        if status.st_size <= _SMALL and not has_holes(status):
            _write(writing, os.read(source, status.st_size))
        else:
            _copy_extents(source, writing, status.st_size)
        _set_attributes(writing, copy.entry)
        os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_file(target: str, content: bytes, entry: Entry) -> None:
    """Make the target, a new file, with this content."""
    with _new_file(target) as writing:
        _write(writing, content)
        _set_attributes(writing, entry)


@contextlib.contextmanager
def _new_file(target: str) -> Iterator[int]:
    writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield writing
    finally:
        os.close(writing)


def _set_attributes(descriptor: int, entry: Entry) -> None:
    """As set_attributes, of a regular file."""
    os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, entry.mode)
    for name, value in dict(entry.xattrs).items():
        os.setxattr(descriptor, name, value)


def make_node(target: str, entry: Entry) -> None:
    """Make the target, a new device, fifo or socket."""
    os.mknod(target, _DEVICES[entry.type] | 0o600, os.makedev(*(entry.device or (0, 0))))


def make_whiteout(target: str) -> None:
    """Make what overlayfs takes for the absence of a file."""
    os.mknod(target, stat.S_IFCHR, os.makedev(0, 0))


def set_attributes(target: str, entry: Entry) -> None:
    """Give a file its owners, mode and extended attributes.

    In this order: a change of owner takes set-user-ID bits and capabilities away.
    """
    os.lchown(target, entry.uid, entry.gid)
    if entry.type is not Type.LINK:
        Path(target).chmod(entry.mode)
    for name, value in dict(entry.xattrs).items():
        os.setxattr(target, name, value, follow_symlinks=False)


def set_times(target: str, status: os.stat_result) -> None:
    """Give a file the times of another one, in nanoseconds."""
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _copy_extents(reading: int, writing: int, size: int) -> None:
    os.ftruncate(writing, size)
    for start, length in data_extents(reading, size):
        _copy_range(reading, writing, start, start + length)


def _copy_range(reading: int, writing: int, start: int, end: int) -> None:
    os.lseek(writing, start, os.SEEK_SET)
    while start < end:
        copied = os.sendfile(writing, reading, start, min(end - start, _CHUNK))
        if not copied:
            raise OSError(errno.EIO, "a file became shorter while it was copied")
        start += copied


def _write(writing: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(writing, view) :]
