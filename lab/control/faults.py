# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on demand: what is to happen to a later call instead of, or besides, its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from lab.errors import Failure


class Drop(Exception):
    """The connection is to be cut without an answer."""


@dataclass
class Fault:
    """What is to happen to the nth call (from now, counting from 1) of a method; `*` means any method."""

    method: str
    nth: int = 1
    #: XAPI error code and parameters instead of the answer
    error: list[str] = field(default_factory=list)
    #: cut the connection `before` or `after` the call is executed
    drop: str = ""
    #: seconds that the answer is late
    latency: float = 0.0
    #: do nothing until the faults are cleared: an Async call's task stays pending, another call has no answer
    hang: bool = False
    #: apply to every call from the nth on, not only to the nth
    always: bool = False
    seen: int = 0

    def strikes(self, method: str) -> bool:
        """Count a call; whether this fault applies to it."""
        if self.method not in ("*", method):
            return False
        self.seen += 1
        return self.seen == self.nth or (self.always and self.seen > self.nth)

    @property
    def past(self) -> bool:
        return not self.always and self.seen >= self.nth


def parse(given: Any) -> Fault:
    """A fault from its members. Raises ValueError for what is none."""
    try:
        fault = Fault(**given)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if fault.drop not in ("", "before", "after"):
        raise ValueError(f"drop is before or after, not {fault.drop!r}")
    return fault


class Faults:
    """The faults that wait for their call, and the calls that hang."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        self._cleared = asyncio.Event()

    def add(self, fault: Fault) -> None:
        self.waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults; what hangs goes on."""
        self.waiting.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def strike(self, method: str) -> list[Fault]:
        """The faults that apply to a call of this method."""
        return self._struck([fault for fault in self.waiting if fault.strikes(method)])

    def strike_inner(self, method: str) -> list[Fault]:
        """The faults that apply to what an Async call does in its task."""
        name = method.removeprefix("Async.")
        if name == method:
            return []
        return self._struck([fault for fault in self.waiting if fault.method == name and fault.strikes(name)])

    def _struck(self, faults: list[Fault]) -> list[Fault]:
        self.waiting = [fault for fault in self.waiting if not fault.past]
        return faults

    async def suffer(self, faults: list[Fault]) -> None:
        """Be late or hang, and raise what the faults order to happen instead of the call: Drop or Failure."""
        for fault in faults:
            if fault.latency:
                await asyncio.sleep(fault.latency)
            if fault.hang:
                await self._cleared.wait()
            if fault.drop == "before":
                raise Drop
            if fault.error:
                raise Failure(*fault.error)
