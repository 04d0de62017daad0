# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Capacity and placement by themselves: figures, properties, and a comparison with trying out everything."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import Host, HostPool
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.capacity import (
    Capacity,
    Layout,
    Needs,
    capacity_of,
    memory_overhead,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.hosts import obstacle, rack_of, visible_srs
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.placement import place
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.seating import Placed, Request, Spread
from tests.support.model import GIB, World

MIB = 1 << 20


# Capacity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "vcpus", "overhead"),
    [(1024, 1, 11), (2048, 2, 20), (4096, 4, 38), (128, 1, 4), (1, 1, 4)],
)
def test_the_overhead_of_a_guest_is_what_xapi_computes(memory: int, vcpus: int, overhead: int) -> None:
    assert memory_overhead(memory * MIB, vcpus) == overhead * MIB


def test_the_memory_of_a_host_is_less_what_guests_have_at_least_and_what_is_coming() -> None:
    world = World()
    other = world.add_host("xen2", memory=64 * GIB)
    world.add_vm("here", "Running", memory_dynamic_min=str(2 * GIB), memory_static_max=str(8 * GIB))
    world.add_vm("halted")
    world.add_vm("coming", scheduled_to_be_resident_on=other)
    world.add_vm("moving", "Running", scheduled_to_be_resident_on=other)
    world.add_vm("Control domain", "Running", is_control_domain=True, memory_overhead="0")
    overhead = 12582912
    free = capacity_of(world.model()).memory
    assert free[world.host] == (256 - 1 - 2 - 1 - 1) * GIB - 2 * overhead
    assert free[other] == (64 - 1 - 2) * GIB - 2 * overhead


def test_an_sr_that_was_never_scanned_is_not_taken_for_full() -> None:
    world = World()
    never = world.add_sr("New", size=-1)
    capacity = capacity_of(world.model())
    assert never not in capacity.space
    needs = Needs(GIB, 1, (), (Layout(world.sr, never, ((world.sr, 0), (never, 9 * GIB))),))
    assert capacity.room_for(needs, world.host, frozenset({world.sr, never}))


def test_a_network_within_one_host_keeps_its_guests_together() -> None:
    world = World()
    second = world.add_host("xen2")
    inner = world.add_network("inner")
    world.add("PBD", SR=world.sr, host=second, currently_attached=True)
    pool = world.model()
    needs = Needs(GIB, 1, (inner,), (Layout(world.sr, world.sr, ((world.sr, 1),)),))
    requests = [Request(f"web-{n}", needs) for n in range(4)]
    placed = place(requests, pool, list(pool.hosts.values()), capacity_of(pool), Spread(None, {}))
    assert len({p.host.ref for p in placed.places.values()}) == 1
    world.records["network"][inner]["other_config"] = {"assume_network_is_shared": "true"}
    pool = world.model()
    placed = place(requests, pool, list(pool.hosts.values()), capacity_of(pool), Spread(None, {}))
    assert len({p.host.ref for p in placed.places.values()}) == 2


@pytest.mark.parametrize(
    ("fields", "rack"),
    [
        ({"tags": ["rack:a7", "web"]}, "a7"),
        ({"other_config": {"rack": "b1"}, "tags": ["rack:a7"]}, "b1"),
        ({"tags": ["rackety:a7"]}, ""),
    ],
)
def test_racks(fields: dict[str, object], rack: str) -> None:
    world = World()
    host = world.add_host("xen2", **fields)
    assert rack_of(world.model().hosts[host], "rack") == rack


def wanting(memory: int, *srs: str, names: list[str]) -> list[Request]:
    """Instances of so many GiB whose host must see the SRs."""
    needs = Needs(memory * GIB, 1, (), (Layout(srs[0], srs[0], tuple((sr, 0) for sr in srs)),))
    return [Request(name, needs) for name in names]


def test_what_does_not_fit_in_turn_is_arranged_anew() -> None:
    """3 + 3 and 2 + 2 GiB fill two hosts; each where most is free does not."""
    world = World()
    second = world.add_host("xen2", memory=4 * GIB, memory_overhead="0")
    world.records["host"][world.host]["memory_overhead"] = str(250 * GIB)
    world.add("PBD", SR=world.sr, host=second, currently_attached=True)
    pool = world.model()
    requests = [*wanting(3, world.sr, names=["a", "b"]), *wanting(2, world.sr, names=["c", "d"])]
    placed = place(requests, pool, list(pool.hosts.values()), capacity_of(pool), Spread(None, {}))
    assert {name: seat.host.name for name, seat in placed.places.items()} == {
        "a": "xen1", "b": "xen1", "c": "xen2", "d": "xen2"
    }  # fmt: skip


def test_who_came_first_makes_way_for_an_even_spread() -> None:
    world = World()
    big, third = world.add_host("xen2", memory=512 * GIB), world.add_host("xen3")
    other = world.add_sr("SSD 2", plugged=False)
    for sr, host in ((world.sr, big), (other, big), (other, third)):
        world.add("PBD", SR=sr, host=host, currently_attached=True)
    pool = world.model()
    requests = [*wanting(1, world.sr, names=["a"]), *wanting(1, other, names=["b", "c"])]
    spread = Spread({ref: ref for ref in pool.hosts}, {})
    placed = place(requests, pool, list(pool.hosts.values()), capacity_of(pool), spread)
    assert sorted(seat.host.name for seat in placed.places.values()) == ["xen1", "xen2", "xen3"]


# Properties ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    pool: HostPool
    requests: list[Request]
    spread: Spread

    @property
    def hosts(self) -> list[Host]:
        return sorted(self.pool.hosts.values(), key=lambda host: host.name)

    @property
    def capacity(self) -> Capacity:
        return capacity_of(self.pool)

    def place(self) -> Placed:
        return place(self.requests, self.pool, self.hosts, self.capacity, self.spread)


@st.composite
def cases(draw: st.DrawFn, hosts: int = 4, requests: int = 12, alike: bool = False) -> Case:
    """Hosts of few GiB, SRs that only some of them see, and instances that want a place."""
    world = World()
    refs = [world.host] + [world.add_host(f"xen{n}") for n in range(2, draw(st.integers(2, hosts)) + 1)]
    for ref in refs:
        record = world.records["host"][ref]
        record["memory_overhead"] = "0"
        record["enabled"] = alike or draw(st.integers(0, 9)) > 0
        metrics = world.records["host_metrics"][record["metrics"]]
        metrics["memory_total"] = str(draw(st.integers(6 if alike else 0, 9)) * GIB)
    srs = [world.sr, world.add_sr("SSD 2", size=draw(st.integers(1, 9)) * GIB)]
    for sr in srs:
        for ref in refs[1:]:
            if alike or draw(st.booleans()):
                world.add("PBD", SR=sr, host=ref, currently_attached=True)
    layouts = [Layout(sr, sr, ((sr, size),)) for sr in srs for size in (0, GIB)]
    kinds = [
        Needs(
            memory=draw(st.integers(1, 1 if alike else 3)) * GIB,
            vcpus=1,
            networks=(),
            layouts=tuple(draw(st.lists(st.sampled_from(layouts), min_size=1, max_size=2, unique=True))),
        )
        for _ in range(1 if alike else draw(st.integers(1, 3)))
    ]
    wanted = [
        Request(f"web-{n:03d}", draw(st.sampled_from(kinds))) for n in range(1, draw(st.integers(1, requests)) + 1)
    ]
    counts = {ref: draw(st.integers(0, 3)) for ref in refs}
    racks = {ref: draw(st.sampled_from(["a", "b"])) for ref in refs}
    groups = draw(st.sampled_from([None, {ref: ref for ref in refs}, racks]))
    return Case(world.model(), wanted, Spread(groups, counts))


@settings(max_examples=120, deadline=None)
@given(cases())
def test_nobody_is_put_where_there_is_no_room(case: Case) -> None:
    placed = case.place()
    assert sorted([*placed.places, *(r.name for r in placed.left_out)]) == [r.name for r in case.requests]
    memory: Counter[str] = Counter()
    space: Counter[str] = Counter()
    for request in case.requests:
        if request.name not in placed.places:
            continue
        host, layout = placed.places[request.name].host, placed.places[request.name].layout
        assert obstacle(case.pool, host, request.needs) == ""
        assert layout in request.needs.layouts
        assert {sr for sr, _size in layout.space} <= visible_srs(case.pool, host)
        memory[host.ref] += request.needs.memory
        space.update(dict(layout.space))
    assert all(used <= case.capacity.memory[ref] for ref, used in memory.items())
    assert all(used <= case.capacity.space[ref] for ref, used in space.items())


def unevenness(case: Case, placed: Placed) -> tuple[int, ...]:
    """How uneven counts over groups and over hosts are: sums of squares."""
    groups = case.spread.groups or {}
    hosts = Counter(case.spread.counts) + Counter(p.host.ref for p in placed.places.values())
    racks: Counter[str] = Counter()
    for ref, count in hosts.items():
        racks[groups[ref]] += count
    return sum(n * n for n in racks.values()), sum(n * n for n in hosts.values())


@settings(max_examples=120, deadline=None)
@given(cases(alike=True, requests=8))
def test_equal_instances_are_spread_within_one(case: Case) -> None:
    """With room everywhere: no host gets another one while a host of the same rack has two fewer; so do racks."""
    ample = replace(case, pool=replace(case.pool, srs={r: replace(s, size=99 * GIB) for r, s in case.pool.srs.items()}))
    placed, groups = ample.place(), case.spread.groups
    assert not placed.left_out
    if groups is None:
        return
    totals = Counter(case.spread.counts) + Counter(p.host.ref for p in placed.places.values())
    racks: Counter[str] = Counter()
    for ref in case.pool.hosts:
        racks[groups[ref]] += totals[ref]
    for place_ in placed.places.values():
        ref = place_.host.ref
        assert all(racks[groups[ref]] <= racks[groups[other]] + 1 for other in case.pool.hosts)
        same = [other for other in case.pool.hosts if groups[other] == groups[ref]]
        assert all(totals[ref] <= totals[other] + 1 for other in same)


@settings(max_examples=80, deadline=None)
@given(cases())
def test_no_single_move_would_make_the_spread_more_even(case: Case) -> None:
    placed = case.place()
    if case.spread.groups is None:
        return
    before = unevenness(case, placed)
    needs = {request.name: request.needs for request in case.requests}
    for name in placed.places:
        left = case.capacity
        for other, seat in placed.places.items():
            if other != name:
                left = left.take(needs[other], seat.host.ref, seat.layout)
        for host in case.hosts:
            visible = visible_srs(case.pool, host)
            if obstacle(case.pool, host, needs[name]) or not left.room_for(needs[name], host.ref, visible):
                continue
            moved = {**placed.places, name: replace(placed.places[name], host=host)}
            racks_after, hosts_after = unevenness(case, replace(placed, places=moved))
            same_rack = case.spread.groups[host.ref] == case.spread.groups[placed.places[name].host.ref]
            assert (hosts_after if same_rack else racks_after) >= (before[1] if same_rack else before[0])


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 1 << 30))
def test_the_order_of_records_does_not_matter(case: Case, seed: int) -> None:
    source = random.Random(seed)
    shuffled = list(case.pool.hosts.items())
    source.shuffle(shuffled)
    srs = list(case.pool.srs.items())
    source.shuffle(srs)
    other = replace(case, pool=replace(case.pool, hosts=dict(shuffled), srs=dict(srs)))
    assert other.place() == case.place()


def is_possible(case: Case, requests: list[Request], capacity: Capacity) -> bool:
    """Whether there is any arrangement at all: by trying everything."""
    if not requests:
        return True
    request, *rest = requests
    for host in case.hosts:
        if obstacle(case.pool, host, request.needs):
            continue
        visible = visible_srs(case.pool, host)
        for layout in request.needs.layouts:
            if capacity.room_for(replace(request.needs, layouts=(layout,)), host.ref, visible) and is_possible(
                case, rest, capacity.take(request.needs, host.ref, layout)
            ):
                return True
    return False


@settings(max_examples=120, deadline=None)
@given(cases(hosts=3, requests=5))
def test_somebody_is_left_out_only_when_there_is_no_way(case: Case) -> None:
    assert bool(case.place().left_out) is not is_possible(case, case.requests, case.capacity)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=9))
def test_an_arrangement_without_any_slack_is_found(arrangement: list[tuple[int, int]]) -> None:
    """Hosts that have exactly the memory of the instances that were thought to be there."""
    world = World()
    hosts = [world.host, world.add_host("xen2"), world.add_host("xen3")]
    for number, ref in enumerate(hosts):
        memory = sum(size for size, host in arrangement if host == number) * GIB
        world.records["host_metrics"][world.records["host"][ref]["metrics"]]["memory_total"] = str(memory)
        world.records["host"][ref]["memory_overhead"] = "0"
        if number:
            world.add("PBD", SR=world.sr, host=ref, currently_attached=True)
    pool = world.model()
    requests = [
        request
        for number, (size, _host) in enumerate(arrangement)
        for request in wanting(size, world.sr, names=[f"web-{number}"])
    ]
    assert not place(requests, pool, list(pool.hosts.values()), capacity_of(pool), Spread(None, {})).left_out


def test_a_thousand_instances_on_many_hosts() -> None:
    world = World()
    hosts = [world.host] + [world.add_host(f"xen{n:02d}") for n in range(2, 17)]
    for host in hosts[1:]:
        world.add("PBD", SR=world.sr, host=host, currently_attached=True)
    pool = world.model()
    needs = Needs(GIB, 1, (), (Layout(world.sr, world.sr, ((world.sr, 1),)),))
    requests = [Request(f"web-{n}", needs) for n in range(1000)]
    spread = Spread({host: host for host in hosts}, {})
    placed = place(requests, pool, list(pool.hosts.values()), capacity_of(pool), spread)
    counts = Counter(p.host.ref for p in placed.places.values())
    assert sorted(counts.values()) == [62] * 8 + [63] * 8
