# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest may do to its files, at random."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hypothesis import strategies as st

from .promotion import put

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
WORDS = ["write", "mkdir", "remove", "copy up", "mode", "link", "symlink", "again"]
OPERATIONS = st.lists(st.tuples(st.sampled_from(WORDS), PATHS, NAMES), max_size=25)


def operate(root: Path, word: str, path: str, name: str) -> None:
    """Do it; whatever cannot be done is not done. No symbolic link that is made leads to anything."""
    place = root / path
    try:
        if word == "write":
            put(root, path, name)
        elif word == "mkdir":
            place.mkdir(parents=True)
        elif word == "remove":
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
        elif word == "copy up":
            copy_up(root, path)
        elif word == "mode":
            place.chmod(0o755 if place.is_dir() else 0o600)
        elif word == "link":
            os.link(place, root / name, follow_symlinks=False)
        elif word == "symlink":
            place.symlink_to(f"nowhere-{name}")
        else:
            content = place.read_text()
            place.unlink()
            put(root, path, content)
    except OSError:
        pass


def copy_up(root: Path, path: str) -> None:
    """Have overlayfs copy a file without a change."""
    with (root / path).open("r+"):
        pass
