# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: enabled or not, its memory and its clock."""

from __future__ import annotations

from lab.classes import vm_memory
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call, World, now


def _require_online(call: Call, host: str) -> None:
    """Calls that are passed on to a host fail like this for one that does not exist, too."""
    if not call.db.exists("host", host):
        raise Failure("HOST_OFFLINE", host)


@implements("host.compute_free_memory")
def compute_free_memory(call: Call, host: str) -> int:
    return vm_memory.free_memory(call.world, host)


@implements("host.compute_memory_overhead")
def compute_memory_overhead(call: Call, host: str) -> int:
    return int(call.db.get("host", host)["memory_overhead"])


@implements("host.get_servertime")
def get_servertime(call: Call, host: str) -> float:
    _require_online(call, host)
    return now()


@implements("host.get_server_localtime")
def get_server_localtime(call: Call, host: str) -> float:
    _require_online(call, host)
    return now()


def allowed_operations(world: World, host: str) -> list[str]:
    always = ["provision", "evacuate", "enable", "vm_start", "vm_resume", "vm_migrate"]
    return always if world.database.get("host", host)["enabled"] else [*always, "shutdown", "reboot"]


@implements("host.disable")
def disable(call: Call, host: str, auto_enable: bool = True) -> None:
    call.db.set("host", host, enabled=False)
    call.world.refresh("host", host)


@implements("host.enable")
def enable(call: Call, host: str) -> None:
    call.db.set("host", host, enabled=True)
    call.world.refresh("host", host)


@implements("host.get_management_interface")
def get_management_interface(call: Call, host: str) -> str:
    for pif in call.db.get("host", host)["PIFs"]:
        if call.db.get("PIF", pif)["management"]:
            return str(pif)
    raise Failure("HOST_HAS_NO_MANAGEMENT_IP")


@implements("host.get_vms_which_prevent_evacuation")
def get_vms_which_prevent_evacuation(call: Call, host: str) -> dict[str, list[str]]:
    """With one host, every guest has nowhere to go."""
    resident = [call.db.get("VM", vm) for vm in call.db.get("host", host)["resident_VMs"]]
    return {vm.ref: ["NO_HOSTS_AVAILABLE", vm.ref] for vm in resident if not vm["is_control_domain"]}


@implements("host.assert_can_evacuate")
def assert_can_evacuate(call: Call, host: str) -> None:
    reasons = get_vms_which_prevent_evacuation(call, host).values()
    if reasons:
        raise Failure("CANNOT_EVACUATE_HOST", "|".join(",".join(reason) for reason in reasons))


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
    _require_online(call, host)
    raise Failure("XENAPI_MISSING_PLUGIN", plugin)


@implements("host.is_in_emergency_mode")
def is_in_emergency_mode(call: Call) -> bool:
    return False
