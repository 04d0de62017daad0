# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest of a master is read from its boot CD whole, of the right master, or not at all."""

from __future__ import annotations

import gzip
import json
import uuid

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.manifest import read_manifest
from ansible_collections.skinnybox.xenserver.plugins.module_utils.golden.reader import NotGoldenError
from tests.support.golden import Stream, boot_disk

MASTER = "3c1f1d36-7b5e-4a30-8c0d-5f6b7f0d9a11"
OTHER = str(uuid.uuid4())
FILE = {"path": "/etc/hostname", "type": "file", "mode": 420, "uid": 0, "gid": 0, "size": 4, "sha256": "00"}


def manifest(*lines: object) -> bytes:
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def cd(content: bytes, master_id: str = MASTER) -> bytes:
    return boot_disk(master_id, str(uuid.uuid4()), manifest=lambda _master_id: content)


WHOLE = manifest({"format": 1, "master_id": MASTER}, *[{**FILE, "path": f"/etc/{n}"} for n in range(3000)])


@pytest.mark.parametrize("content", [WHOLE, manifest(FILE)], ids=["says whose it is", "of an older seal"])
def test_a_manifest_is_read_as_it_is(content: bytes) -> None:
    assert read_manifest(Stream(cd(content)), MASTER) == content


@pytest.mark.parametrize(
    ("disk", "complaint"),
    [
        (b"", "no boot CD"),
        (cd(WHOLE).replace(b"manifest.jsonl.gz", b"manifest.jsonl.xz"), "has no manifest.jsonl.gz: it had no room"),
        (boot_disk(MASTER, OTHER), "manifest is damaged"),
        (cd(WHOLE, OTHER), f"is that of master {OTHER}, not of {MASTER}"),
        (cd(manifest({"format": 1, "master_id": OTHER}, FILE)), f"manifest is that of master {OTHER}"),
        (cd(WHOLE)[:-100], "is damaged: "),
        (cd(WHOLE[:-100]), "manifest is damaged"),
        (cd(WHOLE[:200] + bytes(20) + WHOLE[220:]), "manifest is damaged"),
        (cd(WHOLE[:-8] + bytes(8)), "manifest is damaged"),
        (cd(b"no gzip"), "manifest is damaged"),
        (cd(manifest("words")), "first line is no object"),
        (cd(gzip.compress(b"")), "manifest is damaged"),
        (cd(WHOLE).replace(b"skinnybox.json", b"skinnybox.jsox"), "has no skinnybox.json"),
    ],
    ids=[
        *("blank", "no manifest", "before the seal", "another CD", "another master", "short disk", "cut off"),
        *("garbage", "checksum", "no gzip", "no object", "empty", "no seal"),
    ],
)
def test_what_is_no_whole_manifest_of_that_master_is_refused(disk: bytes, complaint: str) -> None:
    with pytest.raises(NotGoldenError, match=complaint):
        read_manifest(Stream(disk), MASTER)
