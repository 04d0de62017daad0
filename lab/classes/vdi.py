# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: virtual disks; when what may be done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from lab import operations
from lab.classes import sr as repositories
from lab.database import Record
from lab.errors import Failure
from lab.world import Call, World

#: Operations in the order in which allowed_operations lists them.
LISTED = ("snapshot", "clone", "copy", "resize", "resize_online", "destroy", "update", "forget", "generate_config")
#: Operations that are done whoever has the disk attached, and those that are done while nobody writes.
ALWAYS = (
    "snapshot", "clone", "resize_online", "blocked", "mirror", "enable_cbt", "disable_cbt", "data_destroy",
    "revert_to", "revert_from",
)  # fmt: skip
WHILE_READ = (*ALWAYS, "copy")
#: The driver's feature that an operation needs.
NEEDS = {
    "snapshot": "VDI_SNAPSHOT", "destroy": "VDI_DELETE", "resize": "VDI_RESIZE", "update": "VDI_UPDATE",
    "resize_online": "VDI_RESIZE_ONLINE", "generate_config": "VDI_GENERATE_CONFIG", "clone": "VDI_CLONE",
    "mirror": "VDI_MIRROR", "enable_cbt": "VDI_CONFIG_CBT", "disable_cbt": "VDI_CONFIG_CBT",
    "data_destroy": "VDI_CONFIG_CBT", "list_changed_blocks": "VDI_CONFIG_CBT", "set_on_boot": "VDI_RESET_ON_BOOT",
    "revert_to": "VDI_SNAPSHOT",
}  # fmt: skip
#: What is not done with a disk of which only the log of changes is left, and what not with one that has a log.
NOT_FOR_LOGS = (
    "clone", "copy", "disable_cbt", "enable_cbt", "mirror", "resize", "resize_online", "snapshot", "set_on_boot",
    "revert_to", "revert_from",
)  # fmt: skip
NOT_WHEN_TRACKED = ("mirror", "set_on_boot")
#: Disks of the pool's own: XAPI keeps its state in them.
HIGH_AVAILABILITY = ("ha_statefile", "redo_log")
TYPE_NAMES = {"cbt_metadata": "CBT metadata", "ha_statefile": "HA statefile", "pvs_cache": "PVS cache", "rrd": "rrd"}


def type_name(kind: str) -> str:
    """A type of disk as errors have it."""
    return TYPE_NAMES.get(kind, kind.capitalize().replace("_", " "))


def attachments(world: World, vdi: str) -> list[Record]:
    """The VBDs through which the disk is attached now."""
    vbds = [world.database.get("VBD", vbd) for vbd in world.database.get("VDI", vdi)["VBDs"]]
    return [vbd for vbd in vbds if vbd["currently_attached"]]


@dataclass(frozen=True, slots=True)
class Use:
    """What is done with a disk through its VBDs, of which there may be thousands: looked up once for all operations."""

    #: modes of the VBDs that are attached
    modes: frozenset[str]
    #: the same without those of snapshots: the disks of one of a suspended VM count as attached, but nobody writes
    modes_of_machines: frozenset[str]
    #: task and operation of everything that is under way with a VBD
    running: tuple[tuple[str, str], ...]


def use_of(world: World, record: Record) -> Use:
    """How the disk is used now."""
    vbds, vms = world.database.tables["VBD"].records, world.database.tables["VM"].records
    modes, modes_of_machines, running = set(), set(), []
    for ref in record["VBDs"]:
        vbd = vbds[ref].fields
        running += vbd["current_operations"].items()
        if vbd["currently_attached"]:
            modes.add(vbd["mode"])
            vm = vms.get(vbd["VM"])
            if vm is None or not vm["is_a_snapshot"]:
                modes_of_machines.add(vbd["mode"])
    return Use(frozenset(modes), frozenset(modes_of_machines), tuple(running))


def refusal(world: World, vdi: str, name: str, task: str = "", use: Use | None = None) -> Failure | None:
    """Why an operation cannot be done with the disk now; use is what use_of() says, if that is known."""
    record = world.database.get("VDI", vdi)
    if early := _clash(record, name, task) or _unreachable(world, record, name):
        return early
    use = use or use_of(world, record)
    return (
        _in_use(record, use, name, task)
        or (None if name == "data_destroy" else _busy_attachment(record, use, task))
        or _unable(world, record, name)
        or _special_refusal(world, record, name)
    )


def _clash(record: Record, name: str, task: str) -> Failure | None:
    """A copy keeps nobody waiting, and a disk that has been mirrored may go."""
    running = {other: found for other, found in record["current_operations"].items() if other != task}
    if name == "destroy" and "mirror" in running.values():
        return None
    for other, found in running.items():
        if found != "copy":
            return Failure(operations.IN_PROGRESS, "VDI", record.ref, found, other)
    return None


def _unreachable(world: World, record: Record, name: str) -> Failure | None:
    if name == "resize" and not repositories.plugged_hosts(world, record["SR"]):
        return Failure("SR_HAS_NO_PBDS", record["SR"])
    return None


def _in_use(record: Record, use: Use, name: str, task: str) -> Failure | None:
    """Whoever copies the disk has it attached for reading."""
    modes = set(use.modes_of_machines if name == "list_changed_blocks" else use.modes)
    if any(found == "copy" and other != task for other, found in record["current_operations"].items()):
        modes.add("RO")
    if name in ALWAYS or not modes or (name in WHILE_READ and modes == {"RO"}):
        return None
    return Failure("VDI_IN_USE", record.ref, name)


def _busy_attachment(record: Record, use: Use, task: str) -> Failure | None:
    for other, running in use.running:
        if other != task:
            return Failure(operations.IN_PROGRESS, "VDI", record.ref, running, other)
    return None


def _unable(world: World, record: Record, name: str) -> Failure | None:
    if name in NEEDS and NEEDS[name] not in repositories.features(world, record["SR"]):
        return Failure("SR_OPERATION_NOT_SUPPORTED", record["SR"])
    if record["type"] == "cbt_metadata" and name in NOT_FOR_LOGS:
        return Failure("VDI_INCOMPATIBLE_TYPE", record.ref, type_name("cbt_metadata"))
    if record["cbt_enabled"] and name in NOT_WHEN_TRACKED:
        return Failure("VDI_CBT_ENABLED", record.ref)
    return None


def _special_refusal(world: World, record: Record, name: str) -> Failure | None:
    checks: dict[str, Callable[[World, Record], Failure | None]] = {
        "destroy": _keep, "forget": _keep_figures, "data_destroy": _keep_data, "snapshot": _no_snapshot,
        "copy": _no_copy, "enable_cbt": _no_tracking, "disable_cbt": _no_tracking,
    }  # fmt: skip
    return checks[name](world, record) if name in checks else None


def _keep(world: World, record: Record) -> Failure | None:
    sr = world.database.get("SR", record["SR"])
    if sr["type"] == "udev":
        return Failure("VDI_IS_A_PHYSICAL_DEVICE", record.ref)
    if sr["is_tools_sr"]:
        return Failure("SR_OPERATION_NOT_SUPPORTED", sr.ref)
    return _keep_figures(world, record)


def _keep_figures(world: World, record: Record) -> Failure | None:
    return Failure("VDI_HAS_RRDS", record.ref) if record["type"] == "rrd" else None


def _keep_data(world: World, record: Record) -> Failure | None:
    if not record["is_a_snapshot"]:
        return Failure("OPERATION_NOT_ALLOWED", f"VDI is not a snapshot: {record.ref}")
    if not record["cbt_enabled"]:
        return Failure("VDI_NO_CBT_METADATA", record.ref)
    return _keep(world, record)


def _no_snapshot(world: World, record: Record) -> Failure | None:
    if record["sharable"]:
        return Failure("VDI_IS_SHARABLE", record.ref)
    if record["on_boot"] == "reset":
        return Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    if "copy" in record["current_operations"].values():
        return Failure("OPERATION_NOT_ALLOWED", "Snapshot operation not allowed during copy.")
    return None


def _no_copy(world: World, record: Record) -> Failure | None:
    if record["type"] in HIGH_AVAILABILITY:
        text = "VDI containing HA statefile or redo log cannot be copied (check the VDI's allowed operations)."
        return Failure("OPERATION_NOT_ALLOWED", text)
    if record["on_boot"] == "reset":
        return Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    return None


def _no_tracking(world: World, record: Record) -> Failure | None:
    if record["is_a_snapshot"]:
        return Failure("OPERATION_NOT_ALLOWED", f"VDI is a snapshot: {record.ref}")
    if record["type"] not in ("user", "system"):
        return Failure("VDI_INCOMPATIBLE_TYPE", record.ref, type_name(record["type"]))
    if record["on_boot"] == "reset":
        return Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    return None


def allowed_operations(world: World, vdi: str) -> list[str]:
    use = use_of(world, world.database.get("VDI", vdi))
    return [name for name in LISTED if refusal(world, vdi, name, use=use) is None]


def hold(call: Call, vdi: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the disk."""
    return operations.operation(call, "VDI", vdi, name, lambda: refusal(call.world, vdi, name, call.task))


@asynccontextmanager
async def working(call: Call, vdi: str, name: str) -> AsyncIterator[Record]:
    """Hold an operation on the disk and its `vdi_` namesake on the repository, both or none; hands out the disk.

    Raises what refuses them, first of the repository; then SR_HAS_NO_PBDS, and VDI_NOT_MANAGED for a base.
    """
    sr = call.db.get("VDI", vdi)["SR"]
    of_sr = f"vdi_{name}"

    def check() -> Failure | None:
        return repositories.refusal(call.world, sr, of_sr, call.task) or refusal(call.world, vdi, name, call.task)

    await operations.wait_for(call, check)
    operations.mark(call, "SR", sr, of_sr)
    operations.mark(call, "VDI", vdi, name)
    try:
        await call.world.pace.last("SR", of_sr)
        await call.world.pace.last("VDI", name)
        repositories.require_host(call.world, sr)
        yield require_managed(call, vdi)
    finally:
        operations.unmark(call, "SR", sr)
        operations.unmark(call, "VDI", vdi)


def require_managed(call: Call, vdi: str) -> Record:
    """The disk. Raises VDI_NOT_MANAGED for a base, HANDLE_INVALID for none."""
    record = call.db.get("VDI", vdi)
    if not record["managed"]:
        raise Failure("VDI_NOT_MANAGED", vdi)
    return record
