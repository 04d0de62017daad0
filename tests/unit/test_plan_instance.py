# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for of one instance, and rebuilds that were interrupted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Kind, other_config
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance import plan_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.instance_wish import parse_instance
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.naming import number_of
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.text import plan_lines
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_vm_pool
from tests.support.model import GIB, World, declaration


@pytest.fixture
def world() -> World:
    world = World()
    world.add_master()
    return world


def plan(world: World, name: str = "web-001", state: str = "present", **options: Any) -> VmPoolPlan | None:
    return plan_instance(parse_instance({"name": name, "state": state, **options}), world.model(), "london")


def lines(world: World, **options: Any) -> list[str]:
    found = plan(world, **options)
    return [f"{action.sign} {action.text()}" for action in found.actions] if found else []


@pytest.mark.parametrize(
    ("state", "running", "halted"),
    [
        ("present", [], []),
        ("started", [], ["~ halted: started on xen1"]),
        ("stopped", ["~ running: shut down"], []),
        ("restarted", ["~ restarted"], ["~ halted: started on xen1"]),
        ("absent", ["- declared absent; its overlay is deleted"], ["- declared absent; its overlay is deleted"]),
    ],
)
def test_states(world: World, state: str, running: list[str], halted: list[str]) -> None:
    vm = world.add_instance(1)
    world.add_instance(2)
    assert lines(world, state=state) == running
    world._power(vm, "Halted")
    assert lines(world, state=state) == halted


def test_a_rebuild_says_what_it_makes_and_keeps_sizes(world: World) -> None:
    world.add_instance(1, swap=True, sizes={"overlay": 3 * GIB, "swap": GIB})
    assert lines(world, state="rebuilt") == ["~ rebuilt: fresh overlay 3 GiB on Local SSD, restart"]
    world.add_master(number=2)
    todo = plan(world, state="rebuilt", master="noble:2", overlay={"size": "2 GiB"}, hardware={"memory": "2 GiB"})
    assert todo is not None
    assert plan_lines(todo)[1] == (
        "  ~ web-001  rebuilt: fresh overlay 2 GiB on Local SSD, master noble:1 -> noble:2, memory 1 GiB -> 2 GiB, "
        "restart"
    )
    world.carry_out(todo)
    assert lines(world, master="noble:2", overlay={"size": "2 GiB"}, swap="1 GiB", hardware={"memory": "2 GiB"}) == []


def test_a_rebuild_that_does_not_fit_is_refused(world: World) -> None:
    small = world.add_sr("LVM", type_="lvm", size=GIB)
    vm = world.add_instance(1)
    overlay = next(r for r in world.records["VDI"].values() if r["other_config"].get("skinnybox:kind") == "overlay")
    overlay["SR"] = small
    with pytest.raises(Refused, match=r"has 1 GiB free, .* are needed beside what the instance has"):
        plan(world, state="rebuilt")
    assert vm


@pytest.mark.parametrize(
    ("name", "expected"), [("web-007", 7), ("web-7", None), ("db", None), ("web-0070", None), ("web-1007", 1007)]
)
def test_numbers_of_names(name: str, expected: int | None) -> None:
    assert number_of("{pool}-{number:03d}", "web", name) == expected


def test_a_new_instance_gets_the_number_of_its_name_or_the_lowest_free(world: World) -> None:
    world.add_instance(1)
    for name, number in (("web-005", 5), ("db", 2), ("web-002", 2)):
        todo = plan(world, name, pool="web", master="noble")
        assert todo is not None
        (create,) = todo.actions
        assert (create.name, getattr(create, "number", None)) == (name, number)


def interrupted(world: World, vm: str, *, made: bool, finished: bool) -> None:
    """As a rebuild leaves an instance that was killed while it was halted: with a new overlay, finished or not."""
    world._power(vm, "Halted")
    record = world.records["VM"][vm]
    label = {f"skinnybox:{name}": value for name, value in world.labels(vm).items()}
    record["other_config"] |= {"skinnybox:rebuilding": label["skinnybox:master_id"], "skinnybox:restarting": "true"}
    if made:
        old = next(r for r in world.records["VDI"].values() if r["name_label"] == "web-001 overlay")
        common = {k.removeprefix("skinnybox:"): v for k, v in old["other_config"].items()}
        common = {k: v for k, v in common.items() if k not in ("kind", "uuid")} | {"replaces": old["uuid"]}
        new = world.add_disk("web-001 overlay", other_config=other_config(Kind.OVERLAY, **common))
        if finished:
            world.own("VDI", new)


@pytest.mark.parametrize(("made", "finished"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("power", ["running", "unmanaged", "halted"])
def test_an_interrupted_rebuild_is_done_again(world: World, made: bool, finished: bool, power: str) -> None:
    vm = world.add_instance(1)
    interrupted(world, vm, made=made, finished=finished)
    first = plan_vm_pool(declaration(power_state=power), world.model(), "london")
    texts = [action.text() for action in first.actions]
    assert ("unfinished or replaced disks" in texts[0]) is made
    assert texts[-1].startswith("its rebuilding was interrupted: fresh overlay 1 GiB on Local SSD")
    assert texts[-1].endswith(", started") is (power != "halted")
    world.carry_out(first)
    assert plan_vm_pool(declaration(power_state=power), world.model(), "london").actions == ()
    overlays = [r for r in world.records["VDI"].values() if r["other_config"].get("skinnybox:kind") == "overlay"]
    assert len(overlays) == 1


def test_what_was_begun_is_to_be_finished_first(world: World) -> None:
    vm = world.add_instance(1)
    interrupted(world, vm, made=False, finished=False)
    for state in ("present", "started", "restarted"):
        with pytest.raises(Refused, match="its rebuilding was interrupted"):
            plan(world, state=state)
    assert lines(world, state="rebuilt")[0].startswith("~ rebuilt: ")
    world.records["VM"][vm]["other_config"]["skinnybox:removing"] = "true"
    with pytest.raises(Refused, match="its removal was interrupted"):
        plan(world)
    assert lines(world, state="absent") == ["- declared absent; its overlay is deleted"]


def test_a_disk_that_was_replaced_is_neither_an_overlay_nor_an_orphan(world: World) -> None:
    vm = world.add_instance(1)
    interrupted(world, vm, made=True, finished=True)
    (instance,) = [action.instance for action in plan_vm_pool(declaration(), world.model(), "london").actions[1:]]
    assert instance.overlay is not None
    assert instance.overlay.labels["replaces"] == instance.superseded[0].uuid
    world.remove("VM", vm)
    todo = plan_vm_pool(declaration(), world.model(), "london")
    assert sorted(type(action).__name__ for action in todo.actions) == ["Create", "Tidy"]
