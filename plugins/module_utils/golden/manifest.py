# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest of a master's tree, which sealing leaves on the boot CD: what an upgrade to it is previewed with."""

from __future__ import annotations

import gzip
import io
import json
import zlib

from .boot_cd import LARGEST_SEAL, SEAL_FILE, VOLUME_ID, parse_seal
from .iso9660 import DirectoryEntry, find_files, read_volume
from .reader import NotGoldenError, Reader

MANIFEST_FILE = "manifest.jsonl.gz"
#: A boot CD is no larger than 40 MiB.
_LARGEST_MANIFEST = 40 << 20
_PIECE = 1 << 20
_DAMAGED = (OSError, EOFError, UnicodeDecodeError, ValueError, zlib.error)


def read_manifest(reader: Reader, master_id: str) -> bytes:
    """Return the compressed manifest of the master with this id from its boot CD, checked to be whole.

    Raises NotGoldenError when the disk is no boot CD, is that of another master, or has no manifest or a damaged one.
    """
    volume = read_volume(reader)
    if volume is None or volume.identifier != VOLUME_ID:
        raise NotGoldenError("It is no boot CD of Skinnybox.")
    files = find_files(reader, volume, [SEAL_FILE, MANIFEST_FILE])
    # A disk is read forwards: whichever of the two lies first on the CD.
    contents = {name: _content(reader, name, entry) for name, entry in files.items()}
    if SEAL_FILE not in contents:
        raise NotGoldenError(f"The boot CD has no {SEAL_FILE}.")
    found = parse_seal(contents[SEAL_FILE]).master_id
    if found != master_id:
        raise NotGoldenError(f"The boot CD is that of master {found}, not of {master_id}.")
    if MANIFEST_FILE not in contents:
        raise NotGoldenError(f"The boot CD has no {MANIFEST_FILE}: it had no room for it when it was sealed.")
    check_manifest(contents[MANIFEST_FILE], master_id)
    return contents[MANIFEST_FILE]


def _content(reader: Reader, name: str, entry: DirectoryEntry) -> bytes:
    largest = LARGEST_SEAL if name == SEAL_FILE else _LARGEST_MANIFEST
    content = reader.read(entry.offset, entry.length) if 0 < entry.length <= largest else b""
    if not content or len(content) < entry.length:
        raise NotGoldenError(f"The boot CD's {name} is damaged: {len(content)} of {entry.length} bytes can be read.")
    return content


def check_manifest(content: bytes, master_id: str) -> None:
    """Check that a compressed manifest is whole, and of this master if it says of which. Raises NotGoldenError."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            first = json.loads(file.readline(_PIECE))
            while file.read(_PIECE):
                pass  # for the checksum at its end
    except _DAMAGED as problem:
        raise NotGoldenError(f"The manifest is damaged ({problem}).") from problem
    if not isinstance(first, dict):
        raise NotGoldenError("The manifest is damaged: its first line is no object.")
    # Only newer seals say in the first line whose manifest it is.
    if first.get("master_id", master_id) != master_id:
        raise NotGoldenError(f"The manifest is that of master {first['master_id']}, not of {master_id}.")
