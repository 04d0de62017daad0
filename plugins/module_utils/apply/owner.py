# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a lock, and whether he still lives."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

#: Seconds without a sign of life after which an owner on another machine, whom we cannot see, counts as dead. Many
#: of the intervals between signs: clocks differ, and XAPI may be away for a while.
STALE = 1800

#: States of processes that only wait to be forgotten (proc(5), field 3).
_ENDED = ("Z", "X")


def ourselves() -> str:
    """The value of a lock that we hold from now on."""
    return json.dumps({**_identity(), "since": int(time.time())}, sort_keys=True)


def parse(value: str) -> dict[str, Any]:
    """The owner out of a lock's value; empty for a value that is not of our making."""
    try:
        owner = json.loads(value)
    except ValueError:
        owner = {}
    return owner if isinstance(owner, dict) else {}


def is_dead(owner: dict[str, Any], last_sign: int) -> bool:
    """Whether an owner has ended without giving his lock back, as far as can be seen from here.

    ``last_sign`` is when he last gave a sign of life (epoch seconds).
    """
    us = _identity()
    if (owner.get("boot"), owner.get("namespace")) == (us["boot"], us["namespace"]):
        return not owner.get("started") or _start_time(int(owner.get("pid", 0))) != owner["started"]
    return time.time() - max(int(owner.get("since", 0)), last_sign) > STALE


def _identity() -> dict[str, Any]:
    """A process id means something only within one boot and one pid namespace."""
    return {
        "host": socket.gethostname(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "namespace": str(Path("/proc/self/ns/pid").readlink()),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


def _start_time(pid: int) -> str:
    """When a living process started, in clock ticks since boot (proc(5), field 22): pids are used again.

    One that has ended and nobody has waited for is not living: in a container that may never happen.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in _ENDED else fields[19]
    except (OSError, IndexError):
        return ""
