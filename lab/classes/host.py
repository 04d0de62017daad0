# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: enabled or not, its memory and its clock."""

from __future__ import annotations

from lab.classes import vm_memory
from lab.hosts import membership
from lab.registry import implements
from lab.world import Call


@implements("host.compute_free_memory")
def compute_free_memory(call: Call, host: str) -> int:
    return vm_memory.free_memory(call.world, host)


@implements("host.compute_memory_overhead")
def compute_memory_overhead(call: Call, host: str) -> int:
    return int(call.db.get("host", host)["memory_overhead"])


@implements("host.disable")
def disable(call: Call, host: str, auto_enable: bool = True) -> None:
    """Take no more VMs; until the host's next start, or with auto_enable false until it is enabled."""
    call.db.get("host", host)
    membership.require_reachable(call.world, host)
    if not auto_enable:
        call.world.kept_disabled.add(host)
    call.db.set("host", host, enabled=False)
    call.world.refresh("host", host)


@implements("host.enable")
def enable(call: Call, host: str) -> None:
    call.db.get("host", host)
    membership.require_reachable(call.world, host)
    call.world.kept_disabled.discard(host)
    call.db.set("host", host, enabled=True)
    call.world.refresh("host", host)
