# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: enabled or not, its memory and its clock."""

from __future__ import annotations

from lab import membership
from lab.classes import vm_memory
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, now


@implements("host.compute_free_memory")
def compute_free_memory(call: Call, host: str) -> int:
    return vm_memory.free_memory(call.world, host)


@implements("host.compute_memory_overhead")
def compute_memory_overhead(call: Call, host: str) -> int:
    return int(call.db.get("host", host)["memory_overhead"])


@implements("host.get_servertime")
def get_servertime(call: Call, host: str) -> float:
    membership.require_reachable(call.world, host)
    return now()


@implements("host.get_server_localtime")
def get_server_localtime(call: Call, host: str) -> float:
    membership.require_reachable(call.world, host)
    return now()


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


@implements("host.get_management_interface")
def get_management_interface(call: Call, host: str) -> str:
    for pif in call.db.get("host", host)["PIFs"]:
        if call.db.get("PIF", pif)["management"]:
            return str(pif)
    raise Failure("HOST_HAS_NO_MANAGEMENT_IP")


@implements("host.list_methods")
def list_methods(call: Call) -> list[str]:
    names = []
    for definition in call.world.schema.classes.values():
        names += [message.wire_name for message in definition.messages.values()]
    return sorted(names)


@implements("host.sync_data", "host.backup_rrds", "host.refresh_pack_info")
def nothing_to_do(call: Call, host: str, *rest: object) -> None:
    call.db.get("host", host)


@implements("host.has_extension")
def has_extension(call: Call, host: str, name: str) -> bool:
    call.db.get("host", host)
    return False


@implements("host.call_plugin")
def call_plugin(call: Call, host: str, plugin: str, function: str, arguments: dict[str, str]) -> str:
    membership.require_reachable(call.world, host)
    raise Failure("XENAPI_MISSING_PLUGIN", plugin)


@implements("host.is_in_emergency_mode")
def is_in_emergency_mode(call: Call) -> bool:
    return membership.is_cut_off(call.world, call.here)
