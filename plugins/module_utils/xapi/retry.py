# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may pass by itself, and how long to wait for it.

Only answers that say that nothing was done are in the table. CANNOT_CONTACT_HOST is not: xapi also gives it when the
connection between its hosts broke in the middle of a call, so that the call may have run.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Iterator

from .errors import ApiFailure

#: Seconds that a run waits for what may pass, unless told otherwise.
PATIENCE = 300.0

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 15.0

#: XAPI's codes for "not now": it did nothing, and the reason ends by itself.
PASSING = frozenset(
    {
        "HOST_STILL_BOOTING",
        "OTHER_OPERATION_IN_PROGRESS",
        "TOO_MANY_PENDING_TASKS",
        "TOO_MANY_STORAGE_MIGRATES",
    }
)


def may_pass(failure: ApiFailure) -> bool:
    """Whether the same call may succeed later without anybody's doing."""
    return failure.code in PASSING


def delays() -> Iterator[float]:
    """Seconds to wait before each further attempt: twice as long each time, half of it by chance, without end."""
    longest = _FIRST_DELAY
    while True:
        yield longest * random.uniform(0.5, 1.0)
        longest = min(2 * longest, _LONGEST_DELAY)


class Patience:
    """The waiting between the attempts of one call. It begins with the first wait, not with the call."""

    def __init__(self, seconds: float, stopping: threading.Event) -> None:
        self._seconds = seconds
        self._stopping = stopping
        self._deadline: float | None = None
        self._delays = delays()

    def wait(self) -> bool:
        """Wait until the next attempt; False when the time is up or the run is to stop."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._seconds
        if now >= self._deadline or self._stopping.is_set():
            return False
        return not self._stopping.wait(min(next(self._delays), self._deadline - now))
