# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print files of the controller as one line: pack.py [DIRECTORY PLACE]...

It is base64 of zlib of JSON, ``[[path, mode, content as latin-1], ...]``, with the modes that a version control system
keeps. The content of a symbolic link is where it leads, its mode has the bits of that type. PLACE is the directory of
the guest, below the target, that takes the files of DIRECTORY.
"""

from __future__ import annotations

import base64
import json
import pathlib
import stat
import sys
import zlib


def pack(directory: pathlib.Path, place: pathlib.Path) -> list[tuple[str, int, str]]:
    """Return path (in the guest), mode and content of every file below a directory of the controller."""
    paths = sorted(path for path in directory.rglob("*") if path.suffix != ".pyc")
    return [
        (str(place / path.relative_to(directory)), *mode_and_content(path))
        for path in paths
        if path.is_symlink() or path.is_file()
    ]


def mode_and_content(path: pathlib.Path) -> tuple[int, str]:
    """Return what a file or symbolic link is."""
    if path.is_symlink():
        return stat.S_IFLNK | 0o777, str(path.readlink())
    return 0o755 if path.stat().st_mode & 0o100 else 0o644, path.read_bytes().decode("latin-1")


if __name__ == "__main__":
    paths = [pathlib.Path(argument) for argument in sys.argv[1:]]
    packed = [file for pair in zip(paths[::2], paths[1::2], strict=True) for file in pack(*pair)]
    print(base64.b64encode(zlib.compress(json.dumps(packed).encode())).decode())
