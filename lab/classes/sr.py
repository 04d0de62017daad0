# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SR: storage repositories; what their drivers allow, and one operation at a time on each."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from lab import operations
from lab.database import Record
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.registry import implements
from lab.repositories import space
from lab.world import Call, World

update_space = space.update

#: All operations, and the feature that a driver must have for each; empty: every driver can.
OPERATIONS = {
    "scan": "", "destroy": "", "forget": "", "plug": "", "unplug": "", "vdi_create": "VDI_CREATE",
    "vdi_destroy": "VDI_DELETE", "vdi_resize": "VDI_RESIZE", "vdi_clone": "", "vdi_snapshot": "VDI_SNAPSHOT",
    "vdi_mirror": "VDI_MIRROR", "vdi_enable_cbt": "VDI_CONFIG_CBT", "vdi_disable_cbt": "VDI_CONFIG_CBT",
    "vdi_data_destroy": "VDI_CONFIG_CBT", "vdi_list_changed_blocks": "VDI_CONFIG_CBT",
    "vdi_set_on_boot": "VDI_RESET_ON_BOOT", "vdi_introduce": "VDI_INTRODUCE", "update": "SR_UPDATE",
    "pbd_create": "", "pbd_destroy": "",
}  # fmt: skip
#: Operations that do not keep others from starting on the same repository, and are not kept themselves.
LIGHT = ("plug", "unplug", "pbd_create", "pbd_destroy")
#: What the repository of the guest tools is kept from, whatever its driver can do.
NOT_FOR_TOOLS = ("VDI_CREATE", "VDI_DELETE")


def is_iso(world: World, sr: str) -> bool:
    return bool(world.database.get("SR", sr)["content_type"] == "iso")


def features(world: World, sr: str) -> set[str]:
    """What the repository's driver can do, in the words of SM.features."""
    record = world.database.get("SR", sr)
    drivers = world.database.where("SM", type=record["type"])
    known = set(drivers[0]["features"]) if drivers else set()
    return known - set(NOT_FOR_TOOLS) if record["is_tools_sr"] else known


def refusal(world: World, sr: str, name: str, task: str = "", able: set[str] | None = None) -> Failure | None:
    """Why an operation cannot be done with the repository now; able is what features() says, if that is known."""
    record = world.database.get("SR", sr)
    needed = OPERATIONS[name]
    if needed and needed not in (features(world, sr) if able is None else able):
        return Failure("SR_OPERATION_NOT_SUPPORTED", sr)
    if name in ("destroy", "forget") and plugged_hosts(world, sr):
        return Failure("SR_HAS_PBD", sr)
    if name == "destroy" and not record["PBDs"]:
        return Failure("SR_HAS_NO_PBDS", sr)
    if name == "destroy" and any(_counts(world.database.get("VDI", vdi)) for vdi in record["VDIs"]):
        return Failure("SR_NOT_EMPTY")
    if name in LIGHT:
        return None
    for other, running in record["current_operations"].items():
        if other != task and running not in LIGHT:
            return Failure(operations.IN_PROGRESS, "SR", sr, running, other)
    return None


def _counts(vdi: Record) -> bool:
    return bool(vdi["managed"] and vdi["type"] != "rrd")


def allowed_operations(world: World, sr: str) -> list[str]:
    able = features(world, sr)
    return [name for name in OPERATIONS if refusal(world, sr, name, able=able) is None]


def operation(call: Call, sr: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the repository; all but the light ones run one at a time, and wait for one another."""
    return operations.operation(call, "SR", sr, name, lambda: refusal(call.world, sr, name, call.task))


def plugged_hosts(world: World, sr: str) -> list[str]:
    """Hosts that see the repository."""
    pbds = [world.database.get("PBD", pbd) for pbd in world.database.get("SR", sr)["PBDs"]]
    return [pbd["host"] for pbd in pbds if pbd["currently_attached"]]


def require_plugged(world: World, sr: str) -> None:
    """Raises SR_HAS_NO_PBDS when no host sees the repository."""
    if not plugged_hosts(world, sr):
        raise Failure("SR_HAS_NO_PBDS", sr)


def require_host(world: World, sr: str) -> None:
    """A host that does what is asked of the repository: the coordinator if it can. Raises why there is none."""
    hosts = plugged_hosts(world, sr)
    if not hosts:
        raise Failure("SR_HAS_NO_PBDS", sr)
    membership.require_reachable(world, world.coordinator if world.coordinator in hosts else hosts[0])


def require_operation(world: World, sr: str, name: str) -> None:
    """Raises SR_OPERATION_NOT_SUPPORTED when the driver lacks the operation."""
    if OPERATIONS[name] and OPERATIONS[name] not in features(world, sr):
        raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)


@implements("SR.get_supported_types")
def get_supported_types(call: Call) -> list[str]:
    return sorted({record["type"] for record in call.db.all("SM")})


@implements("SR.set_name_label")
def set_name_label(call: Call, sr: str, value: str) -> None:
    require_host(call.world, sr)
    call.db.set("SR", sr, name_label=value)


@implements("SR.set_name_description")
def set_name_description(call: Call, sr: str, value: str) -> None:
    require_host(call.world, sr)
    call.db.set("SR", sr, name_description=value)


@implements("SR.set_shared")
def set_shared(call: Call, sr: str, value: bool) -> None:
    pbds = call.db.get("SR", sr)["PBDs"]
    if not value and len(pbds) > 1:
        raise Failure("SR_HAS_MULTIPLE_PBDS", *pbds)
    call.db.set("SR", sr, shared=value)


@implements("SR.get_data_sources")
def get_data_sources(call: Call, sr: str) -> list[dict[str, str]]:
    call.db.get("SR", sr)
    return []


@implements("SR.record_data_source", "SR.forget_data_source_archives")
def record_data_source(call: Call, sr: str, name: str) -> None:
    """Nothing is measured of a repository that could be recorded or forgotten."""
    call.db.get("SR", sr)


@implements("SR.query_data_source")
def query_data_source(call: Call, sr: str, name: str) -> float:
    call.db.get("SR", sr)
    raise internal(f"Rrd_interface.Rrdd_error(Rrd_interface.Errors.Rrdd_internal_error: no data source {name})")


def _require_everywhere(call: Call, sr: str) -> None:
    """Raises SR_HAS_NO_PBDS unless each host has a plugged PBD."""
    pbds = [call.db.get("PBD", pbd) for pbd in call.db.get("SR", sr)["PBDs"]]
    hosts = {record.ref for record in call.db.all("host")}
    if hosts - {pbd["host"] for pbd in pbds} or not all(pbd["currently_attached"] for pbd in pbds):
        raise Failure("SR_HAS_NO_PBDS", sr)


@implements("SR.assert_can_host_ha_statefile")
def assert_can_host_ha_statefile(call: Call, sr: str) -> None:
    _require_everywhere(call, sr)
    if "VDI_GENERATE_CONFIG" not in features(call.world, sr):
        raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)


@implements("SR.assert_supports_database_replication")
def assert_supports_database_replication(call: Call, sr: str) -> None:
    _require_everywhere(call, sr)
    if "SR_METADATA" not in features(call.world, sr):
        raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)


@implements("SR.get_live_hosts")
def get_live_hosts(call: Call, sr: str) -> list[str]:
    """A repository that does not exist is seen by no host."""
    if not call.db.exists("SR", sr):
        return []
    return [host for host in plugged_hosts(call.world, sr) if membership.live(call.world, host)]
