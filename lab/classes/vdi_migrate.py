# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VDI: to another repository of its pool, by a migration of a VM that has it."""

from __future__ import annotations

from lab import placement
from lab.classes import host_migrate, vm_migrate_send
from lab.classes import migration_checks as checks
from lab.classes import sr as repositories
from lab.classes import vm_lifecycle as lifecycle
from lab.errors import Failure
from lab.registry import implements
from lab.values import NULL
from lab.world import Call


@implements("VDI.pool_migrate")
async def pool_migrate(call: Call, vdi: str, sr: str, options: dict[str, str]) -> str:
    """Move a disk that some VM has; running or not, the VM goes on with the copy. The copy is a new object."""
    record = call.db.find("VDI", vdi)
    if record is None or not record["VBDs"]:
        raise Failure("VDI_NEEDS_VM_FOR_MIGRATE", vdi)
    vbd = record["VBDs"][0]
    vm = call.db.get("VBD", vbd)["VM"]
    async with lifecycle.hold(call, vm, "migrate_send"):
        running = call.db.get("VM", vm)["resident_on"]
        sender = running if running != NULL else placement.choose(call.world, vm)
        await _move(call, vdi, sr, vm, sender, options)
    return str(call.db.get("VBD", vbd)["VDI"])


async def _move(call: Call, vdi: str, sr: str, vm: str, sender: str, options: dict[str, str]) -> None:
    record = call.db.get("VDI", vdi)
    if record["type"] == "cbt_metadata":
        raise Failure("VDI_INCOMPATIBLE_TYPE", vdi, "CBT metadata")
    if record["cbt_enabled"]:
        raise Failure("VDI_CBT_ENABLED", vdi)
    places = {ref: call.db.get("VDI", ref)["SR"] for ref in _media(call, vm)} | {vdi: sr}
    host = _receiver(call, sender, set(places.values()))
    dest = host_migrate.migrate_receive(call, host, _management_network(call, sender), options)
    checks.assert_can_migrate(call, vm, dest, True, places, {}, {}, {})
    await vm_migrate_send.send(call, vm, sender, host_migrate.destination(call, dest), places, {}, {})


def _media(call: Call, vm: str) -> list[str]:
    """All disks and discs of the VM."""
    vbds = [call.db.get("VBD", vbd) for vbd in call.db.get("VM", vm)["VBDs"]]
    return [vbd["VDI"] for vbd in vbds if not vbd["empty"]]


def _receiver(call: Call, sender: str, srs: set[str]) -> str:
    """The sender, if it sees all repositories, else another host that does. Raises NO_HOSTS_AVAILABLE."""
    for host in [sender, *(record.ref for record in call.db.all("host"))]:
        if all(call.db.exists("SR", sr) and host in repositories.plugged_hosts(call.world, sr) for sr in srs):
            return host
    raise Failure("NO_HOSTS_AVAILABLE")


def _management_network(call: Call, host: str) -> str:
    for pif in call.db.get("host", host)["PIFs"]:
        record = call.db.get("PIF", pif)
        if record["management"]:
            return str(record["network"])
    raise Failure("HOST_HAS_NO_MANAGEMENT_IP")
