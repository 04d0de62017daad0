# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database on disk: written whole, atomically, soon after every change."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from lab.database import Database

#: Seconds in which further changes are collected before the file is written.
DELAY = 0.1


def load(path: Path) -> dict[str, Any]:
    """What was stored. Raises ValueError for a file that is no database."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(stored, dict) or "tables" not in stored:
        raise ValueError(f"{path} is no database of a lab")
    return stored


def save(database: Database, path: Path) -> None:
    """Replace the file by one with the database's present content."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(database.dump(), separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)


class Keeper:
    """Writes the database whenever it has changed."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database, self.path = database, path
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        save(self.database, self.path)
        self.database.listeners.append(lambda cls, ref: self._changed.set())
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(DELAY)
            self._changed.clear()
            save(self.database, self.path)

    async def stop(self) -> None:
        """Write a last time."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        save(self.database, self.path)
