# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seals are read from CD images that xorriso made, with and without Rock Ridge names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.boot_cd import Seal, SealedRoot, read_seal
from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.reader import NotGoldenError
from tests.support.golden import Stream

DATA = Path(__file__).parent / "data"
SEAL = Seal(
    master_id="3c1f1d36-7b5e-4a30-8c0d-5f6b7f0d9a11",
    sealed_at=1767225600,
    kernel="6.1.0-31-amd64",
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    network="netplan",
    root=SealedRoot("0f1d7b0e-9f0c-4a4b-9f2e-2a4b6c8d0e1f", "ext4", 105906176),
    architecture="x86_64",
)


def image(name: str) -> bytes:
    return gzip.decompress((DATA / f"boot-cd-{name}.iso.gz").read_bytes())


def with_seal(**changes: object) -> bytes:
    """The CD with another seal of the same length in place of its own."""
    content = image("rock-ridge")
    start = content.index(b'{"format":1')
    end = content.index(b"\n", start)
    seal = json.dumps({**json.loads(content[start:end]), **changes}, separators=(",", ":")).encode()
    assert len(seal) <= end - start
    return content[:start] + seal.ljust(end - start) + content[end:]


@pytest.mark.parametrize("name", ["rock-ridge", "plain"])
def test_seal_is_read(name):
    assert read_seal(Stream(image(name))) == SEAL


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(1 << 20),
        image("plain")[:33000],
        image("plain").replace(b"SKINNYBOX_BOOT", b"DEBIAN_12     "),
        image("plain").replace(b"CD001", b"CD002"),
    ],
    ids=["empty", "blank", "cut off", "other CD", "no CD"],
)
def test_other_disks_are_none_of_ours(content):
    assert read_seal(Stream(content)) is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (with_seal(format=2), "format 2"),
        (with_seal(network="ifup"), "ifup"),
        (with_seal(master_id="latest"), "badly formed"),
        (with_seal(root={}), "uuid"),
        (with_seal(root=None), "cannot be used"),
        (with_seal(sealed_at="now"), "now"),
        (image("rock-ridge").replace(b'{"format":1', b'["format":1'), "cannot be used"),
        (image("rock-ridge").replace(b"skinnybox.json", b"skinnybox.jsox"), "no usable"),
        (image("rock-ridge")[:60000], "damaged|cannot be used"),
    ],
    ids=["format", "network", "master id", "no root", "root", "time", "no JSON", "no file", "cut off"],
)
def test_damaged_boot_cd(content, complaint):
    with pytest.raises(NotGoldenError, match=complaint):
        read_seal(Stream(content))
