# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real overlay mounts, made as an instance's boot makes them."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

#: As roles/overlayroot/files/root/usr/lib/skinnybox/library/layers.sh has them.
OPTIONS = "index=off,metacopy=off,redirect_dir=off,xino=auto"


@dataclass(frozen=True)
class Overlay:
    """Raw directories on a tmpfs, and where their overlay is mounted."""

    upper: Path
    lowers: tuple[Path, ...]
    merged: Path


@contextlib.contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[Path]:
    """Something that is mounted for a while."""
    subprocess.run(["mount", *arguments, str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@contextlib.contextmanager
def memory() -> Iterator[Path]:
    """A file system of its own in memory; it takes trusted attributes."""
    with (
        tempfile.TemporaryDirectory(prefix="skinnybox-") as directory,
        mounted("-t", "tmpfs", "-o", "size=64m", "skinnybox-test", at=Path(directory)) as there,
    ):
        yield there


@contextlib.contextmanager
def joined(upper: Path, work: Path, lowers: Sequence[Path], at: Path) -> Iterator[Overlay]:
    """The overlay mount of an instance."""
    lowerdir = ":".join(map(str, lowers))
    options = f"lowerdir={lowerdir},upperdir={upper},workdir={work},{OPTIONS}"
    with mounted("-t", "overlay", "-o", options, "skinnybox-test", at=at):
        yield Overlay(upper, tuple(lowers), at)


@functools.cache
def why_not() -> str:
    """Why this system cannot mount overlays; empty when it can."""
    if os.geteuid() != 0:
        return "mounting takes root"
    try:
        with memory() as there:
            for name in ("upper", "work", "lower", "merged"):
                (there / name).mkdir()
            with joined(there / "upper", there / "work", [there / "lower"], there / "merged"):
                return ""
    except (OSError, subprocess.CalledProcessError) as problem:
        return f"overlays cannot be mounted here: {problem}"
