# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Install the files that pack.py printed: install.py TARGET check|install [OWNED...], the files on standard input.

OWNED are directories of the target that hold nothing else: what an earlier version has left there is removed.
Prints the path of each file that was not yet as it should be; with ``check`` nothing is written.
"""

from __future__ import annotations

import base64
import compileall
import importlib.util
import json
import os
import pathlib
import stat
import sys
import zlib


def is_installed(path: pathlib.Path, mode: int, content: bytes) -> bool:
    """Return whether the file or link is there with this mode and content, owned by who runs this."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(mode):
            return stat.S_ISLNK(status.st_mode) and os.fsencode(path.readlink()) == content
        return (
            stat.S_ISREG(status.st_mode)
            and stat.S_IMODE(status.st_mode) == mode
            and status.st_uid == os.geteuid()
            and path.read_bytes() == content
        )
    except (FileNotFoundError, NotADirectoryError):
        return False


def install(path: pathlib.Path, mode: int, content: bytes) -> None:
    """Write the file or link, so that at any moment either the old or the new one is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # No program looks for configuration in files with this ending.
    temporary = path.with_name(f".{path.name}.dpkg-new")
    if stat.S_ISLNK(mode):
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.fsdecode(content))
    else:
        temporary.write_bytes(content)
        temporary.chmod(mode)
    temporary.replace(path)


def byte_code(path: pathlib.Path) -> pathlib.Path:
    """Return where Python keeps the byte code of a module."""
    return pathlib.Path(importlib.util.cache_from_source(str(path)))


def leftovers(owned: pathlib.Path, wanted: set[pathlib.Path]) -> list[pathlib.Path]:
    """Return what is in an owned directory and neither wanted nor a directory of what is, the deepest first."""
    found = [pathlib.Path(top, name) for top, names, files in os.walk(owned, topdown=False) for name in files + names]
    directories = {parent for path in wanted for parent in path.parents}
    return [path for path in found if path not in (directories if is_directory(path) else wanted)]


def is_directory(path: pathlib.Path) -> bool:
    """Return whether it is a directory, and not a link to one."""
    return stat.S_ISDIR(path.lstat().st_mode)


def remove(path: pathlib.Path) -> None:
    """Remove a file, a symbolic link or an empty directory."""
    if is_directory(path):
        path.rmdir()
    else:
        path.unlink()


def main(target: pathlib.Path, mode: str, owned: list[str]) -> None:
    """Do, or with mode ``check`` only print, what is missing and what is too much.

    A target that is not there is made, for its owner alone.
    """
    packed = json.loads(zlib.decompress(base64.b64decode(sys.stdin.read())))
    files = {target / name: (bits, content.encode("latin-1")) for name, bits, content in packed}
    # What runs from a read-only disk would compile its modules anew at each start.
    modules = [path for path in files if path.suffix == ".py" and any(target / name in path.parents for name in owned)]
    wanted = {*files, *map(byte_code, modules)}
    for path in (path for directory in owned for path in leftovers(target / directory, wanted)):
        print(path)
        if mode == "install":
            remove(path)
    if mode == "install":
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, (bits, content) in files.items():
        if is_installed(path, bits, content):
            continue
        print(path)
        if mode == "install":
            install(path, bits, content)
    for path in modules if mode == "install" else []:
        compileall.compile_file(path, quiet=1)  # when it is not up to date


if __name__ == "__main__":
    os.umask(0o022)
    sys.pycache_prefix = None  # byte code goes beside the modules, wherever whoever runs this keeps his own
    main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
