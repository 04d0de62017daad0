# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: which operation may begin when. The checks, their order and what they say are XAPI's."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from lab import operations
from lab.classes import vbd as disks
from lab.database import Record
from lab.errors import Failure
from lab.values import NULL
from lab.world import Call, World

HALTED, RUNNING, SUSPENDED = ("Halted",), ("Running",), ("Suspended",)
ALL = ("Halted", "Paused", "Suspended", "Running")
ALIVE = ("Paused", "Suspended", "Running")
#: The states in which an operation can begin, in the order in which the error text lists them.
STATES: dict[str, tuple[str, ...]] = {
    "start": HALTED, "start_on": HALTED, "provision": HALTED, "make_into_template": HALTED,
    "changing_static_range": HALTED, "changing_memory_limits": HALTED, "changing_shadow_memory": HALTED,
    "changing_VCPUs": HALTED, "changing_NVRAM": HALTED, "create_vtpm": HALTED, "clone": HALTED, "copy": HALTED,
    "changing_dynamic_range": ("Halted", "Running"), "migrate_send": ("Halted", "Suspended", "Running"),
    "create_template": ("Halted", "Suspended"), "destroy": ("Halted", "Suspended"), "export": ("Halted", "Suspended"),
    "pause": RUNNING, "clean_shutdown": RUNNING, "clean_reboot": RUNNING, "suspend": RUNNING, "pool_migrate": RUNNING,
    "changing_VCPUs_live": RUNNING, "changing_memory_live": RUNNING, "awaiting_memory_live": RUNNING,
    "changing_shadow_memory_live": RUNNING, "send_sysrq": RUNNING, "send_trigger": RUNNING, "call_plugin": RUNNING,
    "data_source_op": RUNNING, "sysprep": RUNNING, "snapshot_with_quiesce": RUNNING,
    "unpause": ("Paused",), "hard_reboot": ("Paused", "Running"),
    "resume": SUSPENDED, "resume_on": SUSPENDED, "csvm": SUSPENDED,
    "hard_shutdown": ALIVE, "shutdown": ALIVE, "checkpoint": ALIVE, "get_boot_record": ALIVE,
    "import": (),
}  # fmt: skip
#: What allowed_operations tells of, in its order.
LISTED = (
    "create_vtpm", "destroy", "metadata_export", "export", "make_into_template", "changing_NVRAM",
    "changing_VCPUs_live", "changing_shadow_memory", "changing_static_range", "changing_dynamic_range",
    "migrate_send", "pool_migrate", "resume_on", "resume", "suspend", "hard_reboot", "hard_shutdown", "clean_reboot",
    "clean_shutdown", "unpause", "pause", "start_on", "start", "provision", "checkpoint", "revert", "copy", "clone",
    "snapshot",
)  # fmt: skip
TEMPLATE_OPERATIONS = {
    "changing_NVRAM", "changing_dynamic_range", "changing_static_range", "changing_memory_limits",
    "changing_shadow_memory", "changing_VCPUs", "clone", "copy", "export", "metadata_export", "provision",
}  # fmt: skip
SNAPSHOT_OPERATIONS = {"revert", "clone", "copy", "export", "destroy", "hard_shutdown", "metadata_export"}
#: What can be done with a running control domain, too.
CONTROL_DOMAIN_RESIZING = {"changing_VCPUs", "changing_static_range", "changing_memory_limits"}
CONTROL_DOMAIN_OPERATIONS = {
    "data_source_op", "changing_memory_live", "awaiting_memory_live", "metadata_export", "changing_dynamic_range",
    "start", "start_on", "destroy", *CONTROL_DOMAIN_RESIZING,
}  # fmt: skip
#: What a running HVM guest's agent must have announced (one of them) before an operation is possible.
FEATURES = {
    "clean_shutdown": ("feature-shutdown", "feature-poweroff"), "clean_reboot": ("feature-shutdown", "feature-reboot"),
    "changing_VCPUs_live": ("feature-vcpu-hotplug",), "suspend": ("feature-suspend",),
    "checkpoint": ("feature-suspend",), "pool_migrate": ("feature-suspend",), "migrate_send": ("feature-suspend",),
}  # fmt: skip
#: Key of other_config by which old clients know the templates that came with the product.
DEFAULT_TEMPLATE = "default_template"
#: Operations that move the guest's memory, which some guests do not bear.
MOVING = {"suspend", "checkpoint", "pool_migrate", "migrate_send"}
#: Operations that XAPI lets run side by side.
TOGETHER = ({"clone", "copy", "export"}, {"snapshot", "checkpoint"}, {"get_boot_record"})
DURING_MIGRATION = {"metadata_export", "clean_shutdown", "clean_reboot", "start", "start_on"}


def bad_power_state(record: Record, expected: tuple[str, ...]) -> Failure:
    wanted = ", ".join(state.lower() for state in expected)
    return Failure("VM_BAD_POWER_STATE", record.ref, wanted, record["power_state"].lower())


def states(world: World, record: Record, name: str) -> tuple[str, ...]:
    """The states in which the operation can begin with this VM."""
    if name in ("clone", "copy") and (record["is_a_snapshot"] or _clones_suspended(world)):
        return ("Halted", "Suspended")
    if name in CONTROL_DOMAIN_RESIZING and record["is_control_domain"]:
        return ("Halted", "Running")
    return STATES.get(name, ALL)


def _clones_suspended(world: World) -> bool:
    return bool(world.database.get("pool", world.pool)["other_config"].get("allow_clone_suspended_vm") == "true")


def refusal(world: World, vm: str, name: str, task: str = "", strict: bool = True) -> Failure | None:
    """Why an operation cannot begin now. Operations of the task itself do not count.

    With strict off, a guest that has not said that it can follow may be asked to all the same.
    """
    return _refusal(world, world.database.get("VM", vm), name, task, strict)


def _refusal(world: World, record: Record, name: str, task: str = "", strict: bool = True) -> Failure | None:
    if name in record["blocked_operations"]:
        return Failure("OPERATION_BLOCKED", record.ref, record["blocked_operations"][name])
    possible = states(world, record, name)
    if record["power_state"] not in possible:
        return bad_power_state(record, possible)
    return _clash(record, name, task) or _kind_refusal(record, name) or _special_refusal(world, record, name, strict)


def _clash(record: Record, name: str, task: str) -> Failure | None:
    if not record["current_operations"]:
        return None
    others = {other: running for other, running in record["current_operations"].items() if other != task}
    if not others or _together(name, list(others.values())):
        return None
    other, running = next(iter(others.items()))
    return Failure(operations.IN_PROGRESS, "VM", record.ref, running, other)


def _together(name: str, running: list[str]) -> bool:
    """Whether the operation may begin while others run."""
    if name == "hard_shutdown":
        return name not in running
    if name == "hard_reboot":
        return "hard_shutdown" not in running and name not in running
    if running == ["migrate_send"] and name in DURING_MIGRATION:
        return True
    return any(name in group and set(running) <= group for group in TOGETHER)


def _kind_refusal(record: Record, name: str) -> Failure | None:
    """What the VM being a template or a snapshot, or not being one, says against the operation."""
    if record["is_a_snapshot"] and name not in SNAPSHOT_OPERATIONS:
        return Failure("VM_IS_SNAPSHOT", record.ref, name)
    if record["is_a_template"] and not record["is_a_snapshot"] and name not in TEMPLATE_OPERATIONS:
        removable = name in ("destroy", "migrate_send") and not is_default_template(record)
        return None if removable else Failure("VM_IS_TEMPLATE", record.ref, name)
    if name == "provision" and not record["is_a_template"]:
        return Failure("PROVISION_ONLY_ALLOWED_ON_TEMPLATE")
    if name == "revert" and not record["is_a_snapshot"]:
        return Failure("REVERT_ONLY_ALLOWED_ON_SNAPSHOT")
    return None


def is_default_template(record: Record) -> bool:
    return bool(record["is_default_template"]) or is_true(record["other_config"].get(DEFAULT_TEMPLATE))


def is_true(value: str | None) -> bool:
    """Whether the text of a map's key says yes."""
    return value is not None and (value == "1" or value.lower() == "true")


def _special_refusal(world: World, record: Record, name: str, strict: bool) -> Failure | None:
    if strict and name in MOVING and (_has(world, record, "nomigrate") or _has(world, record, "nested-virt")):
        return Failure("VM_IS_IMMOBILE", record.ref)
    if strict and name == "changing_dynamic_range" and _has(world, record, "nested-virt"):
        return Failure("VM_IS_USING_NESTED_VIRT", record.ref)
    if record["is_control_domain"]:
        failure = _control_domain_refusal(world, record, name)
        if failure:
            return failure
    if name in FEATURES and (strict or name == "changing_VCPUs_live") and lacks_feature(world, record, name):
        return Failure("VM_LACKS_FEATURE", record.ref)
    if name in ("checkpoint", "snapshot", "suspend") and _forgets(world, record):
        return Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    if name == "make_into_template" and world.database.exists("VM_appliance", record["appliance"]):
        return Failure("VM_IS_PART_OF_AN_APPLIANCE", record.ref, record["appliance"])
    if name == "make_into_template" and world.database.exists("VMSS", record["snapshot_schedule"]):
        return Failure("VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", record.ref, record["snapshot_schedule"])
    if name == "create_vtpm" and record["VTPMs"]:
        return Failure("VTPM_MAX_AMOUNT_REACHED", len(record["VTPMs"]))
    if name == "query_services" and not is_true(record["other_config"].get("is_system_domain")):
        return Failure("NOT_SYSTEM_DOMAIN", record.ref)
    return None


def _has(world: World, record: Record, key: str) -> bool:
    """What the VM was started with, or the platform's key when it has no metrics."""
    metrics = world.database.find("VM_metrics", record["metrics"])
    return bool(metrics[key.replace("-", "_")]) if metrics else is_true(record["platform"].get(key))


def _control_domain_refusal(world: World, record: Record, name: str) -> Failure | None:
    zero = any(host["control_domain"] == record.ref for host in world.database.all("host"))
    if zero and name in ("changing_VCPUs", "destroy"):
        return Failure("OPERATION_NOT_ALLOWED", "This operation is not allowed on dom0")
    if name not in CONTROL_DOMAIN_OPERATIONS:
        return Failure("OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain")
    return None


def lacks_feature(world: World, record: Record, name: str) -> bool:
    """Whether the running guest has not said that it can do what the operation asks of it.

    Guests booted paravirtualised, and those whose drivers told their version, can do everything.
    """
    metrics = world.database.find("VM_metrics", record["metrics"])
    if record["power_state"] != "Running":
        return False
    if metrics and metrics["current_domain_type"] in ("pv", "pv_in_pvh", "pvh"):
        return False
    agent = world.database.find("VM_guest_metrics", record["guest_metrics"])
    if agent is None:
        return True
    if {"major", "minor", "micro"} <= set(agent["PV_drivers_version"]):
        return False
    return all(agent["other"].get(feature) != "1" for feature in FEATURES[name])


def _forgets(world: World, record: Record) -> bool:
    """Whether the driver throws away what a disk of the VM holds at its next start."""
    found = (world.database.find("VDI", world.database.get("VBD", vbd)["VDI"]) for vbd in record["VBDs"])
    return any(vdi is not None and vdi["sm_config"].get("on_boot") == "reset" for vdi in found)


def allowed_operations(world: World, vm: str) -> list[str]:
    record = world.database.get("VM", vm)
    return [name for name in LISTED if _refusal(world, record, name) is None]


def require(world: World, vm: str, name: str) -> None:
    """Raises why the operation cannot begin now."""
    failure = refusal(world, vm, name)
    if failure:
        raise failure


def hold(call: Call, vm: str, name: str, strict: bool = True) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the VM, from the moment that its state allows it."""
    check = lambda: refusal(call.world, vm, name, call.task, strict)  # noqa: E731
    return operations.operation(call, "VM", vm, name, check)


def refresh(world: World, vm: str) -> None:
    """Have the allowed operations of the VM, its devices and its appliance computed anew."""
    record = world.database.get("VM", vm)
    world.refresh("VM", vm)
    world.refresh("VIF", *record["VIFs"])
    disks.refresh(world, vm)
    if record["appliance"] != NULL:
        world.refresh("VM_appliance", record["appliance"])
