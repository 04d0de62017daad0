# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process known by its number, also one that an earlier program started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path


class Process:
    """Another process. Only within a running event loop."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.gone = asyncio.Event()
        self._descriptor = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._note_end)

    @classmethod
    def find(cls, pid_file: Path, word: str) -> Process | None:
        """The process whose number a file holds, when it lives and has word on its command line."""
        try:
            pid = int(pid_file.read_text(encoding="ascii"))
            descriptor = os.pidfd_open(pid)
        except (OSError, ValueError):
            return None
        # Read after pidfd_open(): from then on the number stands for no other process.
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            words = []
        if word.encode() in words:
            return cls(pid, descriptor)
        os.close(descriptor)
        return None

    def kill(self) -> None:
        """End it at once."""
        if not self.gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Watch it no longer; it goes on."""
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _note_end(self) -> None:
        self.gone.set()
        self.close()
