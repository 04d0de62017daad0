# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VIF: plug, unplug, and another network while the guest runs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from lab import operations, placement
from lab.classes import vif as interfaces
from lab.classes.vm_description import describe_nic
from lab.errors import Failure, internal
from lab.hypervisor import DetachTimeout, HypervisorError
from lab.registry import implements
from lab.world import Call


def _hold(call: Call, vif: str, name: str) -> AbstractAsyncContextManager[None]:
    return operations.operation(call, "VIF", vif, name, lambda: interfaces.refusal(call.world, vif, name, call.task))


@implements("VIF.plug")
async def plug(call: Call, vif: str) -> None:
    async with _hold(call, vif, "plug"):
        await _give(call, vif)
        call.db.set("VIF", vif, currently_attached=True)


@implements("VIF.unplug", "VIF.unplug_force")
async def unplug(call: Call, vif: str) -> None:
    async with _hold(call, vif, "unplug"):
        await _take(call, vif)
        call.db.set("VIF", vif, currently_attached=False)


async def _give(call: Call, vif: str) -> None:
    uuid = call.db.get("VM", call.db.get("VIF", vif)["VM"])["uuid"]
    try:
        await call.world.hypervisor.plug_nic(uuid, describe_nic(call.world, vif))
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


async def _take(call: Call, vif: str) -> None:
    nic = describe_nic(call.world, vif)
    uuid = call.db.get("VM", call.db.get("VIF", vif)["VM"])["uuid"]
    try:
        await call.world.hypervisor.unplug_nic(uuid, nic.device)
    except DetachTimeout as error:
        raise Failure("DEVICE_DETACH_TIMEOUT", "VIF", vif) from error
    except HypervisorError as error:
        raise internal(f"xenopsd: {error}") from error


@implements("VIF.move")
async def move(call: Call, vif: str, network: str) -> None:
    """Another network behind the interface; a guest that runs is switched over.

    Raises HOST_CANNOT_ATTACH_NETWORK when it runs on a host that does not reach the network.
    """
    record = call.db.get("VIF", vif)
    call.db.get("network", network)
    vm = call.db.get("VM", record["VM"])
    active = record["currently_attached"] and vm["power_state"] != "Suspended"
    if active and not placement.reaches(call.world, vm["resident_on"], network):
        raise Failure("HOST_CANNOT_ATTACH_NETWORK", vm["resident_on"], network)
    has_domain = active and vm["uuid"] in await call.world.hypervisor.running()
    if has_domain:
        await _take(call, vif)
    call.db.set("VIF", vif, network=network)
    if has_domain:
        await _give(call, vif)
