# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The little of ISO 9660 that finds a file in the root directory of a CD image.

Source: ECMA-119 (sections 8.4 and 9.1), and IEEE P1282 for Rock Ridge's ``NM`` entries.
"""

from __future__ import annotations

import dataclasses
import struct
import typing

from .reader import NotGoldenError, Reader

_SECTOR = 2048
_PRIMARY_DESCRIPTOR = 16 * _SECTOR
# A root directory of a boot CD has a handful of entries; anything near this is damaged.
_LARGEST_DIRECTORY = 64 * _SECTOR


@dataclasses.dataclass(frozen=True)
class Volume:
    """A CD image: its volume id, and where its root directory lies (bytes)."""

    identifier: str
    root_offset: int
    root_length: int


@dataclasses.dataclass(frozen=True)
class DirectoryEntry:
    """A file of a directory: its name, and where its content lies (bytes)."""

    name: str
    offset: int
    length: int


def read_volume(reader: Reader) -> Volume | None:
    """Return what the primary volume descriptor says, or None when the disk is no ISO 9660 file system."""
    descriptor = reader.read(_PRIMARY_DESCRIPTOR, _SECTOR)
    if len(descriptor) < _SECTOR or descriptor[:7] != b"\x01CD001\x01":
        return None
    identifier = descriptor[40:72].decode("ascii", "replace").rstrip()
    extent, length = _extent(descriptor[156:190])
    return Volume(identifier, extent * _SECTOR, length)


def find_file(reader: Reader, volume: Volume, name: str) -> DirectoryEntry | None:
    """Return the root directory's file of this name in any case; NotGoldenError for a damaged one."""
    return find_files(reader, volume, [name]).get(name)


def find_files(reader: Reader, volume: Volume, names: typing.Sequence[str]) -> dict[str, DirectoryEntry]:
    """Return those of the root directory's files that have one of these names, in any case.

    They are in the order in which they lie on the CD, in which they have to be read. Raises NotGoldenError for a
    damaged directory.
    """
    if not 0 < volume.root_length <= _LARGEST_DIRECTORY:
        raise NotGoldenError(f"The root directory of CD {volume.identifier} is damaged.")
    directory = reader.read(volume.root_offset, volume.root_length)
    wanted = {name.lower(): name for name in names}
    found = [entry for entry in _entries(directory) if entry.name.lower() in wanted]
    return {wanted[entry.name.lower()]: entry for entry in sorted(found, key=lambda entry: entry.offset)}


def _entries(directory: bytes) -> typing.Iterator[DirectoryEntry]:
    position = 0
    while position < len(directory):
        length = directory[position]
        if length == 0:
            # A record never crosses a sector; the rest of this one is padding.
            position = (position // _SECTOR + 1) * _SECTOR
            continue
        record = directory[position : position + length]
        if length < 34 or len(record) < length:
            raise NotGoldenError("The root directory of the CD is damaged.")
        extent, size = _extent(record)
        yield DirectoryEntry(_name(record), extent * _SECTOR, size)
        position += length


def _extent(record: bytes) -> tuple[int, int]:
    """Return first sector and length in bytes of a record's file; each is stored in both byte orders."""
    return struct.unpack_from("<I", record, 2)[0], struct.unpack_from("<I", record, 10)[0]


def _name(record: bytes) -> str:
    length = record[32]
    plain = record[33 : 33 + length].decode("ascii", "replace")
    # The plain name is padded to an even length; Rock Ridge's entries follow.
    long_name = _rock_ridge_name(record[33 + length + (1 - length % 2) :])
    return long_name or plain.split(";")[0].rstrip(".")


def _rock_ridge_name(entries: bytes) -> str:
    name = b""
    while len(entries) >= 4 and entries[2] >= 4:
        if entries[:2] == b"NM":
            name += entries[5 : entries[2]]
        entries = entries[entries[2] :]
    return name.decode("utf-8", "replace")
