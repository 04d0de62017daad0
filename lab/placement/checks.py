# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a VM can run on a host, and if not, why: the checks in XAPI's order, the first that fails answers."""

from __future__ import annotations

from collections.abc import Iterator

from lab.classes import sr as repositories
from lab.classes import vm_memory
from lab.database import Record
from lab.errors import Failure
from lab.hosts import membership
from lab.values import NULL, float_text
from lab.world import World

LEAK = "option would leak a domain; VMs and not domains are managed by this API"
NO_COREDUMP = "cannot invoke a coredump of an HVM, PVH or PV-in-PVH domain"
#: Networks with this key count as reaching every host, though no host has a link into them.
SHARED_KEY = "assume_network_is_shared"


def refusal(world: World, vm: str, host: str, *, with_memory: bool = True, with_storage: bool = True) -> Failure | None:
    """Why the VM cannot run on the host, None when it can. Raises HANDLE_INVALID for what does not exist."""
    record = world.database.get("VM", vm)
    return next(_refusals(world, record, host, with_memory, with_storage), None)


def _refusals(world: World, record: Record, host: str, with_memory: bool, with_storage: bool) -> Iterator[Failure]:
    yield from _settings_refusals(record)
    if not membership.live(world, host):
        yield Failure("HOST_NOT_LIVE")
    target = world.database.get("host", host)
    yield from _control_domain_refusals(record, host)
    moves_within_host = record["power_state"] == "Running" and record["resident_on"] == host
    if not target["enabled"] and not record["is_control_domain"] and not moves_within_host:
        yield Failure("HOST_DISABLED", host)
    yield from platform_refusals(record, target)
    if with_storage:
        yield from _storage_refusals(world, record, host)
    yield from _network_refusals(world, record, host)
    if record["domain_type"] != "pv" and not any(name.startswith("hvm") for name in target["capabilities"]):
        yield Failure("VM_HVM_REQUIRED", record.ref)
    if with_memory:
        yield from _memory_refusals(world, record, host)
    yield from processor_refusals(record, target)


def _settings_refusals(record: Record) -> Iterator[Failure]:
    """Settings with which the VM cannot run anywhere."""
    most, at_startup = record["VCPUs_max"], record["VCPUs_at_startup"]
    if most < 1:
        yield Failure("INVALID_VALUE", "VCPUs_max", most)
    if at_startup < 1:
        yield Failure("INVALID_VALUE", "VCPUs-at-startup", at_startup)
    if at_startup > most:
        yield Failure("VALUE_NOT_SUPPORTED", "VCPUs-at-startup", at_startup, "value greater than VCPUs-max")
    if record["memory_static_min"] > record["memory_static_max"]:
        # the dynamic limits would be drawn in between the static ones
        yield Failure("MEMORY_CONSTRAINT_VIOLATION")
    multiplier = record["HVM_shadow_multiplier"]
    if multiplier < 1.0:
        yield Failure("INVALID_VALUE", "HVM_shadow_multiplier", float_text(multiplier))
    action = record["actions_after_crash"]
    if action == "rename_restart":
        yield Failure("VALUE_NOT_SUPPORTED", "VM.actions_after_crash", action, LEAK)
    if action.startswith("coredump") and record["domain_type"] != "pv":
        yield Failure("VALUE_NOT_SUPPORTED", "VM.actions_after_crash", action, NO_COREDUMP)


def _control_domain_refusals(record: Record, host: str) -> Iterator[Failure]:
    if record["is_control_domain"] and record["affinity"] not in (NULL, host):
        yield Failure("OPERATION_NOT_ALLOWED", "Cannot boot a control domain on a host different from its affinity")


def platform_refusals(record: Record, target: Record) -> Iterator[Failure]:
    known, wanted = target["virtual_hardware_platform_versions"], record["hardware_platform_version"]
    if wanted not in known:
        versions = f"[{'; '.join(str(version) for version in known)}]"
        code = "VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION"
        yield Failure(code, target.ref, versions, record.ref, wanted)


def _storage_refusals(world: World, record: Record, host: str) -> Iterator[Failure]:
    for sr in repositories_of(world, record):
        if host not in repositories.plugged_hosts(world, sr):
            yield Failure("VM_REQUIRES_SR", record.ref, sr)


def repositories_of(world: World, record: Record) -> list[str]:
    """The repositories of the VM's disks, and of its image while it is suspended, each once."""
    vdis = [world.database.get("VBD", vbd)["VDI"] for vbd in record["VBDs"]]
    if record["power_state"] == "Suspended":
        vdis.append(record["suspend_VDI"])
    found = [world.database.find("VDI", vdi) for vdi in vdis]
    return list(dict.fromkeys(vdi["SR"] for vdi in found if vdi))


def _network_refusals(world: World, record: Record, host: str) -> Iterator[Failure]:
    for vif in record["VIFs"]:
        network = world.database.get("VIF", vif)["network"]
        if not reaches(world, host, network):
            yield Failure("VM_REQUIRES_NETWORK", record.ref, network)


def reaches(world: World, host: str, network: str) -> bool:
    """Whether the host has a link into the network.

    A network without any link is one host's alone: that of the guests that are on it now.
    """
    record = world.database.find("network", network)
    if record is None:
        return True
    if record["PIFs"]:
        return any(world.database.get("PIF", pif)["host"] == host for pif in record["PIFs"])
    if record["other_config"].get(SHARED_KEY) == "true" or not record["managed"]:
        return True
    vifs = [world.database.get("VIF", vif) for vif in record["VIFs"]]
    homes = {world.database.get("VM", vif["VM"])["resident_on"] for vif in vifs if vif["currently_attached"]}
    return homes <= {host, NULL}


def _memory_refusals(world: World, record: Record, host: str) -> Iterator[Failure]:
    free, needed = vm_memory.free_memory(world, host, record.ref), vm_memory.needed(record)
    if free < needed:
        yield Failure("HOST_NOT_ENOUGH_FREE_MEMORY", needed, free)


def processor_refusals(record: Record, target: Record) -> Iterator[Failure]:
    wanted, existing = record["VCPUs_max"], int(target["cpu_info"].get("cpu_count", 0))
    unrestricted = record["platform"].get("vcpu-unrestricted", "false") in ("true", "1")
    if wanted > existing and not unrestricted:
        yield Failure("HOST_NOT_ENOUGH_PCPUS", wanted, existing)


def possible_hosts(world: World, vm: str) -> list[str]:
    """The hosts on which the VM can run; the one that is keeping memory for it when there is such one."""
    scheduled = world.database.get("VM", vm)["scheduled_to_be_resident_on"]
    if scheduled != NULL:
        return [scheduled]
    hosts = [record.ref for record in world.database.all("host")]
    return [host for host in hosts if refusal(world, vm, host) is None]
