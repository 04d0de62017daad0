# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a VM pool may use, and what keeps a host from running an instance. Pure."""

from __future__ import annotations

from typing import Any, Mapping

from ..model.records import Host, HostPool
from .capacity import Capacity, Needs
from .query import select
from .refusal import Refused
from .spec import Placement

#: What a host's record is to an expression of option placement.hosts: XAPI's names, of host and host_metrics.
_OPTION = "placement.hosts"


def host_record(host: Host, capacity: Capacity) -> dict[str, Any]:
    """A host as plain data in XAPI's words, for expressions; sizes are bytes."""
    return {
        "uuid": host.uuid,
        "name_label": host.name,
        "enabled": host.enabled,
        "live": host.live,
        "address": host.address,
        "cpu_count": host.cpus,
        "memory_total": host.memory,
        "memory_overhead": host.memory_overhead,
        "memory_free": max(0, capacity.memory[host.ref]),
        "tags": list(host.tags),
        "other_config": dict(host.other_config),
    }


def allowed_hosts(placement: Placement, pool: HostPool, capacity: Capacity) -> list[Host]:
    """The hosts that a declaration allows, by name. Raises Refused for an expression that selects none."""
    hosts = sorted(pool.hosts.values(), key=lambda host: (host.name, host.uuid))
    if placement.hosts is None:
        return hosts
    found = select(placement.hosts, [host_record(host, capacity) for host in hosts], _OPTION)
    names = [_name(entry, placement.hosts) for entry in (found if isinstance(found, list) else [found])]
    allowed = [host for host in hosts if host.name in names or host.uuid in names]
    known = {name for host in hosts for name in (host.name, host.uuid)}
    there_are = ", ".join(repr(host.name) for host in hosts)
    if unknown := [name for name in names if name not in known]:
        raise Refused(f"{_OPTION}: there is no host {unknown[0]!r} in the host pool. There are: {there_are}.")
    if not allowed:
        raise Refused(f"{_OPTION}: {placement.hosts!r} selects none of the hosts {there_are}.")
    return allowed


def _name(entry: Any, expression: str) -> str:
    """The name or uuid that an entry of a result gives: a record, or the text itself."""
    name = entry.get("uuid", entry.get("name_label")) if isinstance(entry, Mapping) else entry
    if not isinstance(name, str):
        raise Refused(
            f"{_OPTION}: {expression!r} gives {entry!r}; it must select host records, or their names or uuids."
        )
    return name


def rack_of(host: Host, key: str) -> str:
    """The rack that a host is in, by a key of its other_config or a tag ``key:rack``; empty = it names none."""
    tagged = sorted(tag.partition(":")[2] for tag in host.tags if tag.startswith(f"{key}:"))
    return host.other_config.get(key) or (tagged[0] if tagged else "")


def obstacle(pool: HostPool, host: Host, needs: Needs) -> str:
    """Why a host cannot run such an instance, whatever room there is, as the end of a sentence; empty = it can."""
    if not host.live:
        return "is not live"
    if needs.starts and not host.enabled:
        return "is disabled"
    if needs.starts and needs.vcpus > host.cpus:
        return f"has {host.cpus} CPUs, {needs.vcpus} vCPUs are wanted"
    visible = visible_srs(pool, host)
    if not any(all(sr in visible for sr, _size in layout.space) for layout in needs.layouts):
        sr = next(pool.srs[sr] for sr, _size in needs.layouts[0].space if sr not in visible)
        return f"does not see SR {sr.name!r} ({sr.uuid})"
    for network in (pool.networks[ref] for ref in needs.networks):
        if network.hosts and host.ref not in network.hosts:
            return f"has no NIC in network {network.name!r} ({network.uuid})"
    return ""


def visible_srs(pool: HostPool, host: Host) -> frozenset[str]:
    """References of the SRs that are plugged on a host."""
    return frozenset(sr.ref for sr in pool.srs.values() if host.ref in sr.attached_hosts)
