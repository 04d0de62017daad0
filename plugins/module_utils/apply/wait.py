# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until guests have booted, as far as XAPI can tell: their agent has reported an address."""

from __future__ import annotations

import time
from typing import Iterable

from ..model.facts import REPORT_KEY, guest_report
from ..model.instances import Instance, instances
from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.read import read_host_pool


def wait_for_guests(
    client: Client, pool: HostPool, vm_pool: str, names: Iterable[str], timeout: float
) -> tuple[HostPool, dict[str, str]]:
    """Wait until the named instances report an address; at most ``timeout`` seconds.

    Returns the host pool as it was read last, and a sentence for each instance that did not come up.
    """
    waiting = set(names)
    deadline = time.monotonic() + timeout
    token = ""
    while True:
        current = {i.name: i for i in instances(pool, vm_pool) if i.name in waiting}
        halted = {name: i for name, i in current.items() if i.vm.power_state == "Halted"}
        up = {name for name, i in current.items() if i.vm.addresses}
        left = deadline - time.monotonic()
        if waiting <= up | set(halted) or left <= 0:
            missing = waiting - up - set(halted)
            problems = {name: _went_down(instance) for name, instance in halted.items()}
            problems.update({name: _is_silent(name, timeout) for name in missing})
            return pool, problems
        batch = client.call("event.from", ["vm", "vm_guest_metrics"], token, min(30.0, max(1.0, left)))
        token = batch["token"]
        pool = read_host_pool(client)


def _went_down(instance: Instance) -> str:
    report = guest_report(instance.vm.xenstore_data.get(REPORT_KEY, ""))
    reason = report.get("reason") or report.get("message") or "look at its console for the reason"
    return f"{instance.name} (VM {instance.vm.uuid}): switched itself off while booting: {reason}."


def _is_silent(name: str, timeout: float) -> str:
    return (
        f"{name}: its guest tools reported no address within {timeout:.0f} seconds. It runs; look at its console, or "
        "set wait=false for guests without guest tools."
    )
