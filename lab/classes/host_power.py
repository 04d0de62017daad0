# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: off, on and anew; given up for dead; out of the pool."""

from __future__ import annotations

from lab.classes import host_lifecycle as lifecycle
from lab.classes import vm_reset
from lab.classes.host_settings import require_empty
from lab.dispatch import in_background
from lab.errors import Failure, internal
from lab.hosts import membership
from lab.hosts import power as hosts
from lab.registry import implements
from lab.world import Call, World

#: Seconds that a host needs to boot, besides what the pace says of `host.boot`.
BOOT = 0.5


@implements("host.shutdown")
async def shutdown(call: Call, host: str) -> None:
    await _end(call, host, "shutdown")


@implements("host.reboot")
async def reboot(call: Call, host: str) -> None:
    await _end(call, host, "reboot")


async def _end(call: Call, host: str, name: str) -> None:
    """The host must be disabled and empty. It counts as dead at once, and is off a moment later."""
    async with lifecycle.hold(call, host, name):
        membership.require_reachable(call.world, host)
        require_empty(call, host)
        hosts.note_dead(call.world, host)
    in_background(call.world, _off(call.world, host, name == "reboot"))


async def _off(world: World, host: str, again: bool) -> None:
    await hosts.end_gently(world, host)
    # the last host of the lab comes back by itself: nobody else could be asked to turn it on
    if again or not hosts.others_answer(world, host):
        await hosts.on_later(world, host, BOOT + world.pace.of("host", "boot"))


@implements("host.power_on")
async def power_on(call: Call, host: str) -> None:
    """No host of the lab has anything that could wake it."""
    async with lifecycle.hold(call, host, "power_on"):
        raise Failure("XENAPI_MISSING_PLUGIN", lifecycle.POWER_ON_PLUGIN)


@implements("host.set_power_on_mode")
def set_power_on_mode(call: Call, host: str, mode: str, config: dict[str, str]) -> None:
    call.db.set("host", host, power_on_mode=mode, power_on_config=config)
    call.world.refresh("host", host)


@implements("host.restart_agent")
def restart_agent(call: Call, host: str) -> None:
    """The server of the host starts anew; a coordinator's forgets its sessions and tasks."""
    membership.require_reachable(call.world, host)
    hosts.restart_server(call.world, host)


@implements("host.shutdown_agent")
def shutdown_agent(call: Call) -> None:
    """Something starts the server again as soon as it has ended, as the system's service manager does."""
    hosts.restart_server(call.world, call.here)


@implements("host.prepare_for_poweroff")
def prepare_for_poweroff(call: Call, host: str) -> None:
    membership.require_reachable(call.world, host)


def _require_dead(call: Call, host: str) -> None:
    call.db.get("host", host)
    if vm_reset.is_alive(call.world, host):
        raise Failure("HOST_IS_LIVE", host)


@implements("host.declare_dead")
def declare_dead(call: Call, host: str) -> None:
    """Give a host up for dead: its VMs are halted in the database, and it is disabled."""
    _require_dead(call, host)
    for vm in call.db.get("host", host)["resident_VMs"]:
        if not call.db.get("VM", vm)["is_control_domain"]:
            vm_reset.reset(call.world, vm)
    call.db.set("host", host, enabled=False)
    hosts.note_dead(call.world, host)


@implements("host.destroy")
def destroy(call: Call, host: str) -> None:
    """Forget a host that is dead. Raises HOST_HAS_RESIDENT_VMS while there are VMs that count as running on it."""
    _require_dead(call, host)
    guests = [call.db.get("VM", vm) for vm in call.db.get("host", host)["resident_VMs"]]
    if not all(guest["is_control_domain"] for guest in guests):
        raise Failure("HOST_HAS_RESIDENT_VMS", host)
    hosts.forget(call.world, host)


@implements("host.create")
def create(call: Call, *fields: object) -> str:
    raise internal("a host enters a pool by pool.join alone")
