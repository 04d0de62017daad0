# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and SRs for the instances that a plan makes or starts. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Iterator, Mapping, Sequence

from ..model.instances import Instance
from ..model.records import NULL, Host, HostPool, VirtualMachine
from .actions import Action, Attention, Change, Create, Reattach, Start
from .capacity import Capacity, Layout, Needs
from .growth import after_growth
from .hosts import allowed_hosts, rack_of
from .lookup import find_srs
from .needs import alternatives, freed, is_started, needs_of_create, needs_of_instance
from .placement import place
from .refusal import Refused
from .seating import Place, Request, Spread
from .shortage import check_hosts, obstacles, shortage
from .spec import Placement, VmPoolSpec


def assign_hosts(
    spec: VmPoolSpec, pool: HostPool, capacity: Capacity, actions: Sequence[Action], kept: Sequence[Instance]
) -> list[Action]:
    """The actions, with a host for each instance that is made or started and an SR for each new overlay.

    `kept` are the instances that stay. One that no host can run needs a person. Raises Refused when there is no
    room for all, no host for a new one, or no host is allowed.
    """
    capacity = after_growth(spec, pool, freed(capacity, actions), actions)
    allowed = allowed_hosts(spec.placement, pool, capacity)
    ways = _ways(spec, pool, actions)
    needs = _needs(spec, pool, actions, ways)
    stuck = {
        action.name: reasons
        for action in actions
        if not isinstance(action, Create)
        and action.name in needs
        and (reasons := obstacles(pool, allowed, needs[action.name]))
    }
    requests = [Request(name, need) for name, need in needs.items() if name not in stuck]
    check_hosts(pool, allowed, requests)
    counts = Counter(host for i in kept if i.name not in needs and (host := _host_of(i.vm)) in pool.hosts)
    placed = place(requests, pool, allowed, capacity, Spread(_groups(spec.placement, pool, allowed), counts))
    if placed.left_out:
        raise shortage(spec, pool, allowed, capacity, requests, placed.left_out)
    pinned = spec.placement.spread != "none" or spec.placement.hosts is not None
    found = [_assigned(action, ways, placed.places.get(action.name), pinned) for action in actions]
    found = [action for action in found if not (isinstance(action, Start) and action.name in stuck)]
    notes = {name: f"cannot be started on any host: {reasons}" for name, reasons in stuck.items()}
    notes.update(_misplaced(pool, allowed, kept))
    return found + [Attention(name, note) for name, note in sorted(notes.items())]


#: The ways to make new instances, by the kept overlay's uuid: those without one are alike.
_Ways = Mapping[str, Mapping[Layout, Create]]


def _ways(spec: VmPoolSpec, pool: HostPool, actions: Sequence[Action]) -> _Ways:
    srs = find_srs(pool, spec.overlay.srs)
    creations = {_kind(action): action for action in actions if isinstance(action, Create)}
    return {kind: alternatives(pool, create, srs) for kind, create in creations.items()}


def _kind(create: Create) -> str:
    return create.kept_overlay.uuid if create.kept_overlay else ""


def _needs(spec: VmPoolSpec, pool: HostPool, actions: Sequence[Action], ways: _Ways) -> dict[str, Needs]:
    """What each instance needs that wants a host, by name."""
    new = {kind: needs_of_create(found, spec.hardware) for kind, found in ways.items()}
    needs: dict[str, Needs] = {}
    for action in actions:
        if isinstance(action, Create):
            needs[action.name] = new[_kind(action)]
        elif isinstance(action, (Start, Reattach, Change)) and is_started(action):
            needs[action.name] = needs_of_instance(pool, action, spec.hardware)
    return needs


def _assigned(action: Action, ways: _Ways, place_: Place | None, pinned: bool) -> Action:
    """An action with its place; what wanted to start an instance and got none does not."""
    if isinstance(action, Create) and place_:
        way = ways[_kind(action)][place_.layout]
        return replace(action, host=place_.host, pinned=pinned, overlay_sr=way.overlay_sr, master=way.master)
    if isinstance(action, (Start, Reattach, Change)) and place_:
        return replace(action, host=place_.host, pinned=pinned)
    return replace(action, start=False) if isinstance(action, (Reattach, Change)) and is_started(action) else action


def _host_of(vm: VirtualMachine) -> str:
    """Where a VM is, is about to be, or is to be when it is started."""
    return next((host for host in (vm.host, vm.scheduled_host, vm.affinity) if host != NULL), NULL)


def _groups(placement: Placement, pool: HostPool, allowed: Sequence[Host]) -> Mapping[str, str] | None:
    """What instances are to be spread over, by reference of the host. Raises Refused when no host names a rack."""
    if placement.spread == "none":
        return None
    if placement.spread == "host":
        return {ref: ref for ref in pool.hosts}
    racks = {ref: rack_of(host, placement.rack) for ref, host in pool.hosts.items()}
    if not any(racks[host.ref] for host in allowed):
        raise Refused(
            f"placement.spread: no host names its rack. Give hosts other_config:{placement.rack}=… or a tag "
            f"{placement.rack}:…, or choose another key (placement.rack)."
        )
    return racks


def _misplaced(pool: HostPool, allowed: Sequence[Host], kept: Sequence[Instance]) -> Iterator[tuple[str, str]]:
    """Instances that stay and run where they are not to be, with what to do."""
    names = {host.ref for host in allowed}
    for instance in kept:
        host = pool.hosts.get(instance.vm.host)
        if host and host.ref not in names:
            yield (
                instance.name,
                f"runs on {host.name} ({host.uuid}), which placement.hosts leaves out: migrate it, or shut it down "
                "and apply",
            )
