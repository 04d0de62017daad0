# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action plugin that shows how far its module has come, while the module runs.

The module appends lines of JSON to a file, whose path it is given in its environment. That needs one machine for
both: with another connection than ``local`` the module runs as if there were no action plugin.
"""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from ansible.plugins.action.normal import ActionModule as Normal
from ansible.utils.display import Display

#: Name of the environment variable with the path of the file, as the module knows it.
FILE = "SKINNYBOX_PROGRESS"

#: Seconds between two looks at the file.
_PAUSE = 0.5


class ProgressAction(Normal):
    """Runs the module of the same name."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and print a line now and then as long as that lasts."""
        if self._task.check_mode or self._task.async_val or self._connection.transport != "local":
            return super().run(tmp, task_vars)
        with tempfile.TemporaryDirectory(prefix="skinnybox-") as directory:
            path = Path(directory, "progress")
            path.touch()
            self._task.environment = [*(self._task.environment or []), {FILE: str(path)}]
            with _shown(path, str((task_vars or {}).get("inventory_hostname", ""))):
                return super().run(tmp, task_vars)


@contextmanager
def _shown(path: Path, host_pool: str) -> Iterator[None]:
    """Print what is written into the file while this lasts."""
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(path, host_pool, ended), name="skinnybox-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(path: Path, host_pool: str, ended: threading.Event) -> None:
    """Print the lines of a file as they come, also those that came in the last moment."""
    display, unfinished, is_last = Display(), "", False
    with path.open(encoding="utf-8") as file:
        while not is_last:
            is_last = ended.wait(_PAUSE)
            *lines, unfinished = (unfinished + file.read()).split("\n")
            for line in lines:
                display.display(f"{host_pool} / {json.loads(line)['text']}")
