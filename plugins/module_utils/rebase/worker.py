# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second process that works beside this one: threads of Python would wait for each other at every file."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
from typing import Callable, NoReturn

_PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when its parent ends
_DONE = b"done"


class Worker:
    """A process with a job. It knows what this one knew when it began, and ends when this one ends."""

    def __init__(self, job: Callable[[], None], afterwards: Callable[[], None] = lambda: None) -> None:
        """Begin; the job is done when it returns, whatever is still to do afterwards. Raises OSError."""
        parent = os.getpid()
        self._answer, tell = os.pipe()
        self._process = os.fork()
        if not self._process:
            _work(job, afterwards, parent, tell)
        os.close(tell)

    def wait(self) -> None:
        """Wait until the job is done. Raises OSError as the job did; to be called once."""
        told = os.read(self._answer, 10000)
        if not told:
            raise ChildProcessError(errno.ECHILD, "a process of it was ended from outside, maybe for want of memory")
        if told != _DONE:
            raise OSError(*json.loads(told))

    def end(self) -> None:
        """Let it do no more; when this returns, it does not."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._answer)


def beside(job: Callable[[], None], afterwards: Callable[[], None] = lambda: None) -> Worker | None:
    """Begin a job in a process that runs beside this one; None where there is no memory or no processor for it.

    Two that take turns on one processor are slower than one.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return None
    try:
        return Worker(job, afterwards)
    except OSError:
        return None


def _work(job: Callable[[], None], afterwards: Callable[[], None], parent: int, tell: int) -> NoReturn:
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:  # it may have ended before
            job()
            os.write(tell, _DONE)
            afterwards()
    except OSError as problem:
        os.write(tell, json.dumps([problem.errno, problem.strerror, problem.filename]).encode())
    finally:
        os._exit(0)
