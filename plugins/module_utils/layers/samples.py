# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where samples of how full an overlay disk is are kept: on that disk, beside the layers of all master versions."""

from __future__ import annotations

import os
from pathlib import Path

from .fill import SAMPLES, Sample, parse_samples

_NAME = "samples.jsonl"


def file_of(upper: str) -> str:
    """The samples of the overlay disk that an upper directory is on; empty when it is not layers/<master id>/upper."""
    layers = Path(upper).parent.parent
    return str(layers.with_name(_NAME)) if layers.name == "layers" else ""


def read(file: str) -> list[Sample]:
    """Samples, by time; none when none was saved yet, or when they are kept nowhere."""
    if not file:
        return []
    try:
        return parse_samples(Path(file).read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return []


def add(file: str, sample: Sample) -> None:
    """Add a sample, and drop the oldest of too many. All or nothing; raises OSError, such as of a full disk."""
    unfinished = Path(f"{file}.new")
    kept = [*read(file), sample][-SAMPLES:]
    try:
        with unfinished.open("w", encoding="utf-8") as output:
            output.writelines(f"{each.as_line()}\n" for each in kept)
            output.flush()
            os.fsync(output.fileno())
        unfinished.replace(file)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
