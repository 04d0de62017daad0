# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds between VMs and their simulated guests whenever nothing is going on."""

from __future__ import annotations

from collections.abc import Iterator

from lab.classes import vbd, vif
from lab.database import Record
from lab.hypervisor import Domain
from lab.hypervisor.simulated import SimulatedHypervisor
from lab.world import World


def unlike_guests(world: World) -> list[str]:
    """Where the guest of a VM is not what the VM is, in words; empty when all are."""
    hypervisor = world.hypervisor
    assert isinstance(hypervisor, SimulatedHypervisor)
    found: list[str] = []
    for vm in world.database.all("VM"):
        domain = hypervisor.domains.get(vm["uuid"])
        state = vm["power_state"]
        if vm["is_control_domain"]:
            continue
        if domain is None:
            # A VM that was started paused gets its guest only when it goes on.
            found += [f"VM {vm.ref} is Running without a guest"] if state == "Running" else []
            continue
        if state != ("Paused" if vm["uuid"] in hypervisor.paused else "Running"):
            found.append(f"the guest of VM {vm.ref} runs or is paused, the VM is {state}")
        found += [*_disks(world, vm, domain), *_nics(world, vm, domain)]
    return found


def _disks(world: World, vm: Record, domain: Domain) -> Iterator[str]:
    attached = [record for ref in vm["VBDs"] if (record := world.database.get("VBD", ref))["currently_attached"]]
    filled = [record for record in attached if not record["empty"]]
    known = {vbd.position(record): world.database.get("VDI", record["VDI"])["uuid"] for record in filled}
    told = {disk.position: disk.disk for disk in domain.disks if disk.disk}
    if known != told:
        yield f"VM {vm.ref} has the disks {known}, its guest {told}"


def _nics(world: World, vm: Record, domain: Domain) -> Iterator[str]:
    attached = [record for ref in vm["VIFs"] if (record := world.database.get("VIF", ref))["currently_attached"]]
    known = {vif.device_number(record["device"]): _uuid(world, record["network"]) for record in attached}
    told = {nic.device: nic.network for nic in domain.nics}
    if known != told:
        yield f"VM {vm.ref} has NICs on the networks {known}, its guest {told}"


def _uuid(world: World, network: str) -> str:
    return str(world.database.get("network", network)["uuid"])
