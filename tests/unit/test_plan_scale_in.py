# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which instances go when there are more than declared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import Remove, VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_vm_pool
from tests.support.model import World, declaration


def crowd(*homes: int | None) -> World:
    """web-001 and so on, each on the host of that number; None = halted."""
    world = World()
    world.add_master()
    hosts = [world.host] + [world.add_host(f"xen{n}") for n in range(2, 5)]
    for host in hosts[1:]:
        world.add("PBD", SR=world.sr, host=host, currently_attached=True)
        world.add("PIF", network=world.network, host=host)
    for number, home in enumerate(homes, start=1):
        vm = world.add_instance(number, power_state="Halted" if home is None else "Running")
        if home is not None:
            world.records["VM"][vm]["resident_on"] = hosts[home - 1]
    return world


def plan(world: World, size: int, **scale_in: Any) -> VmPoolPlan:
    spec = declaration(size=size, scale_in=scale_in, power_state="unmanaged")
    return plan_vm_pool(spec, world.model(), "london")


def removed(todo: VmPoolPlan) -> list[str]:
    return [action.name for action in todo.actions if isinstance(action, Remove)]


@pytest.mark.parametrize(
    ("scale_in", "gone", "reason"),
    [
        ({}, ["web-004", "web-005"], "3 declared, newest first; its overlay is deleted"),
        ({"order": "newest"}, ["web-004", "web-005"], "3 declared, newest first; its overlay is deleted"),
        ({"order": "oldest"}, ["web-001", "web-002"], "3 declared, oldest first; its overlay is deleted"),
        ({"order": "host"}, ["web-003", "web-004"], "3 declared, from the host with most of them; "),
        ({"instances": ["web-002", "web-005"]}, ["web-002", "web-005"], "3 declared, named in scale_in.instances; "),
    ],
)
def test_orders(scale_in: dict[str, Any], gone: list[str], reason: str) -> None:
    todo = plan(crowd(1, 1, 1, 1, 2), 3, **scale_in)
    assert removed(todo) == gone
    assert todo.actions[0].text().startswith(reason)


def test_by_host_those_that_run_nowhere_go_first() -> None:
    assert removed(plan(crowd(None, 1, 1, None, 2), 4, order="host")) == ["web-004"]
    assert removed(plan(crowd(None, 1, 1, None, 2), 2, order="host")) == ["web-001", "web-003", "web-004"]


NAMED = [
    (["web-002"], 1, "names 1 of its 3 instances, and 2 must go to leave 1. Name exactly those"),
    (["web-001", "web-002"], 2, "names 2 of its 3 instances, and 1 must go"),
    (["web-001"], 3, "names 1 of its 3 instances, and 0 must go"),
    (["web-002", "web-020"], 1, "Not there: web-020."),
]


@pytest.mark.parametrize(("names", "size", "sentence"), NAMED)
def test_names_are_exactly_those_that_must_go(names: list[str], size: int, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(crowd(1, 1, 1), size, instances=names)
    assert sentence in str(caught.value)


def test_named_ones_that_are_gone_already_need_nothing() -> None:
    world = crowd(1, 1, 1)
    for _run in range(2):
        todo = plan(world, 1, instances=["web-001", "web-003"])
        world.carry_out(todo)
    assert todo.actions == ()
    assert [vm["name_label"] for vm in world.records["VM"].values() if "web" in vm["name_label"]] == ["web-002"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([None, 1, 2, 3, 4]), min_size=1, max_size=8), st.integers(1, 8))
def test_by_host_it_becomes_more_even(homes: list[int | None], size: int) -> None:
    """Whoever runs somewhere goes only when nobody is left who does not, and none from an emptier host."""
    gone = removed(plan(crowd(*homes), size, order="host"))
    assert len(gone) == max(0, len(homes) - size)
    of = {f"web-{number:03d}": home for number, home in enumerate(homes, start=1)}
    left = Counter(home for name, home in of.items() if name not in gone)
    hosts_of_gone = {of[name] for name in gone}
    if hosts_of_gone - {None}:
        assert left[None] == 0
    for host in hosts_of_gone - {None}:
        assert all(left[host] + 1 >= left[other] for other in (1, 2, 3, 4))
