# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a call once, also when its answer gets lost: then the world tells whether it ran.

A call that writes and whose connection broke, or whose task XAPI has forgotten, is never sent again blindly: a VM
would be cloned twice, a disk made twice.
"""

from __future__ import annotations

import time
from typing import Callable, TypeVar

from ..xapi.client import Client
from ..xapi.errors import ApiFailure, UnknownResult
from .stopping import Stopped

T = TypeVar("T")

#: Seconds after which an answer that gets lost again and again is given up.
PATIENCE = 300.0

_SHORTEST, _LONGEST = 0.1, 10.0


def settle(client: Client, act: Callable[[], T], look: Callable[[], T | None]) -> T:
    """Run ``act`` and return its result; when that gets lost, ask ``look``.

    ``look`` reads from the host pool what ``act`` would have returned, or None when it was not carried out. Reads wait
    by themselves until XAPI answers again. Raises what ``act`` and ``look`` raise; Stopped instead of a first or
    further attempt once the run is to stop.
    """
    deadline, delay = time.monotonic() + PATIENCE, _SHORTEST
    is_repeated = False
    while True:
        if client.stopping.is_set():
            raise Stopped
        try:
            return act()
        except UnknownResult:
            found = look()
            if found is None and time.monotonic() > deadline:
                raise
        except ApiFailure:
            # A second attempt may be refused because the first one was only late: then the world shows it now.
            found = look() if is_repeated else None
            if found is None:
                raise
        if found is not None:
            return found
        is_repeated = True
        client.stopping.wait(delay)
        delay = min(2 * delay, _LONGEST)
