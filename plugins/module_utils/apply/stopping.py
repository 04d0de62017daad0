# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop in good order when a signal asks for it: nothing new begins, what runs ends, the result says how far it came.

Ansible's end reaches a module as SIGTERM, SIGINT or SIGHUP, and the module is not waited for.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import Any, Iterator

from ..xapi.errors import XapiError

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(XapiError):
    """Something was not begun because the run was asked to stop."""

    def __init__(self) -> None:
        super().__init__("the run was asked to stop")


@contextmanager
def stop_on_signals(stopping: threading.Event) -> Iterator[None]:
    """Set the event at the first signal that asks to stop; the second one ends the process as ever.

    For the main thread only, as Python handles signals there.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def stop(_number: int, _frame: Any) -> None:
        stopping.set()
        _restore(before)

    for number in _SIGNALS:
        # Who runs under nohup has SIGHUP ignored, and means it.
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)
