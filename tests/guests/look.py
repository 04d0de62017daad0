# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as a guest has them, each in one line. Guests run this by themselves: it knows nothing but Python.

    look.py paths '["/etc/motd", …]'    what is at these paths
    look.py tree DIRECTORY              what is below a directory, on its file system; contents included
    look.py names DIRECTORY             the same by names, owners, modes and sizes alone, which is fast

Prints a JSON object: path -> line. Odd bytes in names are as os.fsdecode() has them.
"""

# Thousands of Path objects would take seconds in a slow guest.
# ruff: noqa: PTH114, PTH115, PTH118, PTH123

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
import sys
from collections.abc import Iterator

#: Contents up to this many bytes are shown as they are.
SHORT = 400


def main(what: str, where: str) -> None:
    if what == "paths":
        found = {path: line(path) for path in json.loads(where)}
    elif what == "tree":
        found = {path: line(path, exact=True) for path in below(where)}
    else:
        found = {path: outline(path) for path in below(where)}
    json.dump(found, sys.stdout)


def below(directory: str) -> Iterator[str]:
    """Everything on the directory's own file system, itself included."""
    device = os.lstat(directory).st_dev
    for parent, directories, files in os.walk(directory):
        yield parent
        yield from (os.path.join(parent, name) for name in files)
        links = [name for name in directories if os.path.islink(os.path.join(parent, name))]
        yield from (os.path.join(parent, name) for name in links)
        directories[:] = sorted(
            name for name in directories if name not in links and os.lstat(os.path.join(parent, name)).st_dev == device
        )


def line(path: str, exact: bool = False) -> str:
    """All of a file in a line: kind, mode, owner, content, links, attributes; with exact, by number and with times."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return "gone"
    words = [kind(found), f"{stat.S_IMODE(found.st_mode):04o}", owner(found, exact)]
    words += [content(path, found, exact)] if stat.S_ISREG(found.st_mode) else []
    words += [f"-> {os.readlink(path)}"] if stat.S_ISLNK(found.st_mode) else []
    words += (
        [f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"] if found.st_rdev or kind(found) == "device" else []
    )
    words += [f"links={found.st_nlink}"] if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 else []
    words += [
        f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}"
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    ]
    words += [f"at {found.st_mtime_ns}"] if exact else []
    return " ".join(words)


def outline(path: str) -> str:
    """What lstat() says of it, but for times that change by looking."""
    found = os.lstat(path)
    size = found.st_size if not stat.S_ISDIR(found.st_mode) else 0
    return f"{found.st_mode:o} {found.st_uid}:{found.st_gid} {size} {found.st_mtime_ns}"


def kind(found: os.stat_result) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "pipe"}
    return kinds.get(stat.S_IFMT(found.st_mode), "device")


def owner(found: os.stat_result, exact: bool) -> str:
    """Names where there are any, as a person thinks of owners."""
    names = [str(found.st_uid), str(found.st_gid)]
    if not exact:
        try:
            names[0] = pwd.getpwuid(found.st_uid).pw_name
            names[1] = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            pass
    return ":".join(names)


def content(path: str, found: os.stat_result, exact: bool) -> str:
    if found.st_size <= SHORT and not exact:
        with open(path, "rb") as file:
            return repr(file.read().decode("ascii", "backslashreplace"))
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return f"{found.st_size} bytes {digest.hexdigest()}"


if __name__ == "__main__":
    main(*sys.argv[1:])
