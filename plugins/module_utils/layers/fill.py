# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full an overlay disk is, and from earlier samples, when it will be full."""

from __future__ import annotations

import itertools
import json
import os
import statistics
from dataclasses import asdict, dataclass, field
from typing import Iterable, Mapping, Sequence

#: More samples than these say nothing new; the oldest go first.
SAMPLES = 200
#: Seconds; samples over a shorter time say nothing about days.
_SHORTEST = 3600
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Disk:
    """Space of a file system, in bytes, as its users see it."""

    size: int
    used: int
    available: int  # for those who are not root
    inodes: int
    inodes_used: int

    @property
    def percent(self) -> int:
        """How full it is, rounded up, as df says."""
        whole = self.used + self.available
        return -(-100 * self.used // whole) if whole else 100


@dataclass(frozen=True, slots=True)
class Sample:
    """How much was used at some time."""

    time: int  # seconds since the epoch
    used: int  # bytes of the disk
    directories: Mapping[str, int] = field(default_factory=dict)  # bytes of the largest

    def as_line(self) -> str:
        """The sample as a line of the file in which samples are kept."""
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a disk will be full if it goes on like this."""

    bytes_per_day: int
    days: float  # from now on
    full_at: int  # seconds since the epoch
    samples: int  # that it rests on


def measure(directory: str) -> Disk:
    """The file system that a directory is on. Raises OSError."""
    found = os.statvfs(directory)
    return Disk(
        size=found.f_blocks * found.f_frsize,
        used=(found.f_blocks - found.f_bfree) * found.f_frsize,
        available=found.f_bavail * found.f_frsize,
        inodes=found.f_files,
        inodes_used=found.f_files - found.f_ffree,
    )


def parse_samples(text: str) -> list[Sample]:
    """Samples of a file, by time. Lines that are none (a write that was cut off) are left out."""
    found = (_sample(line) for line in text.splitlines())
    return sorted((sample for sample in found if sample), key=lambda sample: sample.time)


def forecast(samples: Sequence[Sample], disk: Disk, now: int) -> Forecast | None:
    """When the disk will be full, from samples and from what is used now.

    The growth is the median of the slopes between any two samples (Theil and Sen's), so a few odd ones, such as a
    large file that came and went, do not count. None when it does not grow, or when there is too little to tell.
    """
    known = [*(sample for sample in samples if sample.time < now), Sample(now, disk.used)][-SAMPLES:]
    if len(known) < 3 or known[-1].time - known[0].time < _SHORTEST:
        return None
    growth = statistics.median(_slopes(known))  # bytes a second
    if growth * _DAY < 1:
        return None
    seconds = disk.available / growth
    return Forecast(round(growth * _DAY), round(seconds / _DAY, 1), now + round(seconds), len(known))


def _slopes(samples: Iterable[Sample]) -> list[float]:
    pairs = itertools.combinations(samples, 2)
    return [(later.used - one.used) / (later.time - one.time) for one, later in pairs if later.time > one.time]


def _sample(line: str) -> Sample | None:
    try:
        content = json.loads(line)
        directories = {str(path): int(size) for path, size in content.get("directories", {}).items()}
        return Sample(int(content["time"]), int(content["used"]), directories)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
