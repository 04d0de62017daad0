# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file tree that can be asked about paths, wherever it comes from: a directory, layers, a manifest.

Paths begin with a slash and are relative to the tree's root; ``/`` is the root itself. Bytes of names that are no
UTF-8 are surrogates, as os.fsdecode makes them.
"""

from __future__ import annotations

from typing import Iterable, Protocol

from .entry import Entry


class ContentUnknown(Exception):
    """A tree knows of a file, but not what is in it (a manifest has checksums only)."""


class Tree(Protocol):
    """A file tree, read only. Symbolic links are never followed, in no component of a path."""

    def entry(self, path: str) -> Entry | None:
        """What is at the path, None when nothing is (or one of its parents is no directory)."""

    def names(self, path: str) -> Iterable[str]:
        """Names in the directory at the path, sorted; none when it is no directory."""

    def sha256(self, path: str) -> str:
        """Checksum of the content of the file at the path, in hexadecimal."""

    def read(self, path: str) -> bytes:
        """Content of the file at the path. Raises ContentUnknown."""

    def location(self, path: str) -> str | None:
        """Where the file really lies, for programs that read or copy it; None when it lies nowhere."""
