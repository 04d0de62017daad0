# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The log and the counts of all calls that reached the lab."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

#: Calls that the log keeps; the counts know all.
KEPT = 100_000


@dataclass
class Logged:
    """One call as it was made."""

    method: str
    time: float
    originator: str
    write: bool
    #: uuid of the host that was asked
    host: str = ""
    #: `ok`, or the error's code
    outcome: str = ""
    seconds: float = 0.0
    parameters: list[str] = field(default_factory=list)


class CallLog:
    """Every call in order, and how many there were."""

    def __init__(self) -> None:
        self.calls: deque[Logged] = deque(maxlen=KEPT)
        self._counts: Counter[tuple[str, bool, str, str]] = Counter()

    def add(self, method: str, originator: str, write: bool, host: str = "") -> Logged:
        entry = Logged(method, time.time(), originator, write, host)
        self.calls.append(entry)
        self._counts[method, write, originator, host] += 1
        return entry

    def clear(self) -> None:
        self.calls.clear()
        self._counts.clear()

    def summary(self, with_log: bool = True) -> dict[str, Any]:
        """Counts by method, reads and writes apart, by originator and by host; and the log in order."""
        reads: Counter[str] = Counter()
        writes: Counter[str] = Counter()
        originators: Counter[str] = Counter()
        hosts: Counter[str] = Counter()
        for (method, write, originator, host), count in self._counts.items():
            (writes if write else reads)[method] += count
            originators[originator] += count
            hosts[host] += count
        summary: dict[str, Any] = {
            "total": sum(self._counts.values()),
            "reads": dict(reads),
            "writes": dict(writes),
            "originators": dict(originators),
            "hosts": dict(hosts),
        }
        return {**summary, "log": [asdict(entry) for entry in self.calls]} if with_log else summary
