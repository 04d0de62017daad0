# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the files of a directory of the controller as one line of JSON: pack.py DIRECTORY.

``[[path, mode, content in base64], ...]``, with the modes that a version control system keeps.
"""

from __future__ import annotations

import base64
import json
import pathlib
import sys


def pack(directory: pathlib.Path) -> list[tuple[str, int, str]]:
    """Return path (relative to the directory), mode and content of every file below it."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return [
        (
            str(path.relative_to(directory)),
            0o755 if path.stat().st_mode & 0o100 else 0o644,
            base64.b64encode(path.read_bytes()).decode(),
        )
        for path in files
    ]


if __name__ == "__main__":
    print(json.dumps(pack(pathlib.Path(sys.argv[1]))))
