# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for what no event tells: a server that comes or goes. By the clock, since a refusal comes at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

#: How long nothing is asked between two attempts: long enough to leave the processor to who is waited for.
PAUSE = 0.02


def attempts(seconds: float = 60.0) -> Iterator[int]:
    """Numbers of attempts, a moment apart, for so many seconds; at least one."""
    end, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1
        time.sleep(PAUSE)


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> None:
    """Return as soon as the condition holds. Raises AssertionError when it never does."""
    assert any(condition() for _attempt in attempts(seconds)), "what was waited for did not come"
