# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all threads that carry out a plan share, and how they call XAPI: every call that writes goes through here."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Iterator, TypeVar

from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.errors import ApiFailure, TaskTimeout, UnknownResult
from ..xapi.tasks import Tasks
from . import settle
from .stopping import Stopped
from .windows import PER_HOST, PER_SR, Windows

T = TypeVar("T")


@dataclass
class Record:
    """What has been done of one action, for its outcome."""

    steps: list[str] = field(default_factory=list)  # in words for people
    disks: dict[str, str] = field(default_factory=dict)  # made by this action: reference of the VDI -> of its SR
    has_written: bool = False
    downtime: float | None = None  # seconds from the beginning of its shutdown until its guest reported that it runs


@dataclass(frozen=True)
class Worksite:
    """The client, the host pool as it was planned for, and the record of the action that a thread works on."""

    client: Client
    tasks: Tasks
    pool: HostPool
    windows: Windows
    title: str = ""  # what is being changed, such as ``VM pool web``
    patience: float | None = None  # seconds for a guest to come up; None: guests are not waited for
    record: Record = field(default_factory=Record)

    @property
    def is_stopping(self) -> bool:
        """Whether the run was asked to stop: nothing new is written any more."""
        return self.client.stopping.is_set()

    def for_action(self, title: str) -> Worksite:
        """The same worksite for one action, with a record of its own."""
        return replace(self, title=title, record=Record())

    def done(self, step: str) -> None:
        """Note a step that has been done, in words for people such as ``overlay made``."""
        self.record.steps.append(step)

    def read(self, method: str, *params: Any) -> Any:
        """Make a call that changes nothing; integers may come as numbers or as strings. Raises XapiError."""
        return self.client.read(method, *params)

    def write(self, method: str, *params: Any) -> Any:
        """Make a synchronous call that writes. Raises Stopped, UnknownResult and other XapiErrors."""
        with self.writing():
            return self.client.call(method, *params)

    def run(self, method: str, *params: Any, timeout: float = 3600.0) -> str:
        """Make an asynchronous call and return its result, within `timeout` seconds; raises as :meth:`write` does."""
        with self.writing():
            return self.tasks.run(method, *params, timeout=timeout)

    def repeat(self, method: str, *params: Any) -> Any:
        """Make a synchronous call that may run twice (``set_*``, ``remove_from_*``), again when its answer is lost."""
        return self.settle(lambda: self.write(method, *params), lambda: None)

    def settle(self, act: Callable[[], T], look: Callable[[], T | None]) -> T:
        """Run ``act``, which writes once; when its result is unknown, ``look`` finds it in the host pool.

        ``look`` returns what ``act`` would have returned, or None: it did not run, and is run again.
        """
        return settle.settle(self.client, act, look)

    def add_key(self, cls: str, ref: str, key: str, value: str) -> None:
        """Add a key to an object's other_config; the same key with the same value is fine. Raises XapiError."""

        def look() -> bool | None:
            return self.read(f"{cls}.get_other_config", ref).get(key) == value or None

        try:
            self.settle(lambda: self.write(f"{cls}.add_to_other_config", ref, key, value), look)
        except ApiFailure as failure:
            if failure.code != "MAP_DUPLICATE_KEY" or not look():
                raise

    def destroy(self, cls: str, ref: str) -> None:
        """Destroy an object. One that is gone is fine. Raises XapiError."""
        try:
            self.settle(lambda: self.run(f"{cls}.destroy", ref), lambda: "" if self.is_gone(cls, ref) else None)
        except ApiFailure:
            if not self.is_gone(cls, ref):
                raise

    def is_gone(self, cls: str, ref: str) -> bool:
        """Whether an object is not there any more. Raises XapiError."""
        try:
            self.read(f"{cls}.get_uuid", ref)
        except ApiFailure as failure:
            if failure.code == "HANDLE_INVALID":
                return True
            raise
        return False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Something that writes is done within. Raises Stopped at its beginning when the run is to stop."""
        if self.is_stopping:
            raise Stopped
        try:
            yield
        except (UnknownResult, TaskTimeout):
            self.record.has_written = True
            raise
        self.record.has_written = True


@contextmanager
def worksite(
    client: Client,
    pool: HostPool,
    per_host: int = PER_HOST,
    per_sr: int = PER_SR,
    title: str = "",
    patience: float | None = None,
) -> Iterator[Worksite]:
    """A worksite whose task listener ends with the block."""
    with Tasks(client) as tasks:
        yield Worksite(client, tasks, pool, Windows(pool, client.stopping, per_host, per_sr), title, patience)
