# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: calls about the guest that runs now: plugins, keys and triggers, measurements, the boot record."""

from __future__ import annotations

from typing import Any

from lab.classes import vm_lifecycle as lifecycle
from lab.database import Record
from lab.errors import Failure, internal
from lab.registry import implements
from lab.rrd import sources
from lab.values import copied
from lab.world import Call

GUEST_PLUGIN = "guest-agent-operation"


@implements("VM.get_cooperative")
def get_cooperative(call: Call, vm: str) -> bool:
    """Deprecated: every guest counts as cooperative."""
    call.db.get("VM", vm)
    return True


@implements("VM.get_boot_record")
async def get_boot_record(call: Call, vm: str) -> Record:
    """The VM as it is, with this call among its current operations as in XAPI."""
    async with lifecycle.hold(call, vm, "get_boot_record"):
        record = call.db.get("VM", vm)
        return Record("VM", vm, copied(record.fields), record.created, record.modified)


def _not_implemented(name: str) -> None:
    """A call of which XAPI only kept the checks."""

    async def refuse(call: Call, vm: str, value: str) -> None:
        async with lifecycle.hold(call, vm, name):
            raise Failure("NOT_IMPLEMENTED", name)

    implements(f"VM.{name}")(refuse)


_not_implemented("send_sysrq")
_not_implemented("send_trigger")


@implements("VM.query_services")
async def query_services(call: Call, vm: str) -> None:
    async with lifecycle.hold(call, vm, "query_services"):
        raise Failure("NOT_IMPLEMENTED", "query_services")


@implements("VM.call_plugin")
async def call_plugin(call: Call, vm: str, plugin: str, function: str, arguments: dict[str, str]) -> str:
    """Have the guest's agent do something. What none of the lab's agents can is refused as XAPI refuses it."""
    lifecycle.require(call.world, vm, "call_plugin")  # at once: plugins do not wait for other operations
    async with lifecycle.hold(call, vm, "call_plugin"):
        if plugin != GUEST_PLUGIN:
            raise Failure("XENAPI_MISSING_PLUGIN", plugin)
        if function == "run-script":
            raise Failure("FEATURE_RESTRICTED")
        if function in ("request-rdp-on", "request-rdp-off"):
            text = f'The requested fn "{function}" of plugin "{plugin}" could not be executed for lack of guest agent'
            text += " control feature."
            raise Failure("XENAPI_PLUGIN_FAILURE", "failed to execute fn", text, text)
        text = f'The requested fn "{function}" could not be found in plugin "{plugin}".'
        raise Failure("XENAPI_PLUGIN_FAILURE", "failed to find fn", text, text)


@implements("VM.call_host_plugin")
def call_host_plugin(call: Call, vm: str, plugin: str, function: str, arguments: dict[str, str]) -> str:
    """No host of the lab has plugins."""
    call.db.get("VM", vm)
    raise Failure("XENAPI_MISSING_PLUGIN", plugin)


@implements("VM.s3_suspend", "VM.s3_resume")
def s3(call: Call, vm: str) -> None:
    """Sent to the guest, which need not follow; nothing of it shows in the records."""
    record = call.db.get("VM", vm)
    if record["power_state"] != "Running":
        raise lifecycle.bad_power_state(record, ("Running",))


@implements("VM.restart_device_models")
def restart_device_models(call: Call, vm: str) -> None:
    record = call.db.get("VM", vm)
    if record["power_state"] != "Running":
        raise Failure("VM_BAD_POWER_STATE", vm, "Running", record["power_state"])
    if not call.db.exists("VM_guest_metrics", record["guest_metrics"]):
        raise Failure("VM_MISSING_PV_DRIVERS", vm)


@implements("VM.sysprep")
async def sysprep(call: Call, vm: str, unattend: str, timeout: float) -> None:
    """Switched off in XAPI's configuration unless someone switches it on."""
    async with lifecycle.hold(call, vm, "sysprep"):
        raise Failure("SYSPREP", vm, "API call is disabled")


def _measurements(call: Call, record: Record) -> dict[str, dict[str, Any]]:
    """The data sources of a guest by name, in the words of the data_source record."""
    found = {}
    for name, value in sources.of_vm(call.world, record).items():
        share = name.startswith("cpu")
        found[name] = {
            "name_label": name, "name_description": f"{name} of the guest", "enabled": True, "standard": True,
            "units": "(fraction)" if share else "B", "min": 0.0,
            "max": 1.0 if share else float(record["memory_static_max"]), "value": float(value),
        }  # fmt: skip
    return found


@implements("VM.get_data_sources")
async def get_data_sources(call: Call, vm: str) -> list[dict[str, Any]]:
    async with lifecycle.hold(call, vm, "data_source_op"):
        return list(_measurements(call, call.db.get("VM", vm)).values())


@implements("VM.query_data_source")
def query_data_source(call: Call, vm: str, name: str) -> float:
    record = call.db.get("VM", vm)
    if record["power_state"] not in ("Running", "Paused"):
        raise Failure("VM_BAD_POWER_STATE", vm, "running;paused", record["power_state"].lower())
    return float(_source(call, record, name)["value"])


@implements("VM.record_data_source", "VM.forget_data_source_archives")
async def record_data_source(call: Call, vm: str, name: str) -> None:
    """Data sources of guests are always recorded, so there is nothing to begin or to end."""
    async with lifecycle.hold(call, vm, "data_source_op"):
        _source(call, call.db.get("VM", vm), name)


def _source(call: Call, record: Record, name: str) -> dict[str, Any]:
    found = _measurements(call, record).get(name)
    if found is None:
        raise internal(f"Rrd_interface.Rrdd_error(Rrd_interface.Errors.Rrdd_internal_error: no data source {name})")
    return found
