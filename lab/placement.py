# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On which host a VM can run, and why not."""

from __future__ import annotations

from lab.classes import sr as repositories
from lab.classes import vm_memory
from lab.database import Record
from lab.errors import Failure
from lab.values import NULL
from lab.world import World

LEAK = "option would leak a domain; VMs and not domains are managed by this API"


def refusal(
    world: World, vm: str, host: str, with_memory: bool = True, with_storage: bool = True
) -> Failure | None:
    """Why the VM cannot start on the host; the checks and their order are XAPI's."""
    record = world.database.get("VM", vm)
    if record["actions_after_crash"] == "rename_restart":
        return Failure("VALUE_NOT_SUPPORTED", "VM.actions_after_crash", "rename_restart", LEAK)
    target = world.database.get("host", host)
    if not target["enabled"]:
        return Failure("HOST_DISABLED", host)
    if not world.database.get("host_metrics", target["metrics"])["live"]:
        return Failure("HOST_NOT_LIVE")
    for sr in repositories_of(world, record) if with_storage else []:
        if host not in repositories.plugged_hosts(world, sr):
            return Failure("VM_REQUIRES_SR", vm, sr)
    for vif in record["VIFs"]:
        network = world.database.get("VIF", vif)["network"]
        if not _reaches(world, host, network):
            return Failure("VM_REQUIRES_NETWORK", vm, network)
    if not with_memory:
        return None
    free, needed = vm_memory.free_memory(world, host), vm_memory.needed(record)
    return Failure("HOST_NOT_ENOUGH_FREE_MEMORY", needed, free) if free < needed else None


def repositories_of(world: World, record: Record) -> list[str]:
    """The repositories of the VM's disks, each once."""
    vdis = [world.database.get("VBD", vbd)["VDI"] for vbd in record["VBDs"]]
    found = [world.database.find("VDI", vdi) for vdi in vdis]
    return list(dict.fromkeys(vdi["SR"] for vdi in found if vdi))


def _reaches(world: World, host: str, network: str) -> bool:
    """Whether the host has a link into the network, or the network has no link to the outside at all."""
    pifs = [world.database.get("PIF", pif) for pif in world.database.get("network", network)["PIFs"]]
    return not pifs or any(pif["host"] == host for pif in pifs)


def possible_hosts(world: World, vm: str) -> list[str]:
    hosts = [record.ref for record in world.database.all("host")]
    return [host for host in hosts if refusal(world, vm, host) is None]


def choose(world: World, vm: str) -> str:
    """The VM's affinity if it can, else the possible host with most free memory. Raises NO_HOSTS_AVAILABLE."""
    hosts = possible_hosts(world, vm)
    if not hosts:
        raise Failure("NO_HOSTS_AVAILABLE")
    affinity = world.database.get("VM", vm)["affinity"]
    if affinity != NULL and affinity in hosts:
        return str(affinity)
    return max(hosts, key=lambda host: vm_memory.free_memory(world, host))
