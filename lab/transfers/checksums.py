# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checksums of the parts of an archive: XXH64, and SHA-1 of older ones."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import hashlib
import struct

MASK = 2**64 - 1
PRIMES = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
)  # fmt: skip
#: Extension of a checksum's file -> how it is computed.
XXHASH, SHA1 = ".xxhash", ".checksum"


def checksum(extension: str, data: bytes) -> str:
    """The text in the file of that extension. Raises ValueError for another extension."""
    if extension == XXHASH:
        return f"{xxh64(data):016X}"
    if extension == SHA1:
        return hashlib.sha1(data, usedforsecurity=False).hexdigest()
    raise ValueError(f"{extension} is no kind of checksum")


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0; by the system's library where there is one, which is much faster."""
    library = _library()
    return int(library.XXH64(data, len(data), 0)) if library else xxh64_in_python(data)


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libxxhash.so.0")
        library.XXH64.restype = ctypes.c_uint64
        library.XXH64.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    except (OSError, AttributeError):
        return None
    return library


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def _round(accumulator: int, lane: int) -> int:
    return _rotated((accumulator + lane * PRIMES[1]) & MASK, 31) * PRIMES[0] & MASK


def xxh64_in_python(data: bytes) -> int:
    """The same without any library, following the algorithm's specification."""
    first, second, third, fourth, fifth = PRIMES
    stripes = len(data) // 32
    if stripes:
        lanes = [(first + second) & MASK, second, 0, -first & MASK]
        for stripe in struct.iter_unpack("<4Q", data[: stripes * 32]):
            lanes = [_round(lane, value) for lane, value in zip(lanes, stripe, strict=True)]
        result = sum(_rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * first + fourth) & MASK
    else:
        result = fifth
    result = (result + len(data)) & MASK
    rest = data[stripes * 32 :]
    while len(rest) >= 8:
        value = int.from_bytes(rest[:8], "little")
        result, rest = (_rotated(result ^ _round(0, value), 27) * first + fourth) & MASK, rest[8:]
    if len(rest) >= 4:
        value = int.from_bytes(rest[:4], "little")
        result, rest = (_rotated(result ^ (value * first & MASK), 23) * second + third) & MASK, rest[4:]
    for byte in rest:
        result = _rotated(result ^ (byte * fifth & MASK), 11) * first & MASK
    result = (result ^ result >> 33) * second & MASK
    result = (result ^ result >> 29) * third & MASK
    return result ^ result >> 32
