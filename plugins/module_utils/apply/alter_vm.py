# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change what XAPI remembers of a VM: hardware, name, guards. Each function carries out one item, once or again."""

from __future__ import annotations

from ..plan import blocked
from ..plan.vm_changes import BlockOperations, SetKey, SetMemory, SetName, SetVcpus
from .worksite import Worksite


def again(site: Worksite, method: str, *params: object) -> None:
    """Make an asynchronous call that may run twice, again when its answer is lost. Raises XapiError."""
    site.settle(lambda: site.run(method, *params), lambda: None)


def set_vcpus(site: Worksite, vm: str, item: SetVcpus, running: bool) -> None:
    """Set the vCPUs; of a halted VM in the order that never has more at start-up than at most. Raises XapiError."""
    if running:
        again(site, "VM.set_VCPUs_number_live", vm, str(item.want))
        return
    calls = [("VM.set_VCPUs_max", item.have_max, item.want_max), ("VM.set_VCPUs_at_startup", item.have, item.want)]
    if item.want_max < item.have:
        calls.reverse()
    for call, have, want in calls:
        if have != want:
            site.repeat(call, vm, str(want))


def set_memory(site: Worksite, vm: str, item: SetMemory, running: bool) -> None:
    """Set the memory, and of a halted VM its limits. Raises XapiError."""
    want = str(item.want)
    if running:
        again(site, "VM.set_memory_dynamic_range", vm, want, want)
    else:
        site.repeat("VM.set_memory_limits", vm, str(item.static_min), str(item.want_max), want, want)


def set_key(site: Worksite, vm: str, item: SetKey) -> None:
    """Set one key of a map of the VM's; others may be writing the other keys. Raises XapiError."""

    def look() -> bool | None:
        return site.read(f"VM.get_{item.field}", vm).get(item.key) == item.want or None

    site.repeat(f"VM.remove_from_{item.field}", vm, item.key)
    # Killed in between, this leaves what the default means: then the next run has nothing to do, or to add the key.
    if item.want != item.default:
        site.settle(lambda: site.write(f"VM.add_to_{item.field}", vm, item.key, item.want), look)


def set_name(site: Worksite, vm: str, item: SetName) -> None:
    """Give the VM its name back. Raises XapiError."""
    site.repeat("VM.set_name_label", vm, item.want)


def block_operations(site: Worksite, vm: str, item: BlockOperations) -> None:
    """Block the operations that are not blocked any more. Raises XapiError."""
    for operation in item.missing:

        def look(operation: str = operation) -> bool | None:
            return operation in site.read("VM.get_blocked_operations", vm) or None

        def act(operation: str = operation) -> None:
            site.write("VM.add_to_blocked_operations", vm, operation, blocked.INSTANCE[operation])

        site.settle(act, look)
