# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the tools that images are made with."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: Tool -> the Debian package that holds it, for the message when it is missing.
PACKAGES = {
    "debugfs": "e2fsprogs",
    "fakeroot": "fakeroot",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mmd": "mtools",
    "mmdebstrap": "mmdebstrap",
    "sgdisk": "gdisk",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
}
#: Debian keeps file system tools where the PATH of ordinary users does not look.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageError(Exception):
    """An image could not be made; the text says at which step and why."""


def tool(name: str) -> str:
    """The full path of a tool. Raises ImageError with the package to install when it is missing."""
    path = shutil.which(name) or shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise ImageError(f"{name} is missing: install the package {PACKAGES.get(name, name)}")
    return path


def run(command: Sequence[str | Path], *, stdin: str | None = None) -> str:
    """Run a tool to its end and answer what it printed. Raises ImageError with its last lines."""
    words = [tool(str(command[0])), *(str(word) for word in command[1:])]
    result = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return result.stdout
    tail = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
    raise ImageError(f"`{shlex.join(words)[:300]}` failed with status {result.returncode}:\n{tail}")


def progress(text: str) -> None:
    """Tell a person what is being done now."""
    print(f"  {text} ...", file=sys.stderr, flush=True)
