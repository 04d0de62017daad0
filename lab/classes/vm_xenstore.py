# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VM: xenstore_data, which a running guest reads."""

from __future__ import annotations

from lab import generated
from lab.registry import implements
from lab.world import Call


async def _tell_guest(call: Call, vm: str) -> None:
    record = call.db.get("VM", vm)
    if record["power_state"] == "Running":
        await call.world.hypervisor.set_xenstore(record["uuid"], record["xenstore_data"])


@implements("VM.set_xenstore_data")
async def set_xenstore_data(call: Call, vm: str, value: dict[str, str]) -> None:
    call.db.set("VM", vm, xenstore_data=value)
    await _tell_guest(call, vm)


@implements("VM.add_to_xenstore_data")
async def add_to_xenstore_data(call: Call, vm: str, key: str, value: str) -> None:
    generated.add_key(call, "VM", vm, "xenstore_data", key, value)
    await _tell_guest(call, vm)


@implements("VM.remove_from_xenstore_data")
async def remove_from_xenstore_data(call: Call, vm: str, key: str) -> None:
    call.db.drop("VM", vm, "xenstore_data", key)
    await _tell_guest(call, vm)
