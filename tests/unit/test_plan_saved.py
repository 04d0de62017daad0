# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A saved plan is the plan that would be made now, or it is refused with what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import Plan, plan_vm_pools
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.saved import check_saved_plan, saved_plan
from tests.support.model import GIB, World, declaration

WEB: dict[str, Any] = {
    "name": "web",
    "size": 3,
    "hardware": {"vcpus": 2, "memory": "1 GiB"},
    "networks": [{"ipv4": {"addresses": ["10.0.4.11-10.0.4.90/24"], "gateway": "10.0.4.1"}}],
    "overlay": {"size": "1 GiB"},
}


def plan(world: World, *pools: dict[str, Any]) -> Plan:
    return plan_vm_pools([declaration(**pool) for pool in pools or (WEB,)], world.model(), "london")


def kept(todo: Plan) -> Any:
    """A saved plan as a file gives it back."""
    return json.loads(json.dumps(saved_plan(todo)))


@pytest.fixture
def world() -> World:
    """web-001 runs, web-002 is halted, web-003 is missing."""
    world = World()
    world.add_master()
    for number, state in ((1, "Running"), (2, "Halted")):
        vm = world.add_instance(number, power_state=state, addresses=f"10.0.4.{10 + number}/24")
        world.records["VM"][vm].update(VCPUs_max="2", VCPUs_at_startup="2")
    return world


def test_a_plan_that_still_holds_is_confirmed(world: World) -> None:
    saved = kept(plan(world))
    check_saved_plan(saved, plan(world))


def vm_called(world: World, name: str) -> dict[str, Any]:
    return next(r for r in world.records["VM"].values() if r["name_label"] == name)


def ref_of(world: World, name: str) -> str:
    return next(ref for ref, r in world.records["VM"].items() if r["name_label"] == name)


CHANGES: list[tuple[str, Callable[[World], object], str]] = [
    ("started", lambda w: vm_called(w, "web-002").update(power_state="Running"), "power_state was Halted, is Running"),
    ("removed", lambda w: w.remove("VM", ref_of(w, "web-001")), "web-001 ("),
    ("made", lambda w: w.add_instance(3, addresses="10.0.4.13/24"), ") is new"),
    ("promoted", lambda w: w.add_master(number=2, promoted=200), "its master image was noble:1, is noble:2"),
    ("more memory", lambda w: vm_called(w, "web-001").update(memory_static_max=str(2 * GIB)), "memory was 1073741824"),
    ("SR renamed", lambda w: w.records["SR"][w.sr].update(name_label="Old"), "to be done now: create web-003 ("),
]


@pytest.mark.parametrize(("change", "words"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_a_world_that_changed_is_named(world: World, change: Callable[[World], object], words: str) -> None:
    saved = kept(plan(world))
    change(world)
    with pytest.raises(Refused, match=r"^The saved plan is not what would be done now: ") as caught:
        check_saved_plan(saved, plan(world))
    assert words in str(caught.value)
    assert str(caught.value).endswith("Nothing was written. Make a new plan and read it.")


def test_what_changes_by_itself_does_not_matter(world: World) -> None:
    saved = kept(plan(world))
    for disk in world.records["VDI"].values():
        disk["physical_utilisation"] = str(5 << 20)
    world.records["SR"][world.sr]["physical_utilisation"] = str(GIB)
    world.records["pool"][world.pool]["other_config"]["skinnybox:lock:VM pool web"] = "{}"
    vm_called(world, "web-001")["xenstore_data"] = {"vm-data/skinnybox/report": "stage=booted"}
    world.add_instance(1, pool="other")
    world.add_vm("somebody's")
    check_saved_plan(saved, plan(world))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 4}, "VM pool 'web': size was declared 3, is 4"),
        ({"power_state": "halted"}, "VM pool 'web': power_state was declared running, is halted"),
        ({"swap": "64 MiB"}, "VM pool 'web': swap was declared None, is 67108864"),
        ({"name": "db"}, "it is not of VM pool 'db'; it is also of VM pool 'web'"),
    ],
)
def test_another_declaration_is_named(world: World, options: dict[str, Any], words: str) -> None:
    saved = kept(plan(world))
    with pytest.raises(Refused) as caught:
        check_saved_plan(saved, plan(world, {**WEB, "networks": [], **options}))
    assert words in str(caught.value)


def test_another_host_pool(world: World) -> None:
    saved = kept(plan(world))
    world.records["pool"][world.pool].update(uuid="0f" * 16, name_label="paris")
    with pytest.raises(Refused, match=r"it was made for host pool 'london' .*, this is 'paris' .0f0f"):
        check_saved_plan(saved, plan(world))


@pytest.mark.parametrize("saved", [{}, {"format": 99}, {"format": "1"}])
def test_another_format(world: World, saved: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"^saved_plan: its format is .*; this version of Skinnybox reads format 1"):
        check_saved_plan(saved, plan(world))


def test_many_differences_are_counted(world: World) -> None:
    saved = kept(plan(world))
    for number in range(4, 11):
        world.add_instance(number)
    with pytest.raises(Refused, match=r"; and 2 more. Nothing was written"):
        check_saved_plan(saved, plan(world))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_plan_that_somebody_edited_is_refused_and_never_breaks(data: st.DataObject) -> None:
    world = World()
    world.add_master()
    world.add_instance(1, addresses="10.0.4.11/24")
    todo = plan(world)
    saved = kept(todo)
    where, keys = saved, sorted(saved)
    for _depth in range(data.draw(st.integers(0, 3))):
        inner = [where[key] for key in keys if isinstance(where[key], (dict, list)) and where[key]]
        if not inner:
            break
        where = data.draw(st.sampled_from(inner))
        keys = sorted(where) if isinstance(where, dict) else list(range(len(where)))
    key, value = data.draw(st.sampled_from(keys)), data.draw(JSON)
    same = where[key] == value
    where[key] = value
    if same:
        check_saved_plan(saved, todo)
    else:
        with pytest.raises(Refused):
            check_saved_plan(saved, todo)
