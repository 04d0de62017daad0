# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as plain data that can be kept, and whether it is still what would be done. Pure.

The plan is not carried out from what was kept: it is made anew and must be the same. So a kept plan can only
be confirmed, never do harm, however old it is or whoever changed it (docs/decisions/plan-and-apply.md).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from typing import Any, Iterator, Mapping

from ..model.instances import Instance, instances
from ..model.records import HostPool
from .actions import VmPoolPlan
from .plan import Plan
from .refusal import Refused

#: Grows whenever plans that were saved before cannot be compared any more.
FORMAT = 1

#: How many differences a refusal names.
_NAMED = 5


def saved_plan(plan: Plan) -> dict[str, Any]:
    """A plan with all that it rests on: what was declared, and how the instances were."""
    return {
        "format": FORMAT,
        "host_pool": {"uuid": plan.seen.uuid, "name": plan.seen.name},
        "vm_pools": [_vm_pool(part, plan.seen) for part in plan.pools],
        "actions": plan.as_data(),
    }


def check_saved_plan(saved: Mapping[str, Any], plan: Plan) -> None:
    """Refuse a saved plan that is not what would be done now, saying what differs. Raises Refused."""
    if saved.get("format") != FORMAT:
        raise Refused(
            f"saved_plan: its format is {saved.get('format')!r}; this version of Skinnybox reads format {FORMAT}. "
            "Make a new plan."
        )
    now = saved_plan(plan)
    if saved == now:
        return
    before, here = _mapping(saved.get("host_pool")), now["host_pool"]
    if before.get("uuid") != here["uuid"]:
        raise Refused(
            f"saved_plan: it was made for host pool {before.get('name')!r} ({before.get('uuid')}), this is "
            f"{here['name']!r} ({here['uuid']})."
        )
    # Causes, before effects: what is declared and what is there explain most of what would be done otherwise.
    found = list(_causes(saved, now)) or list(_effects(saved.get("actions"), now["actions"])) or ["it was edited"]
    named = "; ".join(found[:_NAMED]) + (f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
    raise Refused(
        f"The saved plan is not what would be done now: {named}. Nothing was written. Make a new plan and read it."
    )


def _vm_pool(plan: VmPoolPlan, pool: HostPool) -> dict[str, Any]:
    return {
        "name": plan.vm_pool,
        "master": plan.master.title if plan.master else None,
        "declared": _plain(plan.spec),
        "instances": [_instance(pool, instance) for instance in instances(pool, plan.vm_pool)],
    }


def _instance(pool: HostPool, instance: Instance) -> dict[str, Any]:
    """What plans depend on; not what changes by itself, such as addresses, reports and space used."""
    vm = instance.vm
    return {
        "name": instance.name,
        "uuid": vm.uuid,
        "master": f"{vm.labels['master']}:{vm.labels['version']}",
        "power_state": vm.power_state,
        "vcpus": vm.vcpus,
        "memory": vm.memory,
        "disks": {disk.uuid: disk.size for disk in instance.disks},
        "nics": {interface.mac: _network(pool, interface.network) for interface in vm.interfaces},
        "is_being_removed": instance.is_being_removed,
    }


def _network(pool: HostPool, ref: str) -> str | None:
    network = pool.networks.get(ref)
    return network.uuid if network else None


def _plain(value: Any) -> Any:
    """Dataclasses as JSON has them."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(value)
    return value


def _causes(saved: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is declared otherwise, or there. The plan that was kept may be anything at all: people can edit it."""
    name, called = _mapping(saved.get("host_pool")).get("name"), now["host_pool"]["name"]
    if name != called:
        yield f"the host pool was called {name!r}, is called {called!r}"
    before, here = _by("name", saved.get("vm_pools")), _by("name", now["vm_pools"])
    for name in sorted(before.keys() | here.keys(), key=str):
        if name not in here:
            yield f"it is also of VM pool {name!r}"
        elif name not in before:
            yield f"it is not of VM pool {name!r}"
        else:
            yield from _of_vm_pool(name, before[name], here[name])


def _of_vm_pool(name: str, before: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    declared = _words(_mapping(before.get("declared")), _mapping(here["declared"]))
    yield from (f"VM pool {name!r}: {word} was declared {was}, is {is_}" for word, was, is_ in declared)
    if before.get("master") != here["master"]:
        yield f"VM pool {name!r}: its master image was {before.get('master')}, is {here['master']}"
    there, present = _by("uuid", before.get("instances")), _by("uuid", here["instances"])
    for uuid in sorted(there.keys() | present.keys(), key=str):
        of = f"{(present.get(uuid) or there[uuid]).get('name')} ({uuid})"
        if uuid not in present:
            yield f"{of} is gone"
        elif uuid not in there:
            yield f"{of} is new"
        else:
            yield from (f"{of}: {word} was {was}, is {is_}" for word, was, is_ in _words(there[uuid], present[uuid]))


def _effects(before: Any, here: list[dict[str, Any]]) -> Iterator[str]:
    """What would be done otherwise, for a reason outside of the VM pools such as an SR or a host."""
    saved, now = _by_content(before), _by_content(here)
    yield from (f"to be done now: {_action(entry)}" for content, entry in now.items() if content not in saved)
    yield from (f"not to be done any more: {_action(entry)}" for content, entry in saved.items() if content not in now)


def _action(entry: Mapping[str, Any]) -> str:
    return f"{entry.get('action')} {entry.get('instance')} ({entry.get('detail')})"


def _words(before: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for word in sorted(before.keys() | here.keys(), key=str):
        if before.get(word) != here.get(word):
            yield word, before.get(word), here.get(word)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _by(key: str, entries: Any) -> dict[Any, Mapping[str, Any]]:
    """Entries by one of their values."""
    return {str(entry.get(key)): entry for entry in _mappings(entries)}


def _by_content(entries: Any) -> dict[str, Mapping[str, Any]]:
    return {json.dumps(entry, sort_keys=True, default=str): entry for entry in _mappings(entries)}


def _mappings(entries: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
