# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install the files that pack.py printed: install.py TARGET check|install, the files on standard input.

Prints the path of each file that was not yet as it should be; with ``check`` nothing is written.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import stat
import sys


def is_installed(path: pathlib.Path, mode: int, content: bytes) -> bool:
    """Return whether the file is there with this mode and content, owned by who runs this."""
    try:
        status = path.lstat()
        return (
            stat.S_ISREG(status.st_mode)
            and stat.S_IMODE(status.st_mode) == mode
            and status.st_uid == os.geteuid()
            and path.read_bytes() == content
        )
    except FileNotFoundError:
        return False


def install(path: pathlib.Path, mode: int, content: bytes) -> None:
    """Write the file, so that at any moment either the old or the new one is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # No program looks for configuration in files with this ending.
    temporary = path.with_name(f".{path.name}.dpkg-new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(path)


if __name__ == "__main__":
    os.umask(0o022)
    for name, mode, encoded in json.load(sys.stdin):
        path, content = pathlib.Path(sys.argv[1], name), base64.b64decode(encoded)
        if is_installed(path, mode, content):
            continue
        print(path)
        if sys.argv[2] == "install":
            install(path, mode, content)
