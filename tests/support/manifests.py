# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests of small roots, written by the program that seals masters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "roles" / "seal" / "files" / "tools"
#: As role seal calls it, with a small tree for a root; Python has to find its own modules before that.
_WRITE = """
import concurrent.futures, multiprocessing, os, pathlib, sys, manifest
multiprocessing.set_start_method("fork")
with concurrent.futures.ProcessPoolExecutor() as pool:
    list(pool.map(abs, [1]))
os.chroot(sys.argv[1])
os.chdir("/")
print(manifest.write_manifest(pathlib.Path("/manifest.jsonl.gz"), sys.argv[2]))
"""


def write_manifest(root: Path, master_id: str) -> tuple[Path, int]:
    """The manifest of a tree, beside the tree, and its number of entries."""
    (root / "dev" / "shm").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(TOOLS), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", _WRITE, str(root), master_id]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return (root / "manifest.jsonl.gz").rename(root.with_name(f"{root.name}.jsonl.gz")), int(done.stdout)
