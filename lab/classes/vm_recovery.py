# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM and VM_appliance: recovery after a disaster, and what running on any host needs."""

from __future__ import annotations

from lab.classes import sr as repositories
from lab.errors import Failure
from lab.registry import implements
from lab.world import Call


def _required(call: Call, vm: str) -> list[str]:
    """The repositories of the VM's disks, CDs left out, each once."""
    vbds = [call.db.get("VBD", vbd) for vbd in call.db.get("VM", vm)["VBDs"]]
    vdis = [call.db.find("VDI", vbd["VDI"]) for vbd in vbds if vbd["type"] != "CD"]
    return list(dict.fromkeys(str(vdi["SR"]) for vdi in vdis if vdi))


def _missing(call: Call, vm: str) -> list[str]:
    return [sr for sr in _required(call, vm) if not repositories.plugged_hosts(call.world, sr)]


@implements("VM.assert_can_be_recovered")
def assert_can_be_recovered(call: Call, vm: str, session_to: str) -> None:
    for sr in _missing(call, vm):
        raise Failure("VM_REQUIRES_SR", vm, sr)


@implements("VM.get_SRs_required_for_recovery")
def get_srs_required_for_recovery(call: Call, vm: str, session_to: str) -> list[str]:
    """The repositories of the VM's disks that no host has plugged."""
    return _missing(call, vm)


@implements("VM.recover")
def recover(call: Call, vm: str, session_to: str, force: bool) -> None:
    """The lab knows no metadata but that of its own pool, in which the VM is there already."""
    record = call.db.get("VM", vm)
    if call.db.exists("VM_appliance", record["appliance"]):
        raise Failure("VM_IS_PART_OF_AN_APPLIANCE", vm, record["appliance"])
    _recover(call, [vm], session_to, force)


def _recover(call: Call, vms: list[str], session_to: str, force: bool) -> None:
    call.db.get("session", session_to)
    for vm in vms:
        assert_can_be_recovered(call, vm, session_to)
    if vms and not force:
        raise Failure("DUPLICATE_VM", vms[0])


@implements("VM_appliance.assert_can_be_recovered")
def assert_appliance_can_be_recovered(call: Call, appliance: str, session_to: str) -> None:
    for vm in call.db.get("VM_appliance", appliance)["VMs"]:
        assert_can_be_recovered(call, vm, session_to)


@implements("VM_appliance.get_SRs_required_for_recovery")
def get_appliance_srs_required_for_recovery(call: Call, appliance: str, session_to: str) -> list[str]:
    vms = call.db.get("VM_appliance", appliance)["VMs"]
    return list(dict.fromkeys(sr for vm in vms for sr in _missing(call, vm)))


@implements("VM_appliance.recover")
def recover_appliance(call: Call, appliance: str, session_to: str, force: bool) -> None:
    _recover(call, call.db.get("VM_appliance", appliance)["VMs"], session_to, force)


@implements("VM.assert_agile")
def assert_agile(call: Call, vm: str) -> None:
    """Raises why the VM cannot run on every host: a repository or a network that not all of them have."""
    hosts = {record.ref for record in call.db.all("host")}
    record = call.db.get("VM", vm)
    for vbd in record["VBDs"]:
        disk = call.db.find("VDI", call.db.get("VBD", vbd)["VDI"])
        if disk and not _shared_repository(call, disk["SR"], hosts):
            raise Failure("HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED", disk["SR"])
    for vif in record["VIFs"]:
        network = call.db.get("VIF", vif)["network"]
        if {call.db.get("PIF", pif)["host"] for pif in call.db.get("network", network)["PIFs"]} != hosts:
            raise Failure("HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED", network)


def _shared_repository(call: Call, sr: str, hosts: set[str]) -> bool:
    return bool(call.db.get("SR", sr)["shared"]) and set(repositories.plugged_hosts(call.world, sr)) == hosts
