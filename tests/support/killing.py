# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on files that is killed at any of its steps."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

#: What changes names or makes them last.
STEPS = ("unlink", "rmdir", "mkdir", "rename", "replace", "link", "symlink", "removexattr", "fsync")


def killed_at(number: int, work: Callable[[], object], steps: Sequence[str] = STEPS) -> bool:
    """Do the work in a process that is killed when it is about to take the n-th step; whether there was such a step.

    Steps are functions of the module os.
    """
    process = os.fork()
    if not process:
        _work_and_end(number, work, steps)
    status = os.waitpid(process, 0)[1]
    assert status in (0, signal.SIGKILL), f"the work failed: wait status {status}"
    return status == signal.SIGKILL


def _work_and_end(number: int, work: Callable[[], object], steps: Sequence[str]) -> None:
    status = 1
    try:
        left = [number]
        for name in steps:
            setattr(os, name, _dying(getattr(os, name), left))
        work()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _dying(function: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)

    return call
