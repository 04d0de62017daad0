# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A master's tree by its manifest, without the master."""

from __future__ import annotations

import fnmatch
import functools
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

from .entry import Entry, Type
from .files import is_of_the_file
from .tree import ContentUnknown

_FORMAT = 2
_REQUIRED = {"path", "type", "mode", "uid", "gid"}
_TYPES = {kind.value for kind in Type}
_ROOT = Entry(Type.DIRECTORY, 0o755, 0, 0)


class ManifestUnusable(Exception):
    """A file that should be a manifest is none, or is damaged."""


class ManifestTree:
    """The tree that a manifest (manifest.jsonl.gz, see role seal) describes.

    Volatile trees and files, whose content it does not have, look empty or absent: ask ``knows`` first.
    """

    def __init__(self, manifest: str | Path) -> None:
        """Read a manifest. Raises ManifestUnusable."""
        header, lines = _load(Path(manifest))
        self.master_id = str(header["master_id"])
        self._volatile_trees = tuple(f"{path}/" for path in header["volatile_trees"])
        self._volatile_files = re.compile("|".join(map(fnmatch.translate, header["volatile_files"])) or r"(?!)")
        self._lines = {line["path"]: line for line in lines}
        self._names: dict[str, list[str]] = {}
        for path in sorted(self._lines):
            parent, _slash, name = path.rpartition("/")
            self._names.setdefault(parent or "/", []).append(name)

    def knows(self, path: str) -> bool:
        """Whether the manifest says what is at the path: it says nothing of what changes by itself."""
        return not (path.startswith(self._volatile_trees) or self._volatile_files.match(path))

    def entry(self, path: str) -> Entry | None:
        """What is at the path, None when nothing is."""
        if path == "/":
            return _ROOT
        line = self._lines.get(path)
        return _entry(line) if line else None

    def names(self, path: str) -> list[str]:
        """Names in the directory at the path, sorted; none when it is no directory."""
        return list(self._names.get(path, ()))

    def sha256(self, path: str) -> str:
        """Checksum of the content of the file at the path, in hexadecimal. Raises FileNotFoundError."""
        line = self._lines.get(path, {})
        if "sha256" not in line:
            raise FileNotFoundError(path)
        return str(line["sha256"])

    def read(self, path: str) -> bytes:
        """Content of the file at the path. Raises ContentUnknown, FileNotFoundError."""
        line = self._lines.get(path, {})
        if "sha256" not in line:
            raise FileNotFoundError(path)
        if "text" not in line:
            raise ContentUnknown(path)
        return str(line["text"]).encode(errors="surrogateescape")

    def location(self, path: str) -> str | None:
        """Nothing lies anywhere."""
        return None

    @functools.cached_property
    def listings(self) -> dict[str, list[str]]:
        """Paths of files by the key of their package, as Packages takes them."""
        found: dict[str, list[str]] = {}
        for path, line in self._lines.items():
            if "package" in line:
                found.setdefault(line["package"], []).append(path)
        return found


def _entry(line: dict[str, Any]) -> Entry:
    device = line.get("device")
    return Entry(
        type=Type(line["type"]),
        mode=line["mode"],
        uid=line["uid"],
        gid=line["gid"],
        size=line.get("size", 0),
        target=line.get("target", ""),
        device=(device[0], device[1]) if device else None,
        xattrs={name: bytes.fromhex(value) for name, value in line.get("xattrs", {}).items() if is_of_the_file(name)},
    )


def _load(manifest: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and lines. Raises ManifestUnusable."""
    try:
        with gzip.open(manifest, "rb") as file:
            lines = [json.loads(line) for line in file]
    except FileNotFoundError:
        raise ManifestUnusable(f"There is no manifest {manifest}.") from None
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise ManifestUnusable(f"{manifest} is no manifest of a master, or it is damaged: {problem}.") from None
    header = lines[0] if lines and isinstance(lines[0], dict) else {}
    if header.get("format") != _FORMAT or not header.get("master_id"):
        raise ManifestUnusable(
            f"{manifest} is no manifest of format {_FORMAT}: the master was sealed by another version of Skinnybox. "
            "Seal and publish it again."
        )
    if not all(isinstance(line, dict) and set(line) >= _REQUIRED and line["type"] in _TYPES for line in lines[1:]):
        raise ManifestUnusable(f"{manifest} has lines that describe no file: it is damaged.")
    return header, lines[1:]
