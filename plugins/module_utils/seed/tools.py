# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the external tools that seeding needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing

_PACKAGES = {
    "ssh-keygen": "openssh-client",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mkswap": "util-linux",
}
# Debian keeps the file system tools where an ordinary user's PATH does not look.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class ToolError(RuntimeError):
    """A tool is missing on the controller or has failed; the message says which, why and what to do."""


def run(
    tool: str, *arguments: str, environment: typing.Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool in the C locale and return what it printed; raise ToolError when it is missing or fails."""
    path = shutil.which(tool, path=_SEARCH_PATH)
    if path is None:
        raise ToolError(f"{tool} is missing on the controller: install the package {_PACKAGES[tool]}.")
    completed = subprocess.run(
        [path, *arguments],
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode != 0:
        raise ToolError(f"{tool} failed with status {completed.returncode}: {completed.stderr.strip()}")
    return completed
