# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Standing
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import (
    Action,
    Attention,
    Create,
    Reattach,
    Remove,
    RemoveOverlay,
    Start,
    Stop,
    Tidy,
    VmPoolPlan,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.text import plan_lines
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import (
    plan_absence,
    plan_removal,
    plan_vm_pool,
)
from tests.support.model import GIB, World, declaration


def plan(world: World, **options: Any) -> VmPoolPlan:
    return plan_vm_pool(declaration(**options), world.model(), "london")


def kinds(todo: VmPoolPlan) -> list[tuple[str, str]]:
    return [(type(action).__name__, action.name) for action in todo.actions]


@pytest.fixture
def world() -> World:
    world = World()
    world.add_master()
    return world


def test_a_new_pool(world: World) -> None:
    todo = plan(world, size=2)
    assert kinds(todo) == [("Create", "web-001"), ("Create", "web-002")]
    assert plan_lines(todo) == [
        "london / web: 0 of 2 instances, master noble:1",
        "  + web-001  on xen1, overlay 1 GiB on Local SSD",
        "  + web-002  on xen1, overlay 1 GiB on Local SSD",
        "Plan: 2 to create, 0 to change, 0 to remove. Disk: 64 MiB now, 2 GiB at most.",
    ]


def test_nothing_to_do(world: World) -> None:
    world.add_instance(1)
    assert plan_lines(plan(world))[-1] == "Plan: nothing to do."


def test_scale_in_takes_the_highest_numbers(world: World) -> None:
    for number in (1, 3, 5, 9):
        world.add_instance(number)
    assert kinds(plan(world, size=2)) == [("Remove", "web-005"), ("Remove", "web-009")]


def test_scale_out_takes_the_lowest_free_numbers(world: World) -> None:
    for number in (1, 3, 5):
        world.add_instance(number)
    assert kinds(plan(world, size=6)) == [("Create", "web-002"), ("Create", "web-004"), ("Create", "web-006")]


def test_instances_keep_their_version_when_another_is_promoted(world: World) -> None:
    world.add_instance(1)
    second = world.add_master(number=2, promoted=200)
    todo = plan(world, size=2)
    kept, create = todo.actions
    assert isinstance(create, Create)
    assert (create.name, create.master.blueprint.ref) == ("web-002", second)
    assert (kept.sign, kept.text()) == (
        "!",
        "runs on noble:1, declared is noble:2: upgrade it with playbook upgrade",
    )


@pytest.mark.parametrize(
    ("state", "wish", "expected"),
    [
        ("Halted", "running", Start),
        ("Halted", "halted", None),
        ("Halted", "unmanaged", None),
        ("Running", "running", None),
        ("Running", "halted", Stop),
        ("Running", "unmanaged", None),
        ("Suspended", "running", Attention),
        ("Paused", "halted", Attention),
        ("Suspended", "unmanaged", None),
    ],
)
def test_power_states(world: World, state: str, wish: str, expected: type[Action] | None) -> None:
    world.add_instance(1, power_state=state)
    assert [type(a) for a in plan(world, power_state=wish).actions] == ([expected] if expected else [])


@pytest.mark.parametrize(("position", "lost"), [("0", "root"), ("1", "overlay"), ("2", "swap"), ("3", "boot")])
def test_lost_attachments_are_given_back_to_halted_instances(world: World, position: str, lost: str) -> None:
    vm = world.add_instance(1, swap=True, power_state="Halted")
    vbds = world.records["VBD"]
    vbd = next(ref for ref, r in vbds.items() if r["VM"] == vm and r["userdevice"] == position)
    del vbds[vbd]
    (action,) = plan(world, swap="1 GiB").actions
    assert isinstance(action, Reattach)
    assert [what for what in ("root", "boot", "overlay", "swap") if getattr(action, what)] == [lost]
    assert action.start
    assert action.text() == f"lost its {lost} attachment: given back and started on xen1"


def test_a_lost_nic_comes_back_with_its_mac(world: World) -> None:
    vm = world.add_instance(1, power_state="Halted")
    world.records["VIF"].clear()
    (action,) = plan(world, power_state="halted").actions
    assert isinstance(action, Reattach)
    assert [(nic.device, nic.mac) for nic in action.nics] == [(0, "0a:00:00:00:00:01")]
    assert not action.start
    assert vm


def test_a_missing_overlay_needs_a_person(world: World) -> None:
    world.add_instance(1)
    overlay = next(ref for ref, r in world.records["VDI"].items() if r["name_label"] == "web-001 overlay")
    world.remove("VDI", overlay)
    todo = plan(world)
    assert kinds(todo) == [("Attention", "web-001")]
    assert todo.changes == ()
    assert todo.warnings == ("web-001: overlay disk is missing: `demolish` it and `apply`, or attach it again",)
    assert plan_lines(todo)[-1].endswith("1 needs you.")


def test_a_halted_instance_without_its_master_needs_a_person(world: World) -> None:
    world.add_instance(1, power_state="Halted")
    world.remove("VDI", next(iter(world.records["VDI"])))
    world.add_master(number=2, promoted=200)
    todo = plan(world)
    assert kinds(todo) == [("Attention", "web-001")]
    assert "noble:1 is gone" in todo.warnings[0]


def test_a_vm_deleted_by_hand_is_made_anew_around_its_overlay_on_its_own_version(world: World) -> None:
    vm = world.add_instance(2, addresses="")
    overlay = next(ref for ref, r in world.records["VDI"].items() if r["name_label"] == "web-002 overlay")
    world.add_master(number=2, promoted=200)
    world.remove("VM", vm)
    todo = plan(world, size=1)
    (create,) = todo.actions
    assert isinstance(create, Create)
    assert create.kept_overlay
    assert (create.name, create.kept_overlay.ref, create.master.number) == ("web-002", overlay, 1)
    assert "Disk:" not in plan_lines(todo)[-1]


def test_an_overlay_without_vm_that_no_place_is_for_is_kept(world: World) -> None:
    world.remove("VM", world.add_instance(2))
    world.add_instance(1)
    todo = plan(world, size=1)
    assert kinds(todo) == [("Attention", "web-002")]
    assert kinds(plan_absence("web", world.model(), "london")) == [("Remove", "web-001"), ("RemoveOverlay", "web-002")]


def test_an_interrupted_removal_is_finished_and_its_number_not_yet_free(world: World) -> None:
    vm = world.add_instance(1)
    world.records["VM"][vm]["other_config"]["skinnybox:removing"] = "true"
    todo = plan(world, size=1)
    assert kinds(todo) == [("Remove", "web-001"), ("Create", "web-002")]


def test_leftovers_go_first_and_their_name_is_free(world: World) -> None:
    world.add_instance(1, finished=False, power_state="Halted")
    todo = plan(world, size=1)
    assert kinds(todo) == [("Tidy", "web-001 [skinnybox: unfinished, pool web]"), ("Create", "web-001")] or kinds(
        todo
    ) == [
        ("Tidy", "web-001"),
        ("Create", "web-001"),
    ]


def test_a_leftover_that_has_its_final_name_already_is_no_foreign_vm(world: World) -> None:
    vm = world.add_instance(1, finished=False, power_state="Halted")
    world.records["VM"][vm]["name_label"] = "web-001"
    assert kinds(plan(world, size=1)) == [("Tidy", "web-001"), ("Create", "web-001")]


def test_single_instances_are_removed_by_name(world: World) -> None:
    world.add_instance(1)
    world.add_instance(2)
    todo = plan_removal("web", ["web-002", "web-099"], world.model(), "london")
    assert kinds(todo) == [("Remove", "web-002")]


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("unknown master", {"master": "jammy"}, "Master image 'jammy' is not published in host pool 'london'"),
    ("unknown version", {"master": "noble:9"}, "Master image noble:9 does not exist. There are: noble:1."),
    (
        "unknown SR",
        {"overlay": {"sr": "SSD 9"}},
        "There is no SR 'SSD 9' in the host pool. There are: 'Cold', 'Local SSD', 'Small'",
    ),
    ("ISO SR", {"overlay": {"sr": "ISOs"}}, "SR 'ISOs' ("),
    ("unplugged SR", {"overlay": {"sr": "Cold"}}, "SR 'Cold' ("),
    ("duplicate SR", {"overlay": {"sr": "Twin"}}, "2 objects of kind SR are called 'Twin'; give the uuid of one: "),
    (
        "small SR",
        {"size": 9, "overlay": {"sr": "Small"}},
        "has 256 MiB free, 288 MiB are needed for the disks of 9 new",
    ),
    ("small SR, swap", {"size": 8, "swap": "1 GiB", "overlay": {"sr": "Small"}}, "are needed for the disks of 8 new"),
    ("unknown network", {"networks": [{"network": "DMZ"}]}, "There is no network 'DMZ' in the host pool."),
    ("one network too many", {"networks": [{}, {}]}, "networks[1]: name a network; the golden VM had only 1."),
    ("foreign VM", {"name": "db"}, "VM pool 'db': there is already a VM called 'db-001' ("),
    (
        "address in use",
        {"networks": [{"ipv4": {"addresses": ["10.0.4.7/24"]}}], "name": "app"},
        "app-001: address 10.0.4.7 is used by old-001 (",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_what_cannot_be_is_refused_with_the_object(world: World, options: dict[str, Any], sentence: str) -> None:
    world.add_sr("ISOs", type_="iso", content="iso")
    world.add_sr("Cold", plugged=False)
    world.add_sr("Twin")
    world.add_sr("Twin")
    world.add_sr("Small", size=256 << 20)
    world.add_vm("db-001")
    world.add_instance(1, pool="old", addresses="10.0.4.7/24")
    with pytest.raises(Refused) as caught:
        plan(world, **options)
    assert sentence in str(caught.value)


def test_a_twin_is_found_by_uuid(world: World) -> None:
    world.add_sr("Twin")
    twin = world.add_sr("Twin")
    (create,) = plan(world, overlay={"sr": world.uuid_of("SR", twin)}).actions
    assert isinstance(create, Create)
    assert create.overlay_sr.ref == twin


def test_thick_srs_pay_for_overlays_at_once(world: World) -> None:
    world.add_sr("LVM", type_="lvm", size=10 * GIB)
    (create,) = plan(world, overlay={"sr": "LVM"}).actions
    assert isinstance(create, Create)
    (space,) = create.space()
    assert GIB < space.now == space.at_most < GIB + 16 * (1 << 20)


def test_a_range_that_higher_numbers_outgrow(world: World) -> None:
    world.remove("VM", world.add_instance(1))
    for version in [ref for ref, r in world.records["VM"].items() if r["is_a_template"]]:
        world.remove("VM", version)
    world.add_master(number=2, promoted=200)
    with pytest.raises(Refused, match="has no address for instance number 2; make the range longer"):
        plan(world, networks=[{"ipv4": {"addresses": ["10.0.4.7/24"]}}])


# Properties ---------------------------------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A host pool in any state that people and killed runs may leave."""
    world = World()
    first = world.add_master()
    second = world.add_master(number=2, promoted=draw(st.sampled_from([None, 50, 200])))
    for number in sorted(draw(st.sets(st.integers(1, 7), max_size=5))):
        kind = draw(
            st.sampled_from(["fine", "halted", "unfinished", "removing", "deleted", "copied", "detached", "blind"])
        )
        vm = world.add_instance(
            number,
            blueprint=draw(st.sampled_from([first, second])),
            power_state="Halted" if kind in ("halted", "unfinished", "detached") else "Running",
            swap=draw(st.booleans()),
            finished=kind != "unfinished",
        )
        _disturb(world, vm, kind)
    world.add_instance(1, pool="other")
    for _ in range(draw(st.integers(0, 2))):
        world.copy("VM", draw(st.sampled_from(sorted(world.records["VM"]))), draw(st.sampled_from(["mine", "web-00x"])))
        world.copy("VDI", draw(st.sampled_from(sorted(world.records["VDI"]))), "mine")
    world.add_vm("a VM that has nothing to do with it")
    world.add_disk("a disk that has nothing to do with it")
    return world


def _disturb(world: World, vm: str, kind: str) -> None:
    own_disks = [r["VDI"] for r in world.records["VBD"].values() if r["VM"] == vm and r["mode"] == "RW"]
    if kind == "removing":
        world.records["VM"][vm]["other_config"]["skinnybox:removing"] = "true"
    elif kind == "deleted":
        world.remove("VM", vm)
    elif kind == "copied":
        world.copy("VM", vm, "mine")
    elif kind == "detached":
        for vbd in [ref for ref, r in world.records["VBD"].items() if r["VM"] == vm]:
            del world.records["VBD"][vbd]
        world.records["VIF"] = {ref: r for ref, r in world.records["VIF"].items() if r["VM"] != vm}
    elif kind == "blind":
        world.remove("VDI", own_disks[0])


SIZES = st.integers(1, 8)
POWER = st.sampled_from(["running", "halted", "unmanaged"])


@settings(max_examples=150, deadline=None)
@given(worlds(), SIZES, POWER, st.booleans())
def test_a_plan_carried_out_leaves_nothing_to_do(world: World, size: int, power: str, swap: bool) -> None:
    options = {"size": size, "power_state": power, "swap": "512 MiB" if swap else None}
    world.carry_out(plan(world, **options))
    # A detached instance that is given its disks back, or one that was deleted, counts from now on.
    again = plan(world, **options)
    assert again.changes == ()
    assert again.present >= size


@settings(max_examples=150, deadline=None)
@given(worlds(), SIZES)
def test_numbers(world: World, size: int) -> None:
    """Below size nobody goes, above it the newest; new ones get the lowest numbers that no overlay holds."""
    model = world.model()
    todo = plan(world, size=size)
    removed = [a.instance for a in todo.actions if isinstance(a, Remove)]
    surplus = [i for i in removed if not i.is_being_removed]
    assert len(surplus) == max(0, todo.present - size)
    kept = [
        int(vm.labels["number"])
        for vm in model.vms.values()
        if vm.labels["pool"] == "web" and vm.standing is Standing.OWNED and vm.ref not in [i.vm.ref for i in removed]
    ]
    assert all(instance.number > number for instance in surplus for number in kept)
    fresh = [a.number for a in todo.actions if isinstance(a, Create) and a.kept_overlay is None]
    overlays = {
        int(d.labels["number"])
        for d in model.disks.values()
        if d.labels["pool"] == "web" and d.labels.kind == "overlay" and d.standing is Standing.OWNED
    }
    unfinished = {
        int(d.labels["number"])
        for a in todo.actions
        if isinstance(a, Tidy)
        for d in a.leftover.disks
        if d.labels.kind == "overlay"
    }
    taken = set(kept) | (overlays - unfinished) | {i.number for i in removed}
    lowest = (number for number in range(1, 100) if number not in taken)
    assert fresh == [next(lowest) for _ in fresh]


def objects_of(action: Action) -> set[str]:
    """References of the VMs and disks that an action writes to."""
    if isinstance(action, Create):
        return {action.kept_overlay.ref} if action.kept_overlay else set()
    if isinstance(action, Tidy):
        return {d.ref for d in action.leftover.disks} | ({action.leftover.vm.ref} if action.leftover.vm else set())
    if isinstance(action, RemoveOverlay):
        return {action.disk.ref}
    if isinstance(action, Remove):
        return {action.instance.vm.ref, *(d.ref for d in action.instance.disks)}
    if isinstance(action, (Start, Stop, Reattach)):
        return {action.instance.vm.ref}
    return set()


@settings(max_examples=150, deadline=None)
@given(worlds(), SIZES, st.booleans())
def test_only_what_is_ours_and_of_this_pool_is_ever_touched(world: World, size: int, absent: bool) -> None:
    model = world.model()
    todo = plan_absence("web", model, "london") if absent else plan(world, size=size)
    touched = set().union(*(objects_of(action) for action in todo.actions))
    for thing in [*model.vms.values(), *model.disks.values()]:
        if thing.ref in touched:
            assert thing.labels["pool"] == "web"
            assert thing.labels.kind in ("instance", "overlay", "swap")
            assert thing.standing is not Standing.FOREIGN


@settings(max_examples=100, deadline=None)
@given(worlds(), SIZES, st.integers(0, 1 << 30))
def test_the_order_of_records_does_not_matter(world: World, size: int, seed: int) -> None:
    shuffled = plan_vm_pool(declaration(size=size), world.model(random.Random(seed)), "london")
    straight = plan(world, size=size)
    assert shuffled.as_data() == straight.as_data()


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_absence_leaves_nothing_of_the_pool_and_everything_else(world: World) -> None:
    others = {
        ref
        for name in ("VM", "VDI")
        for ref, r in world.records[name].items()
        if r["other_config"].get("skinnybox:pool") != "web"
    }
    world.carry_out(plan_absence("web", world.model(), "london"))
    assert plan_absence("web", world.model(), "london").actions == ()
    assert others <= set(world.records["VM"]) | set(world.records["VDI"])
