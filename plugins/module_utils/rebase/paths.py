# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of trees, which begin with a slash."""

from __future__ import annotations

from typing import Iterator


def join(directory: str, name: str) -> str:
    """The path of a name in a directory."""
    return f"{directory.rstrip('/')}/{name}"


def parent(path: str) -> str:
    """The directory of a path; the root's is the root."""
    return path.rpartition("/")[0] or "/"


def ancestors(path: str) -> Iterator[str]:
    """The directories above a path, the topmost first, without the root."""
    position = path.find("/", 1)
    while position > 0:
        yield path[:position]
        position = path.find("/", position + 1)
