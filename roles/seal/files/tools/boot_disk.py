# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small extra disk of the golden VM that takes the boot CD: found by what is on it, never by its name."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib

from commands import SealError, run

VOLUME_ID = "SKINNYBOX_BOOT"
_MEBIBYTE = 1 << 20
_SMALLEST, _LARGEST = 32 * _MEBIBYTE, 256 * _MEBIBYTE
#: Everything that makes a CD recognisable lies before this offset.
_HEAD = 64 << 10
_BLKFLSBUF = 0x1261


def find_boot_disk(override: str) -> str:
    """Return the device to write: ``override`` if given, else the only disk that fits. Raises SealError."""
    if override:
        if not pathlib.Path(override).is_block_device():
            raise SealError(f"seal_boot_disk is {override}, which is no block device.")
        return override
    disks = [disk for disk in sorted(pathlib.Path("/sys/block").iterdir()) if _is_small_hard_disk(disk)]
    holders = [disk for disk in disks if _probe(disk).get("LABEL") == VOLUME_ID]
    candidates = holders or [disk for disk in disks if not _probe(disk)]
    if len(candidates) == 1:
        return f"/dev/{candidates[0].name}"
    if not candidates:
        raise SealError(
            "No disk for the boot CD: attach an empty disk of 32 to 256 MiB (64 MiB is right) to the golden VM."
        )
    names = ", ".join(f"/dev/{disk.name}" for disk in candidates)
    raise SealError(f"More than one disk could take the boot CD ({names}): name it in seal_boot_disk.")


def _is_small_hard_disk(disk: pathlib.Path) -> bool:
    if not (disk / "device").exists() or disk.name.startswith(("sr", "fd")):
        return False
    return _SMALLEST <= int((disk / "size").read_text()) * 512 <= _LARGEST


def _probe(disk: pathlib.Path) -> dict[str, str]:
    """Return blkid's tags of a whole disk; 2 is its status when there is nothing that it knows."""
    output = run("blkid", "-p", "-o", "export", f"/dev/{disk.name}", allowed=(0, 2))
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def write_image(image: pathlib.Path, device: str) -> None:
    """Write a CD image to a device and read it back. Raises SealError.

    The head is written last: a disk that was interrupted holds no CD, rather than half of one.
    """
    content = image.read_bytes()
    with pathlib.Path(device).open("r+b", buffering=0) as disk:
        size = disk.seek(0, os.SEEK_END)
        if size < len(content):
            raise SealError(f"The boot CD has {len(content)} bytes, but {device} only {size}.")
        for offset, data in ((0, bytes(_HEAD)), (_HEAD, content[_HEAD:]), (0, content[:_HEAD])):
            _write(disk.fileno(), offset, data)
        fcntl.ioctl(disk, _BLKFLSBUF)
        disk.seek(0)
        digest = hashlib.sha256()
        while digest_left := len(content) - disk.tell():
            digest.update(disk.read(min(_MEBIBYTE, digest_left)))
    if digest.digest() != hashlib.sha256(content).digest():
        raise SealError(f"{device} does not hold what was written to it.")


def _write(descriptor: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view[:_MEBIBYTE], offset)
        view, offset = view[written:], offset + written
    os.fsync(descriptor)
