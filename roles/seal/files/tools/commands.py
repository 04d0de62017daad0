# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the guest's own tools."""

from __future__ import annotations

import os
import subprocess

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class SealError(Exception):
    """The golden VM cannot be sealed; the text is one sentence for its administrator."""


def run(*command: str, allowed: tuple[int, ...] = (0,), directory: str | None = None) -> str:
    """Run a tool to its end and return what it printed. Raises SealError with its last line."""
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/root")}
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=directory)
    except FileNotFoundError as error:
        raise SealError(f"The tool {command[0]} is missing.") from error
    if result.returncode in allowed:
        return result.stdout
    lines = (result.stderr.strip() or result.stdout.strip() or "it printed nothing").splitlines()
    raise SealError(f"`{' '.join(command)[:120]}` ended with status {result.returncode}: {lines[-1]}")
