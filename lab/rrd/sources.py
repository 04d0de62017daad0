# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is measured: figures of hosts, running VMs and repositories, in XenServer's names and units."""

from __future__ import annotations

from lab.classes import sr as repositories
from lab.classes import vm_memory
from lab.database import Record
from lab.world import World

KIB = 1024


def of_host(world: World, host: Record) -> dict[str, float]:
    """Memory in KiB, CPUs as a fraction of their time. The lab's simulated work takes no time."""
    total = world.database.get("host_metrics", host["metrics"])["memory_total"]
    figures = {
        "memory_total_kib": total / KIB,
        "memory_free_kib": vm_memory.free_memory(world, host.ref) / KIB,
        "loadavg": 0.0,
        "cpu_avg": 0.0,
    }
    figures.update({f"cpu{number}": 0.0 for number in range(len(host["host_CPUs"]))})
    for pif in host["PIFs"]:
        device = world.database.get("PIF", pif)["device"]
        figures |= {f"pif_{device}_rx": 0.0, f"pif_{device}_tx": 0.0}
    return figures


def of_vm(world: World, vm: Record) -> dict[str, float]:
    """Memory in bytes, CPUs as a fraction of their time, disks and networks in bytes a second."""
    metrics = world.database.find("VM_metrics", vm["metrics"])
    memory = metrics["memory_actual"] if metrics else vm["memory_target"]
    figures = {"memory": float(memory), "memory_target": float(vm["memory_target"])}
    cpus = metrics["VCPUs_number"] if metrics else 0
    figures.update({f"cpu{number}": 0.0 for number in range(cpus or vm["VCPUs_at_startup"])})
    for ref in vm["VIFs"]:
        device = world.database.get("VIF", ref)["device"]
        figures |= {f"vif_{device}_rx": 0.0, f"vif_{device}_tx": 0.0}
    for ref in vm["VBDs"]:
        vbd = world.database.get("VBD", ref)
        if vbd["currently_attached"] and vbd["device"]:
            figures |= {f"vbd_{vbd['device']}_read": 0.0, f"vbd_{vbd['device']}_write": 0.0}
    return figures


def of_repository(world: World, sr: Record) -> dict[str, float]:
    """Bytes."""
    names = ("physical_size", "physical_utilisation", "virtual_allocation")
    return {name: float(sr[name]) for name in names}


def measured(world: World) -> dict[tuple[str, str], dict[str, float]]:
    """The figures of everything that has some now, by kind (host, vm, sr) and uuid."""
    database = world.database
    found = {("host", host["uuid"]): of_host(world, host) for host in database.all("host")}
    for host in database.all("host"):
        for ref in host["resident_VMs"]:
            vm = database.find("VM", ref)
            if vm and vm["power_state"] in ("Running", "Paused"):
                found["vm", vm["uuid"]] = of_vm(world, vm)
    for sr in database.all("SR"):
        if repositories.plugged_hosts(world, sr.ref):
            found["sr", sr["uuid"]] = of_repository(world, sr)
    return found
