# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a promotion: a tar file (pax, gzip), as GNU tar and bsdtar read it, too.

Below ``root/`` it has every promoted path with its owners, mode, time in nanoseconds and extended attributes (ACLs and
capabilities among them); a file with several names is there once, and holes stay holes. The index is the last member.
The same content gives the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Callable, Iterator, Protocol

from ..layers.entry import Entry, Type
from ..layers.tree import Tree
from .content import Change, Content
from .index import NAME, Index, Item, State, to_json
from .sparse import reader_of

ROOT = "root"
ATTRIBUTE = "SCHILY.xattr."
_TYPES = {
    Type.FILE: tarfile.REGTYPE,
    Type.DIRECTORY: tarfile.DIRTYPE,
    Type.LINK: tarfile.SYMTYPE,
    Type.CHARACTER: tarfile.CHRTYPE,
    Type.BLOCK: tarfile.BLKTYPE,
    Type.FIFO: tarfile.FIFOTYPE,
}


class Output(Protocol):
    """Where an archive goes."""

    def write(self, data: bytes, /) -> object:
        """Take some bytes."""

    def flush(self) -> object:
        """Keep none of them back."""


class Unsettled(Exception):
    """A file changed while it was read."""


def write_archive(
    output: Output, content: Content, master: Tree, make_index: Callable[[dict[str, Item], dict[str, State]], Index]
) -> None:
    """Write an archive. Its index is made of the items and deletions that were written. Raises Unsettled, OSError."""
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=output, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        items = dict(_written(tar, content, master))
        deletions = {path: _state(master, path, entry) for path, entry in content.deletions.items()}
        text = to_json(make_index(items, deletions))
        member = tarfile.TarInfo(NAME)
        member.size, member.mode = len(text), 0o600
        tar.addfile(member, io.BytesIO(text))


def _written(tar: tarfile.TarFile, content: Content, master: Tree) -> Iterator[tuple[str, Item]]:
    first_names: dict[int, str] = {}
    for change in content.changes:
        path = change.raw.path
        was = _state(master, path, change.was) if change.was else None
        first = first_names.get(change.raw.inode) if change.raw.links > 1 else None
        try:
            if first:
                member = _member(change)
                member.type, member.linkname = tarfile.LNKTYPE, f"{ROOT}{first}"
                tar.addfile(member)
                yield path, Item(State(change.entry), was, first)
            else:
                yield path, Item(State(change.entry, _write(tar, change)), was, allocated=change.raw.allocated)
                first_names[change.raw.inode] = path
        except FileNotFoundError:  # a file of a running system; nothing of it was written yet
            continue


def _write(tar: tarfile.TarFile, change: Change) -> str | None:
    """Write one member, and return the checksum of a file's content."""
    member = _member(change)
    if change.entry.type is not Type.FILE:
        tar.addfile(member)
        return None
    if change.content is not None:
        tar.addfile(member, io.BytesIO(change.content))
        return hashlib.sha256(change.content).hexdigest()
    with Path(change.raw.location).open("rb", buffering=0) as file:
        reader = reader_of(file, member)
        try:
            tar.addfile(member, io.BufferedReader(reader, 1 << 20))
        except OSError as problem:
            if reader.is_short:
                raise Unsettled(f"{change.raw.path} became shorter while it was read; stop what writes it") from problem
            raise
        return reader.sha256()


def _member(change: Change) -> tarfile.TarInfo:
    entry, status = change.entry, os.lstat(change.raw.location)
    member = tarfile.TarInfo(f"{ROOT}{change.raw.path}".rstrip("/"))
    member.type = _TYPES[entry.type]
    member.mode, member.uid, member.gid = entry.mode, entry.uid, entry.gid
    member.size = entry.size
    member.linkname = entry.target
    if entry.device:
        member.devmajor, member.devminor = entry.device
    seconds, rest = divmod(status.st_mtime_ns, 10**9)
    member.mtime = seconds
    member.pax_headers = {"mtime": f"{seconds}.{rest:09}", **_attributes(entry)}
    return member


def _attributes(entry: Entry) -> dict[str, str]:
    """Extended attributes as pax headers; bytes that are no UTF-8 are surrogates, which tarfile turns back."""
    xattrs = dict(entry.xattrs)
    return {f"{ATTRIBUTE}{name}": value.decode(errors="surrogateescape") for name, value in xattrs.items()}


def _state(tree: Tree, path: str, entry: Entry) -> State:
    return State(entry, tree.sha256(path) if entry.type is Type.FILE else None)
