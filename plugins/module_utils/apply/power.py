# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and shutting down VMs."""

from __future__ import annotations

from ..model.records import NULL, Host
from ..xapi.errors import ApiFailure, TaskTimeout
from .worksite import Worksite

#: Seconds that a guest gets to shut down by itself.
SHUTDOWN_TIMEOUT = 180.0


#: XAPI's answers when a host cannot run a VM, as another one perhaps can.
_OF_THE_HOST = frozenset(
    {
        "HOST_NOT_ENOUGH_FREE_MEMORY",
        "HOST_DISABLED",
        "HOST_NOT_LIVE",
        "HOST_OFFLINE",
        "HOST_EVACUATE_IN_PROGRESS",
        "VM_REQUIRES_SR",
        "VM_REQUIRES_NETWORK",
    }
)


def start_placed(site: Worksite, vm: str, host: Host | None, pinned: bool) -> None:
    """Start a VM on the host that the plan chose (None: XAPI chooses). Raises ApiFailure.

    What the plan saw may have passed: unless it is pinned there, XAPI chooses another host when that one refuses.
    """
    try:
        start_vm(site, vm, host.ref if host else None)
    except ApiFailure as failure:
        if host is None or pinned or failure.code not in _OF_THE_HOST:
            raise
        start_vm(site, vm)


def start_vm(site: Worksite, vm: str, host: str | None = None) -> None:
    """Start a halted VM on a host, or wherever XAPI chooses. Raises ApiFailure that says why none can run it."""
    with site.windows.vm_operation(host):
        try:
            _change_state(site, "Running", vm, *(("VM.start_on", host) if host else ("VM.start",)), False, False)
        except ApiFailure as failure:
            if failure.code != "NO_HOSTS_AVAILABLE":
                raise
            raise _with_reasons(site, vm, failure) from None
    site.done("started")


def _change_state(site: Worksite, state: str, vm: str, method: str, *params: object, timeout: float = 3600.0) -> None:
    """Run a call that brings a VM into a power state, once."""

    def look() -> str | None:
        return "" if site.read("VM.get_power_state", vm) == state else None

    site.settle(lambda: site.run(method, vm, *params, timeout=timeout), look)


def _with_reasons(site: Worksite, vm: str, failure: ApiFailure) -> ApiFailure:
    """NO_HOSTS_AVAILABLE says nothing; asking each host does."""
    reasons = []
    for host in site.pool.hosts.values():
        try:
            site.read("VM.assert_can_boot_here", vm, host.ref)
        except ApiFailure as refusal:
            reasons.append(f"{host.name} ({host.uuid}): {refusal}")
    if reasons:
        failure.args = ("no host can run the VM: " + "; ".join(reasons),)
    return failure


def shut_down_vm(site: Worksite, vm: str, force: bool) -> None:
    """Shut a VM down cleanly; with `force` switch it off when the guest does not follow. Halted is fine."""
    state = site.read("VM.get_power_state", vm)
    if state == "Halted":
        return
    host = site.read("VM.get_resident_on", vm)
    with site.windows.vm_operation(None if host == NULL else host):
        if state != "Running" or not _shuts_down(site, vm, force):
            _change_state(site, "Halted", vm, "VM.hard_shutdown")
    site.done("shut down")


def reboot_vm(site: Worksite, vm: str, force: bool) -> None:
    """Reboot a running VM; with `force` reset it when the guest does not follow. Raises XapiError.

    Whether a reboot whose answer got lost has happened, nobody can see: it is done again.
    """
    host = site.read("VM.get_resident_on", vm)
    with site.windows.vm_operation(None if host == NULL else host):
        try:
            site.settle(lambda: site.run("VM.clean_reboot", vm, timeout=SHUTDOWN_TIMEOUT), lambda: None)
        except (ApiFailure, TaskTimeout):
            if not force:
                raise
            site.settle(lambda: site.run("VM.hard_reboot", vm), lambda: None)
    site.done("restarted")


def _shuts_down(site: Worksite, vm: str, force: bool) -> bool:
    """Ask the guest to shut down; whether it did. Raises when it did not and may not be forced."""
    try:
        _change_state(site, "Halted", vm, "VM.clean_shutdown", timeout=SHUTDOWN_TIMEOUT)
    except (ApiFailure, TaskTimeout):
        if site.read("VM.get_power_state", vm) == "Halted":
            return True
        if not force:
            raise
        return False
    return True
