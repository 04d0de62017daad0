# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for what the boot hook of a guest reports."""

from __future__ import annotations

import time

from ..model.boot_report import BootReport, boot_report
from ..xapi.client import Client
from .stopping import Stopped

#: Seconds within which a guest that has reported its failure has switched itself off, if that is its policy.
_POWER_OFF = 10.0

#: Seconds that one event.from may block.
_POLL = 2.0


def wait_for_report(client: Client, vm: str, timeout: float) -> tuple[BootReport, str]:
    """The report of a boot that is under way, and the VM's power state; at most after ``timeout`` seconds.

    ``vm`` is a reference. An older report must have been removed before the start. Returns without a report when the VM
    has halted, is gone, or the time is up. Raises Stopped and XapiErrors.
    """
    deadline, report = time.monotonic() + timeout, BootReport({})
    token, generation, power_state = "", client.generation, ""
    while True:
        if client.stopping.is_set():
            raise Stopped
        if generation != client.generation:
            # Another login, perhaps at another coordinator: its tokens count anew.
            token, generation = "", client.generation
        left = max(0.0, deadline - time.monotonic())
        batch = client.read("event.from", [f"vm/{vm}"], token, min(_POLL, left))
        token = batch["token"]
        for event in batch["events"]:
            snapshot = event.get("snapshot") or {}
            power_state = snapshot.get("power_state", "Halted")
            told = boot_report(snapshot.get("xenstore_data", {}))
            report = told if told.state else report
        if report.state not in ("", "failed") or power_state == "Halted" or not left:
            return report, power_state
        if report.state:
            deadline = min(deadline, time.monotonic() + _POWER_OFF)
