# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH host keys, made by the controller so that it knows them before the instance boots."""

from __future__ import annotations

import pathlib
import tempfile

from ..model.identity import HostKey
from .tools import run


def generate_host_key(hostname: str) -> HostKey:
    """Make a new Ed25519 host key with the comment ``root@<hostname>``.

    Raises ToolError when ssh-keygen is missing or fails. The private key touches only a 0700 directory that
    is gone on return.
    """
    with tempfile.TemporaryDirectory(prefix="skinnybox-") as directory:
        path = pathlib.Path(directory, "key")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{hostname}", "-f", str(path))
        return HostKey(private=path.read_text(), public=path.with_suffix(".pub").read_text().strip())
