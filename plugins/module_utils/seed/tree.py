# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small tree of files that a seed puts onto an overlay disk."""

from __future__ import annotations

import dataclasses
import pathlib

# Directories whose mode is not 0755. A merged directory has the mode of its topmost layer, so these must be
# what they are in a Debian or Ubuntu master.
_DIRECTORY_MODES = {"root": 0o700, "root/.ssh": 0o700}


@dataclasses.dataclass(frozen=True)
class File:
    """A regular file of a layer: ``path`` without a leading slash, permission bits; the owner is root."""

    path: str
    content: bytes = dataclasses.field(repr=False)
    mode: int = 0o644


@dataclasses.dataclass(frozen=True)
class Link:
    """A symbolic link of a layer."""

    path: str
    target: str


@dataclasses.dataclass(frozen=True)
class Layer:
    """One directory tree of the overlay mount.

    ``opaque`` names directories that hide what the layers below have under the same name (the overlayfs
    attribute of that name).
    """

    entries: tuple[File | Link, ...] = ()
    opaque: tuple[str, ...] = ()

    def directories(self) -> list[tuple[str, int]]:
        """Return path and mode of every directory that the entries need, parents first."""
        paths = [pathlib.PurePosixPath(entry.path) for entry in self.entries]
        parents = {str(parent) for path in paths for parent in path.parents}
        return [(path, _DIRECTORY_MODES.get(path, 0o755)) for path in sorted(parents - {"."})]
