# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory of a lab that runs in the background: where everything lies, and who runs it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from lab.tls import Certificates

#: Seconds that a starting server waits for the lock.
LOCK_PATIENCE = 2.0
LOCK = "lock"


@dataclass(frozen=True)
class Running:
    """What a running server tells about itself. urls: those of the first pool, https first, then http."""

    pid: int
    urls: list[str]
    user: str
    #: the same of each pool's coordinator
    pools: list[list[str]] = field(default_factory=list)
    #: addresses of all hosts
    addresses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """The directory and what is in it."""

    directory: Path

    def database(self, pool: int) -> Path:
        """The file of a pool, counted from 0."""
        return self.directory / (f"database-{pool + 1}.json" if pool else "database.json")

    def databases(self) -> list[Path]:
        """The files of all pools that the lab has had so far."""
        found: list[Path] = []
        while (path := self.database(len(found))).exists():
            found.append(path)
        return found

    @property
    def disks(self) -> Path:
        return self.directory / "disks"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def password_file(self) -> Path:
        return self.directory / "password"

    @property
    def certificates(self) -> Certificates:
        return Certificates(self.directory / "tls")

    def password(self) -> str:
        """The lab's password: LAB_PASSWORD if it is set, else the stored one, else a new one."""
        self.directory.mkdir(parents=True, exist_ok=True)
        chosen = os.environ.get("LAB_PASSWORD", "")
        if not chosen and self.password_file.exists():
            return self.password_file.read_text(encoding="utf-8").strip()
        chosen = chosen or secrets.token_urlsafe(12)
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(chosen + "\n", encoding="utf-8")
        return chosen

    @property
    def is_lab(self) -> bool:
        """Whether a lab has ever run there."""
        return (self.directory / LOCK).exists()

    # ---- who runs it

    def become_server(self) -> IO[str] | None:
        """Take the directory's lock, waiting a little for those who only look; None when a server has it."""
        end = time.monotonic() + LOCK_PATIENCE
        while True:
            file = self._lock()
            if file or time.monotonic() > end:
                return file
            time.sleep(0.02)

    def _lock(self) -> IO[str] | None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # the file stays open as long as the server lives: that is the lock
        file = open(self.directory / LOCK, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file

    def announce(self, running: Running) -> None:
        temporary = self.directory / "server.new"
        temporary.write_text(json.dumps(asdict(running)), encoding="utf-8")
        temporary.replace(self.directory / "server.json")

    def last(self) -> Running | None:
        """What the last server told, whether it still runs or not."""
        try:
            return Running(**json.loads((self.directory / "server.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def running(self) -> Running | None:
        """The server that runs now: the one that holds the lock."""
        if not self.is_lab:
            return None
        lock = self._lock()
        if lock:
            lock.close()
            return None
        return self.last()
