# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until guests have booted, as far as XAPI can tell: their agent has reported an address."""

from __future__ import annotations

import time
from typing import Any, Iterable, Mapping

from ..model.boot_report import boot_report
from ..model.instances import Instance, instances
from ..model.reading import guest_addresses
from ..model.records import HostPool
from ..xapi.client import Client
from ..xapi.read import read_host_pool
from .stopping import Stopped

#: Seconds that one event.from may block.
_POLL = 2.0

#: XAPI takes no call of more than 300 KiB: beyond so many VMs it is asked for all.
_MOST_NAMED = 1000


def wait_for_guests(
    client: Client, pool: HostPool, vm_pool: str, names: Iterable[str], timeout: float
) -> tuple[HostPool, dict[str, str]]:
    """Wait until the named instances report an address; at most ``timeout`` seconds.

    Returns the host pool as it was read last, and a sentence for each instance that did not come up. Raises Stopped.
    """
    awaited = set(names)
    silent = {i.vm.ref for i in instances(pool, vm_pool) if i.name in awaited and not i.vm.addresses}
    if silent:
        _watch(client, silent, time.monotonic() + timeout)
        pool = read_host_pool(client)
    problems = {}
    for instance in instances(pool, vm_pool):
        if instance.name not in awaited or instance.vm.addresses:
            continue
        is_down = instance.vm.power_state == "Halted"
        problems[instance.name] = _went_down(instance) if is_down else _is_silent(instance.name, timeout)
    return pool, problems


def _watch(client: Client, vms: set[str], deadline: float) -> None:
    """Return when all of these VMs, by reference, report an address or are halted, or at the deadline."""
    each = [f"vm/{vm}" for vm in sorted(vms)] if len(vms) <= _MOST_NAMED else ["vm"]
    classes = ["vm_guest_metrics", *each]
    records: dict[str, Mapping[str, Any]] = {}
    networks: dict[str, Mapping[str, str]] = {}
    token, generation = "", client.generation
    while (left := deadline - time.monotonic()) > 0:
        if client.stopping.is_set():
            raise Stopped
        if generation != client.generation:
            # Another login, perhaps at another coordinator: its tokens count anew.
            token, generation = "", client.generation
        batch = client.read("event.from", classes, token, min(_POLL, left))
        token = batch["token"]
        for event in batch["events"]:
            snapshot = event.get("snapshot") or {}
            if event["class"] == "vm":
                records[event["ref"]] = snapshot
            else:
                networks[event["ref"]] = snapshot.get("networks", {})
        if all(_has_settled(records.get(vm), networks) for vm in vms):
            return


def _has_settled(record: Mapping[str, Any] | None, networks: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a VM is up, down or gone; it is None before the first word of it."""
    if not record or record["power_state"] == "Halted":
        return record is not None
    return bool(guest_addresses(networks.get(record["guest_metrics"], {})))


def _went_down(instance: Instance) -> str:
    reason = boot_report(instance.vm.xenstore_data).reason or "look at its console for the reason"
    return f"{instance.name} (VM {instance.vm.uuid}): switched itself off while booting: {reason}."


def _is_silent(name: str, timeout: float) -> str:
    return (
        f"{name}: its guest tools reported no address within {timeout:.0f} seconds. It runs; look at its console, or "
        "set wait=false for guests without guest tools."
    )
