# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and shutting down VMs."""
from __future__ import annotations

from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.errors import ApiFailure, TaskTimeout
from .worksite import Worksite

#: Seconds that a guest gets to shut down by itself.
SHUTDOWN_TIMEOUT = 180.0


def start_vm(site: Worksite, vm: str) -> None:
    """Start a VM wherever XAPI chooses. Raises ApiFailure that names each host's reason when none can run it."""
    with site.starts:
        try:
            site.tasks.run("VM.start", vm, False, False)
        except ApiFailure as failure:
            if failure.code != "NO_HOSTS_AVAILABLE":
                raise
            raise _with_reasons(site.client, site.pool, vm, failure) from None


def _with_reasons(client: Client, pool: HostPool, vm: str, failure: ApiFailure) -> ApiFailure:
    """NO_HOSTS_AVAILABLE says nothing; asking each host does."""
    reasons = []
    for host in pool.hosts.values():
        try:
            client.call("VM.assert_can_boot_here", vm, host.ref)
        except ApiFailure as refusal:
            reasons.append(f"{host.name} ({host.uuid}): {refusal}")
    if reasons:
        failure.args = ("no host can run the VM: " + "; ".join(reasons),)
    return failure


def shut_down_vm(site: Worksite, vm: str, force: bool) -> None:
    """Shut a VM down cleanly; with `force` switch it off when the guest does not follow. Halted is fine."""
    state = site.client.call("VM.get_power_state", vm)
    if state == "Halted":
        return
    if state == "Running":
        try:
            site.tasks.run("VM.clean_shutdown", vm, timeout=SHUTDOWN_TIMEOUT)
            return
        except (ApiFailure, TaskTimeout):
            if site.client.call("VM.get_power_state", vm) == "Halted":
                return
            if not force:
                raise
    site.tasks.run("VM.hard_shutdown", vm)
