# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest as role seal writes it says of a master what the master's tree says; what is damaged is refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.directory import DirectoryTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.entry import Type
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.manifest import ManifestTree, ManifestUnusable
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.packages import Packages
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.stack import Stack
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.tree import ContentUnknown
from tests.support import mounts
from tests.support.manifests import write_manifest

STATUS = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n"


def small_master(root: Path) -> None:
    """A root file system with something of each kind."""
    for directory in ("dev/shm", "etc/ssl/private", "usr/bin", "var/lib/dpkg/info", "var/log", "tmp"):
        (root / directory).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "untidy").symlink_to("./usr//bin/")
    (root / "usr/bin/bash").write_bytes(b"\x7fELF\0")
    (root / "usr/bin/ping").write_bytes(b"\x7fELF\0ping")
    os.setxattr(root / "usr/bin/ping", "trusted.of-ours", b"\x01\xff")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\n" * 9000)
    (root / "etc/latin").write_bytes(b"caf\xe9\r\n")
    (root / "etc/large").write_text("x" * (64 * 1024 + 1))
    (root / "etc/binary").write_bytes(b"a\0b")
    (root / "etc/shadow").write_text("root:*:1::::::\n")
    (root / "etc/shadow").chmod(0o640)
    (root / "etc/ssl/private").chmod(0o710)
    (root / "etc/ssl/private/key").write_text("secret")
    (root / "etc/machine-id").write_text("")
    (root / "var/log/syslog").write_text("noise")
    (root / "var/lib/dpkg/status").write_text(STATUS)
    (root / "var/lib/dpkg/info/bash.list").write_text("/.\n/bin\n/bin/bash\n")
    os.mkfifo(root / "pipe")
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    os.mknod(root / "disk", 0o060660, os.makedev(7, 1))
    (root / os.fsdecode(b"odd\n\xff")).write_text("")


def everything(tree: DirectoryTree, path: str = "/") -> list[str]:
    """All paths of a tree."""
    below = [f"{path.rstrip('/')}/{name}" for name in tree.names(path)]
    return [*below, *(deeper for child in below for deeper in everything(tree, child))]


@pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")
def test_the_manifest_of_a_master_is_the_master(tmp_path: Path) -> None:
    with mounts.memory() as there:
        small_master(there / "root")
        master = DirectoryTree(there / "root")
        written, entries = write_manifest(there / "root", "the-id")
        manifest = ManifestTree(written)
        paths = [path for path in everything(master) if manifest.knows(path)]
        assert len(paths) == entries - 1  # the unfinished manifest is in it
        for path in paths:
            assert manifest.entry(path) == master.entry(path), path
            assert list(manifest.names(path)) == [
                name for name in master.names(path) if manifest.knows(f"{path}/{name}")
            ]
            if master.entry(path).type is Type.FILE:  # type: ignore[union-attr]
                assert manifest.sha256(path) == master.sha256(path)
        for path in ("/etc/passwd", "/etc/latin", "/var/lib/dpkg/status"):
            assert manifest.read(path) == master.read(path)
        for path in ("/etc/large", "/etc/binary", "/etc/shadow", "/etc/ssl/private/key", "/usr/bin/bash"):
            with pytest.raises(ContentUnknown):
                manifest.read(path)
        assert b"secret" not in gzip.decompress(written.read_bytes())
        assert not manifest.knows("/etc/machine-id") and not manifest.knows("/var/log/syslog")
        assert manifest.knows("/var/log") and manifest.master_id == "the-id"
        assert Packages(Stack([], below=manifest)).owners("/usr/bin/bash") == ("bash",)
        for missing in ("/nothing", "/usr/bin/bash/below"):
            assert manifest.entry(missing) is None
            with pytest.raises(FileNotFoundError):
                manifest.read(missing)


HEADER = {"format": 2, "master_id": "x", "volatile_trees": [], "volatile_files": []}
FILE = {"path": "/a", "type": "fifo", "mode": 420, "uid": 0, "gid": 0}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "no manifest of format 2"),
        ([FILE], "no manifest of format 2"),
        ([{**HEADER, "format": 3}], "no manifest of format 2"),
        ([["path"]], "no manifest of format 2"),
        ([HEADER, {"path": "/a"}], "lines that describe no file"),
        ([HEADER, 7], "lines that describe no file"),
        ([HEADER, {**FILE, "type": "door"}], "lines that describe no file"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, lines: list[Any], complaint: str) -> None:
    path = tmp_path / "manifest.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    with pytest.raises(ManifestUnusable, match=complaint):
        ManifestTree(path)


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl.gz"
    with pytest.raises(ManifestUnusable, match="There is no manifest"):
        ManifestTree(path)
    whole = gzip.compress("\n".join(map(json.dumps, [HEADER, FILE])).encode())
    for damaged in (whole[:-9], whole[:20] + b"\0\0\0" + whole[23:], b"plain text", b"", gzip.compress(b"{")):
        path.write_bytes(damaged)
        with pytest.raises(ManifestUnusable):
            ManifestTree(path)
