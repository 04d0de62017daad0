# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose a host and a layout of disks for each of several instances. Pure, and independent of any order of records.

Instances with the fewest hosts to choose from, and the largest among those, are placed first, each where fewest of
the VM pool are (when it is to be spread), then where most memory is free. Where that leaves some without a place,
a search of bounded length looks for a better arrangement.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ..model.records import Host, HostPool
from .capacity import Capacity, Layout, Needs
from .hosts import obstacle, visible_srs
from .seating import Place, Placed, Request, Seating, Spread

#: Steps of the search for a better arrangement, and instances beyond which it is not worth its time.
_STEPS, _SEARCHABLE = 50_000, 200


def place(
    requests: Sequence[Request], pool: HostPool, allowed: Sequence[Host], capacity: Capacity, spread: Spread
) -> Placed:
    """Find places on allowed hosts for all requests, or for as many as fit."""
    needs = list(dict.fromkeys(request.needs for request in requests))
    candidates = {need: [host.ref for host in allowed if not obstacle(pool, host, need)] for need in needs}
    hosts = {host.ref: host for host in allowed}
    visible = {host.ref: visible_srs(pool, host) for host in allowed}
    order = sorted(requests, key=lambda r: (len(candidates[r.needs]), -r.needs.memory))

    def seating() -> Seating:
        return Seating(hosts, visible, candidates, spread, capacity)

    best = seating()
    left_out = _seat_in_turn(best, order)
    if left_out and len(order) <= _SEARCHABLE:
        other = seating()
        if _Search(other, order).find():
            best, left_out = other, []
    _even_out(best)
    places = {name: Place(hosts[host], layout) for name, (_request, host, layout) in best.seats.items()}
    return Placed(places, tuple(left_out))


def _seat_in_turn(seating: Seating, order: Sequence[Request]) -> list[Request]:
    left_out = []
    for request in order:
        option = min(seating.options(request.needs), key=seating.preference, default=None)
        if option is None:
            left_out.append(request)
        else:
            seating.sit(request, *option)
    return left_out


class _Search:
    """Depth-first through all arrangements, equal instances in one order only."""

    def __init__(self, seating: Seating, order: Sequence[Request]) -> None:
        self._seating, self._steps = seating, _STEPS
        alike = {need: index for index, need in enumerate(seating.candidates)}
        self._order = sorted(order, key=lambda r: (len(seating.candidates[r.needs]), -r.needs.memory, alike[r.needs]))

    def find(self, index: int = 0, first: int = 0) -> bool:
        """Seat all from the `index`-th on, the next one not before the `first` of its options."""
        if index == len(self._order):
            return True
        request, seating = self._order[index], self._seating
        for number, (host, layout) in enumerate(self._everywhere(request.needs)):
            self._steps -= 1
            if number < first or self._steps < 0 or not self._fits(request.needs, host, layout):
                continue
            before = seating.capacity
            seating.sit(request, host, layout)
            same = index + 1 < len(self._order) and self._order[index + 1].needs == request.needs
            if self.find(index + 1, number if same else 0):
                return True
            seating.get_up(request, before)
        return False

    def _everywhere(self, needs: Needs) -> Iterator[tuple[str, Layout]]:
        return ((host, layout) for host in self._seating.candidates[needs] for layout in needs.layouts)

    def _fits(self, needs: Needs, host: str, layout: Layout) -> bool:
        only = Needs(needs.memory, needs.vcpus, needs.networks, (layout,), needs.starts)
        return self._seating.capacity.room_for(only, host, self._seating.visible[host]) is not None


def _even_out(seating: Seating) -> None:
    """Move instances that were just placed while that makes the spread more even."""
    if seating.spread.groups is None:
        return
    while any(_move(seating, name) for name in sorted(seating.seats, reverse=True)):
        pass


def _move(seating: Seating, name: str) -> bool:
    request, host, layout = seating.seats[name]
    needs = request.needs
    emptier = [other for other in seating.candidates[needs] if _is_emptier(seating, other, host)]
    if not emptier or any(network in seating.capacity.homes for network in needs.networks):
        return False
    seating.get_up(request, seating.capacity.give_back(needs, host, layout))
    option = min((o for o in seating.options(needs) if o[0] in emptier), key=seating.preference, default=None)
    if option is None:
        seating.sit(request, host, layout)
        return False
    seating.sit(request, *option)
    return True


def _is_emptier(seating: Seating, other: str, host: str) -> bool:
    """Whether one instance less here and one more there is more even: over racks first, then over hosts."""
    if seating.group(other) == seating.group(host):
        return seating.on_host[other] + 1 < seating.on_host[host]
    return seating.in_group[seating.group(other)] + 1 < seating.in_group[seating.group(host)]
