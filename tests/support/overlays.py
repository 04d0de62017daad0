# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on the disks of halted instances, and what a guest would have written there."""

from __future__ import annotations

import os
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from tools.xapi_client import upload

from .lab import Lab

#: Where a test writes what a guest would: beyond all that the seed of a disk of 64 MiB touches.
PLACE = 60 << 20

_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def write(lab: Lab, vdi: str, text: str) -> None:
    """Write a text to a disk that nobody uses."""
    upload(lab.session, lab.url, vdi, lambda: [(PLACE, text.encode().ljust(4096, b"."))], lab.context)


def written(lab: Lab, vdi: str) -> str:
    """The text that was written last; empty on a fresh disk."""
    return content(lab, vdi)[PLACE : PLACE + 4096].rstrip(b".").strip(b"\0").decode()


def content(lab: Lab, vdi: str) -> bytes:
    """A disk's whole content."""
    query = urllib.parse.urlencode({"session_id": lab.session.handle, "vdi": vdi, "format": "raw"})
    with urllib.request.urlopen(f"{lab.url}/export_raw_vdi?{query}", timeout=300, context=lab.context) as answer:
        data: bytes = answer.read()
    return data


def files(lab: Lab, vdi: str, *paths: str) -> list[str]:
    """Files of a disk's ext4."""
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory, "image")
        image.write_bytes(content(lab, vdi))
        return [_cat(image, path) for path in paths]


def _cat(image: Path, path: str) -> str:
    arguments = ["debugfs", "-R", f"cat {path}", str(image)]
    environment = {**os.environ, "PATH": _PATH}
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
