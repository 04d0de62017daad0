# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module master_manifest_info against a lab."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.support.ansible import run_module
from tests.support.golden import make_golden, seal_again
from tests.support.lab import Lab

MANIFEST = gzip.compress(json.dumps({"path": "/etc", "type": "directory", "mode": 493, "uid": 0, "gid": 0}).encode())


def test_a_manifest_is_fetched_once_and_whole(lab: Lab, tmp_path: Path) -> None:
    golden = make_golden(lab, manifest=lambda _master_id: MANIFEST)
    assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
    lab.reset_calls()
    dest = str(tmp_path / "new" / "manifests")
    first = run_module(lab, "master_manifest_info", master="noble", dest=dest, check=True)
    assert (first["changed"], first["fetched"], first["version"]) == (False, True, 1)
    assert lab.writes() == []
    file = Path(first["path"])
    assert (file.name, file.read_bytes()) == (f"{golden.master_id}.jsonl.gz", MANIFEST)
    assert list(file.parent.iterdir()) == [file]
    assert not run_module(lab, "master_manifest_info", master="noble:1", dest=dest)["fetched"]
    file.write_bytes(MANIFEST[:-3])
    assert run_module(lab, "master_manifest_info", master="noble:1", dest=dest)["fetched"]
    assert file.read_bytes() == MANIFEST


def test_what_has_no_manifest_is_named(lab: Lab, tmp_path: Path) -> None:
    golden = make_golden(lab)
    assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
    seal_again(lab, golden, manifest=lambda _master_id: MANIFEST[:-3])
    assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed

    def refusal(master: str) -> str:
        result = run_module(lab, "master_manifest_info", master=master, dest=str(tmp_path))
        assert result.failed
        return result.msg

    assert "Master image noble:1: its boot CD 'noble:1 boot CD' (" in refusal("noble:1")
    assert "The manifest is damaged (Not a gzipped file" in refusal("noble:1")
    assert "The manifest is damaged" in refusal("noble:2")
    assert "There are: noble:1, noble:2." in refusal("noble:3")
    assert "'noble:x' is no master image" in refusal("noble:x")
    assert list(tmp_path.iterdir()) == []
