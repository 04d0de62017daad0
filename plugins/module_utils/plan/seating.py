# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances on hosts, while a placement is being worked out. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Iterator, Mapping

from ..model.records import Host
from .capacity import Capacity, Layout, Needs


@dataclass(frozen=True)
class Request:
    """An instance that wants a place."""

    name: str
    needs: Needs


@dataclass(frozen=True)
class Place:
    """Where an instance is to be."""

    host: Host
    layout: Layout


@dataclass(frozen=True)
class Spread:
    """What instances are spread over, and how many of the VM pool are there already."""

    groups: Mapping[str, str] | None  # by host, the host itself or its rack; None = not spread over anything
    counts: Mapping[str, int]  # instances that stay, by host


@dataclass(frozen=True)
class Placed:
    """What came of it: a place by the instance's name, and who got none."""

    places: Mapping[str, Place]
    left_out: tuple[Request, ...]


@dataclass
class Seating:
    """The work of one placement: what may go where, and where everybody is so far."""

    hosts: dict[str, Host]
    visible: dict[str, frozenset[str]]
    candidates: dict[Needs, list[str]]
    spread: Spread
    capacity: Capacity
    seats: dict[str, tuple[Request, str, Layout]] = field(default_factory=dict)
    on_host: Counter[str] = field(default_factory=Counter)
    in_group: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for host, count in self.spread.counts.items():
            self._count(host, count)

    def _count(self, host: str, more: int) -> None:
        self.on_host[host] += more
        self.in_group[self.group(host)] += more

    def group(self, host: str) -> str:
        """What the host is one of, when the VM pool is spread."""
        return self.spread.groups[host] if self.spread.groups else ""

    def level(self, host: str) -> tuple[int, ...]:
        """How full a host is of the VM pool; fewer go first."""
        return (self.in_group[self.group(host)], self.on_host[host]) if self.spread.groups else ()

    def sit(self, request: Request, host: str, layout: Layout) -> None:
        self.capacity = self.capacity.take(request.needs, host, layout)
        self.seats[request.name] = (request, host, layout)
        self._count(host, 1)

    def get_up(self, request: Request, capacity: Capacity) -> None:
        """The opposite, with the capacity as it is without this instance."""
        self.capacity = capacity
        _request, host, _layout = self.seats.pop(request.name)
        self._count(host, -1)

    def options(self, needs: Needs) -> Iterator[tuple[str, Layout]]:
        """Hosts on which such an instance fits now."""
        for host in self.candidates[needs]:
            layout = self.capacity.room_for(needs, host, self.visible[host])
            if layout is not None:
                yield host, layout

    def preference(self, option: tuple[str, Layout]) -> tuple[tuple[int, ...], int, str, str]:
        host = self.hosts[option[0]]
        return self.level(host.ref), -self.capacity.memory[host.ref], host.name, host.uuid
