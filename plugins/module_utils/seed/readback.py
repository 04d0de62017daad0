# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read an instance's identity back from its overlay disk: its private host key exists nowhere else.

The guest's root may have written anything to that disk, so nothing is believed of it: only files that an identity
layer has are taken, each to a place of our own choosing (``debugfs``' ``rdump`` takes the names that it finds), and
only small ones.
"""

from __future__ import annotations

import pathlib
import re
import typing

from .filesystem import quote
from .identity import ESSENTIAL, PATHS, layer_of
from .tools import run
from .tree import File, Layer

#: No file of an identity is anywhere near.
_LARGEST = 1 << 20

_STAMP = ".skinnybox"
_FOUND = re.compile(r"Type: regular +Mode: +0*(?P<mode>[0-7]+) ")
_SIZE = re.compile(r" Size: (?P<size>\d+)$", re.MULTILINE)


def read_identity(image: pathlib.Path, instance: str, scratch: pathlib.Path) -> Layer | None:
    """Return the identity layer on an overlay disk of the instance with this uuid, or None when there is none.

    ``image`` is the disk's content or as much of its beginning as holds the layer; ``scratch`` an empty directory
    that is readable by its owner only. Raises ToolError when debugfs is missing.
    """
    paths = [_STAMP, *(f"identity/{path}" for path in PATHS)]
    modes = _modes(image, paths, scratch)
    contents = _contents(image, list(modes), scratch)
    stamp = contents.pop(_STAMP, b"").split(b"\n")
    files = [File(path.removeprefix("identity/"), content, modes[path]) for path, content in contents.items()]
    if f"instance={instance}".encode() not in stamp or not set(ESSENTIAL) <= {file.path for file in files}:
        return None
    return layer_of(files)


def _modes(image: pathlib.Path, paths: typing.Sequence[str], scratch: pathlib.Path) -> dict[str, int]:
    """Permission bits of those that are regular files of a modest size."""
    output = _debugfs(image, [f"stat {quote('/' + path)}" for path in paths], scratch)
    # debugfs repeats each command of a file before its answer.
    answers = output.split("debugfs: stat ")[1:]
    modes = {}
    for path, answer in zip(paths, answers, strict=True):
        found, size = _FOUND.search(answer), _SIZE.search(answer)
        if found and size and int(size["size"]) <= _LARGEST:
            modes[path] = int(found["mode"], 8) & 0o777
    return modes


def _contents(image: pathlib.Path, paths: typing.Sequence[str], scratch: pathlib.Path) -> dict[str, bytes]:
    places = {path: scratch / f"{number}.file" for number, path in enumerate(paths)}
    _debugfs(image, [f"dump {quote('/' + path)} {quote(str(place))}" for path, place in places.items()], scratch)
    return {path: place.read_bytes() for path, place in places.items() if place.exists()}


def _debugfs(image: pathlib.Path, commands: typing.Sequence[str], scratch: pathlib.Path) -> str:
    script = scratch / "debugfs.commands"
    script.write_text("\n".join([*commands, ""]))
    # -c: the bitmaps, which may lie in what was not fetched, are not read.
    return run("debugfs", "-c", "-f", str(script), str(image)).stdout
