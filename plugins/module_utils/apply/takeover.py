# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a run that was killed: wait for what XAPI still does on its behalf.

An asynchronous call goes on without its caller. Planned for too early, its end would surprise: a disk that comes to
be after its VM was tidied away belongs to nobody.
"""

from __future__ import annotations

import re
import time
from typing import Any, Mapping

from ..xapi.client import Client
from .own_tasks import end_left_tasks
from .stopping import Stopped

#: Asynchronous calls that this collection makes. A task does not say on which object it works, so those of others
#: are waited for as well; only tasks that are under way already, so that this ends on a busy host pool, too.
_OURS = re.compile(
    r"Async\.(VM\.(clone|destroy|start|start_on|clean_shutdown|hard_shutdown|clean_reboot|hard_reboot)"
    r"|VDI\.(create|destroy|snapshot|clone|copy|resize|revert)|VBD\.(plug|unplug)|VIF\.(plug|unplug))"
)

#: Seconds that one event.from may block.
_POLL = 2.0


def outlive(client: Client, what: str, patience: float) -> None:
    """Wait at most ``patience`` seconds until the tasks of a dead run have ended, and remove those of its own making.

    For who holds the lock of ``what``. Raises Stopped, XapiError.
    """
    end_left_tasks(client, what)
    records: Mapping[str, Mapping[str, Any]] = client.read("task.get_all_records")
    pending = {ref for ref, record in records.items() if _is_pending(record) and _OURS.fullmatch(record["name_label"])}
    deadline, token = time.monotonic() + patience, ""
    while pending and time.monotonic() < deadline:
        if client.stopping.is_set():
            raise Stopped
        batch = client.read("event.from", ["task"], token, _POLL)
        events = {event["ref"]: event.get("snapshot") for event in batch["events"]}
        if not token:
            # The first answer is of all tasks there are: what is not in it has ended and is gone.
            pending &= set(events)
        pending -= {ref for ref, record in events.items() if not record or not _is_pending(record)}
        token = batch["token"]


def _is_pending(record: Mapping[str, Any]) -> bool:
    return record["status"] in ("pending", "cancelling")
