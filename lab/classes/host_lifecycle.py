# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host: what may be done with it in which state."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from lab import operations
from lab.errors import Failure
from lab.hosts import membership
from lab.world import Call, World

#: What allowed_operations tells of.
LISTED = (
    "provision", "evacuate", "reboot", "shutdown", "vm_start", "vm_resume", "vm_migrate", "power_on", "apply_updates",
    "enable",
)  # fmt: skip
#: Operations that bring VMs to a host and those that take them away exclude one another.
BRINGING = {"provision", "vm_resume", "vm_migrate"}
TAKING = {"evacuate", "reboot", "shutdown"}
#: Operations that exclude one another.
ENDING = {"reboot", "shutdown", "apply_updates"}
POWER_ON_PLUGIN = "power-on-host"


def refusal(world: World, host: str, name: str, task: str = "") -> Failure | None:
    """Why an operation cannot begin now; the checks and their order are XAPI's."""
    record = world.database.get("host", host)
    running = [running for other, running in record["current_operations"].items() if other != task]
    clash = _clash(name, running)
    if clash:
        return Failure(operations.IN_PROGRESS, "host", host, clash)
    if name in ENDING and record["enabled"]:
        return Failure("HOST_NOT_DISABLED")
    if name != "power_on":
        return None
    if membership.live(world, host):
        return Failure("HOST_IS_LIVE", host)
    if not record["power_on_mode"]:
        return Failure("HOST_POWER_ON_MODE_DISABLED")
    return Failure("XENAPI_MISSING_PLUGIN", POWER_ON_PLUGIN)


def _clash(name: str, running: list[str]) -> str:
    """The operation that keeps this one from starting."""
    if (name in BRINGING and TAKING & set(running)) or (name in TAKING and BRINGING & set(running)):
        return running[0]
    for group in (ENDING, {"provision"}):
        for other in running:
            if name in group and other in group and (name != other or name == "provision"):
                return other
    return ""


def allowed_operations(world: World, host: str) -> list[str]:
    return [name for name in LISTED if refusal(world, host, name) is None]


def hold(call: Call, host: str, name: str) -> AbstractAsyncContextManager[None]:
    """Hold an operation on the host, from the moment that its state allows it."""
    return operations.operation(call, "host", host, name, lambda: refusal(call.world, host, name, call.task))
