# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a golden VM's root file system says of itself, and when that keeps it from being published."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.boot_cd import Seal, SealedRoot
from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.check import refusals
from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.ext4 import Superblock, read_superblock

UUID = "0f1d7b0e-9f0c-4a4b-9f2e-2a4b6c8d0e1f"
SEAL = Seal("3c1f1d36-7b5e-4a30-8c0d-5f6b7f0d9a11", 2000, "6.1.0", "debian", "12", "Debian 12", "netplan",
            SealedRoot(UUID, "ext4", 1 << 20), "x86_64")  # fmt: skip
SUPERBLOCK = Superblock(UUID, clean=True, needs_recovery=False, mounted_at=1000, written_at=2010)


class Disk:
    """A disk image in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, offset: int, length: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


def test_publishable():
    assert refusals(SEAL, SUPERBLOCK) == []


@pytest.mark.parametrize(
    ("seal", "superblock", "reason"),
    [
        (None, None, "not sealed"),
        (dataclasses.replace(SEAL, root=SealedRoot(UUID, "xfs", 0)), None, "xfs"),
        (SEAL, None, "no ext4 at byte 1048576"),
        (SEAL, dataclasses.replace(SUPERBLOCK, uuid=SEAL.master_id), "not the 0f1d7b0e"),
        (SEAL, dataclasses.replace(SUPERBLOCK, needs_recovery=True), "journal needs recovery"),
        (SEAL, dataclasses.replace(SUPERBLOCK, clean=False), "not clean"),
        (SEAL, dataclasses.replace(SUPERBLOCK, mounted_at=2001), "started again"),
    ],
)
def test_refused(seal, superblock, reason):
    [only] = refusals(seal, superblock)
    assert reason in only


def test_every_reason_is_told():
    superblock = dataclasses.replace(SUPERBLOCK, needs_recovery=True, mounted_at=3000)
    assert len(refusals(SEAL, superblock)) == 2


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with an ext4 at 1 MiB."""
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(17 << 20)
    e2fsprogs("mke2fs", "-q", "-F", "-t", "ext4", "-U", UUID, "-E", f"offset={1 << 20}", str(path), "16M")
    return path


def e2fsprogs(*arguments: str) -> None:
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run(arguments, check=True, capture_output=True, env=environment)


def set_field(disk: Path, field: str, value: str) -> None:
    e2fsprogs("debugfs", "-w", "-R", f"set_super_value {field} {value}", f"{disk}?offset={1 << 20}")


def test_superblock_of_a_real_ext4(disk):
    set_field(disk, "mtime", "@1767225600")
    set_field(disk, "wtime", "@1767225601")
    found = read_superblock(Disk(disk), 1 << 20)
    assert found is not None
    assert (found.uuid, found.clean, found.needs_recovery, found.mounted_at) == (UUID, True, False, 1767225600)


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("state", "0", "clean", False),
        ("state", "3", "clean", False),
        ("feature_incompat", "0x246", "needs_recovery", True),
        ("mtime", "@4000000000", "mounted_at", 4_000_000_000),
    ],
)
def test_superblock_fields(disk, field, value, attribute, expected):
    set_field(disk, field, value)
    found = read_superblock(Disk(disk), 1 << 20)
    assert getattr(found, attribute) == expected


def test_no_ext4(disk):
    assert read_superblock(Disk(disk), 0) is None
    assert read_superblock(Disk(disk), 17 << 20) is None
