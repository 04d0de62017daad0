# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for one overlay disk: what is done in which state of its instance, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Kind, other_config
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.overlay_disk import (
    parse_overlay_disk,
    plan_overlay_disk,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.text import plan_lines
from tests.support.model import GIB, World

RUNNING, HALTED = "Running", "Halted"


def plan(world: World, state: str = "present", instance: str = "web-001", **options: Any) -> VmPoolPlan:
    wish = parse_overlay_disk({"instance": instance, "state": state, **options})
    todo = plan_overlay_disk(wish, world.model(), "london")
    return todo or VmPoolPlan("london", "", 0, None, None)


def lines(todo: VmPoolPlan) -> list[str]:
    return [line.strip() for line in plan_lines(todo)[1:-1]]


def overlay_of(world: World, vm: str) -> dict[str, Any]:
    uuid = world.uuid_of("VM", vm)
    (found,) = [
        record
        for record in world.records["VDI"].values()
        if record["other_config"].get("skinnybox:vm") == uuid and record["other_config"]["skinnybox:kind"] == "overlay"
    ]
    return found


def add_snapshot(world: World, vm: str, name: str, moment: str) -> str:
    labels = {key.removeprefix("skinnybox:"): value for key, value in overlay_of(world, vm)["other_config"].items()}
    common = {key: labels[key] for key in ("pool", "name", "number", "instance", "vm", "master_id")}
    config = other_config(Kind.SNAPSHOT, **common, snapshot=name)
    ref = world.add_disk(f"web-001 snapshot {name}", is_a_snapshot=True, snapshot_time=moment, other_config=config)
    world.own("VDI", ref)
    return ref


@pytest.fixture
def world() -> World:
    world = World()
    world.add_master()
    return world


@pytest.mark.parametrize(
    ("power_state", "state", "options", "expected"),
    [
        (RUNNING, "present", {}, []),
        (RUNNING, "present", {"size": "1 GiB"}, []),
        (RUNNING, "present", {"size": "512 MiB"}, []),
        (HALTED, "present", {"size": "4 GiB"}, ["~ web-001  overlay 1 GiB -> 4 GiB"]),
        (RUNNING, "present", {"size": "4 GiB", "allow_restart": True}, ["~ web-001  overlay 1 GiB -> 4 GiB, restart"]),
        (HALTED, "reset", {}, ["~ web-001  overlay made anew, its identity kept"]),
        (RUNNING, "reset", {"allow_restart": True}, ["~ web-001  overlay made anew, its identity kept, restart"]),
        (RUNNING, "snapshot", {"snapshot": "third"}, ["~ web-001  snapshot third of its overlay is taken"]),
        (RUNNING, "snapshot", {"snapshot": "first"}, []),
        (HALTED, "reverted", {}, ["~ web-001  overlay reverted to snapshot second"]),
        (HALTED, "reverted", {"snapshot": "first"}, ["~ web-001  overlay reverted to snapshot first"]),
        (RUNNING, "detached", {}, ["- web-001  detached; its overlay is kept"]),
        (HALTED, "absent", {}, ["~ web-001  overlay deleted with 2 snapshots"]),
        (RUNNING, "absent", {"force": True}, ["~ web-001  overlay deleted with 2 snapshots, shut down"]),
        (RUNNING, "absent", {"snapshot": "first"}, ["- web-001  snapshot first of its overlay is deleted"]),
        (RUNNING, "absent", {"snapshot": "third"}, []),
    ],
)
def test_an_overlay_with_its_instance(
    world: World, power_state: str, state: str, options: dict[str, Any], expected: list[str]
) -> None:
    vm = world.add_instance(1, power_state=power_state)
    add_snapshot(world, vm, "second", "20260202T00:00:00Z")
    add_snapshot(world, vm, "first", "20260101T00:00:00Z")
    assert lines(plan(world, state, **options)) == expected


@pytest.mark.parametrize(
    ("power_state", "state", "options", "sentence"),
    [
        (RUNNING, "present", {"size": "4 GiB"}, r"web-001 \(VM .*\) runs and needs a restart: .* allow_restart"),
        (RUNNING, "reset", {}, "needs a restart"),
        (RUNNING, "reverted", {"snapshot": "first"}, "needs a restart"),
        (RUNNING, "absent", {}, "runs: shut it down first, or use force"),
        (RUNNING, "absent", {"allow_restart": True}, "runs: shut it down first, or use force"),
        ("Suspended", "reset", {"allow_restart": True}, "is suspended: resume or shut it down yourself"),
        ("Paused", "absent", {"force": True}, "is paused"),
        (HALTED, "reverted", {"snapshot": "none"}, "there is no snapshot 'none' of its overlay. There are: first."),
        (HALTED, "present", {"size": "1000 GiB"}, None),
        (HALTED, "present", {"instance": "web-002"}, r"There is no instance 'web-002' in host pool 'london' \("),
        (HALTED, "present", {"pool": "db"}, "There is no instance 'web-001' in VM pool 'db'"),
    ],
)
def test_what_is_refused(
    world: World, power_state: str, state: str, options: dict[str, Any], sentence: str | None
) -> None:
    vm = world.add_instance(1, power_state=power_state)
    add_snapshot(world, vm, "first", "20260101T00:00:00Z")
    if sentence is None:  # an empty block takes no space on a thin SR
        assert plan(world, state, **options).changes
        world.records["SR"][world.sr]["type"] = "lvm"
        sentence = r"web-001: SR 'Local SSD' \(.*\) has 500 GiB free, 1001.* are needed"
    with pytest.raises(Refused, match=sentence):
        plan(world, state, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"state": "reset", "size": "1 GiB"}, "size: it goes with state present, not with reset"),
        ({"state": "present", "size": "1 MiB"}, "size: 1 MiB is too small; at least 64 MiB"),
        ({"state": "snapshot"}, "state snapshot needs a name"),
        ({"state": "reset", "snapshot": "x"}, "it goes with states snapshot, reverted and absent, not with reset"),
        ({"state": "snapshot", "snapshot": "a b"}, "'a b' is no name of a snapshot"),
        ({"state": "snapshot", "snapshot": "x" * 64}, "is no name of a snapshot"),
    ],
)
def test_options_that_are_wrong_in_themselves(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        parse_overlay_disk({"instance": "web-001", **options})


def test_an_ephemeral_overlay_and_a_poor_sr_give_no_snapshots(world: World) -> None:
    overlay = overlay_of(world, world.add_instance(1))
    overlay["on_boot"] = "reset"
    with pytest.raises(Refused, match="is reset at each boot, so XAPI takes no snapshot of it"):
        plan(world, "snapshot", snapshot="x")
    overlay["on_boot"] = "persist"
    world.records["SR"][world.sr]["type"] = "zfs"
    with pytest.raises(Refused, match=r"SR 'Local SSD' \(.*\) of type zfs cannot take snapshots"):
        plan(world, "snapshot", snapshot="x")


def test_a_chain_never_gets_too_long(world: World) -> None:
    overlay = overlay_of(world, world.add_instance(1))
    for length in range(1, 29):
        if length == 28:
            assert plan(world, "snapshot", snapshot="x").changes
        ref = world.add_disk("base copy", managed=False, sm_config=dict(overlay["sm_config"]))
        overlay["sm_config"] = {"vhd-parent": world.uuid_of("VDI", ref)}
    with pytest.raises(Refused, match="is the end of a chain of 29 images, 30 are the most"):
        plan(world, "snapshot", snapshot="x")


def test_overlays_without_a_vm(world: World) -> None:
    vm = world.add_instance(1)
    world.add_data_disk(vm, "logs")
    overlay = overlay_of(world, vm)
    overlay["other_config"]["skinnybox:kept"] = "1767225600"
    add_snapshot(world, vm, "first", "20260101T00:00:00Z")
    world.remove("VM", vm)
    assert lines(plan(world)) == lines(plan(world, "detached")) == []
    assert lines(plan(world, size="2 GiB")) == ["~ web-001  overlay without a VM 1 GiB -> 2 GiB"]
    gone = plan(world, "absent")
    assert lines(gone) == [f"- web-001  kept overlay {overlay['uuid']} is deleted"]
    assert len(gone.actions[0].objects()) == 3
    assert lines(plan(world, "absent", snapshot="first")) == ["- web-001  snapshot first of its overlay is deleted"]
    for state in ("reset", "reverted", "snapshot"):
        with pytest.raises(Refused, match=f"overlay {overlay['uuid']} has no VM. Raise the size of VM pool 'web'"):
            plan(world, state, snapshot=None if state == "reset" else "x")


def test_two_instances_of_one_name_and_one_without_overlay(world: World) -> None:
    first, second = world.add_instance(1), world.add_instance(1, pool="web-b")
    world.records["VM"][second]["other_config"]["skinnybox:name"] = "web-001"
    with pytest.raises(Refused, match=r"2 overlays belong to an instance called 'web-001': .* Give its pool"):
        plan(world, "detached")
    assert lines(plan(world, "detached", pool="web")) == ["- web-001  detached; its overlay is kept"]
    uuid = overlay_of(world, first)["uuid"]
    world.remove("VDI", next(ref for ref, record in world.records["VDI"].items() if record["uuid"] == uuid))
    assert plan(world, "absent", pool="web").actions == ()
    with pytest.raises(Refused, match="has lost its overlay disk"):
        plan(world, pool="web")


def test_an_instance_that_is_being_removed_is_left_to_that(world: World) -> None:
    vm = world.add_instance(1)
    config = world.records["VM"][vm]["other_config"]
    config["skinnybox:removing"] = "true"
    with pytest.raises(Refused, match="is being removed together with its overlay"):
        plan(world, "detached")
    with pytest.raises(Refused, match="its removal was interrupted"):
        plan(world, "reset", allow_restart=True)
    config["skinnybox:removing"] = "keep"
    assert lines(plan(world, "detached")) == ["- web-001  detached; its overlay is kept"]


def test_what_an_interrupted_snapshot_left_is_removed_first(world: World) -> None:
    vm = world.add_instance(1)
    overlay = overlay_of(world, vm)
    overlay["other_config"]["skinnybox:copying"] = "snapshot x"
    copied = world.add_disk("web-001 overlay", is_a_snapshot=True, other_config=dict(overlay["other_config"]))
    todo = plan(world, "snapshot", snapshot="x")
    assert [type(action).__name__ for action in todo.actions] == ["Tidy", "TakeSnapshot"]
    assert set(todo.actions[0].objects()) == {world.uuid_of("VDI", copied), overlay["uuid"]}
    world.remove("VDI", copied)
    assert [type(action).__name__ for action in plan(world, "present").actions] == ["Tidy"]
    del overlay["other_config"]["skinnybox:copying"]
    assert plan(world, "present").actions == ()
    assert overlay["virtual_size"] == str(GIB)


@pytest.mark.parametrize(
    ("state", "options", "expected"),
    [
        ("present", {}, ["~ web-001  its restart was interrupted: finished, started"]),
        ("present", {"size": "2 GiB"}, ["~ web-001  overlay 1 GiB -> 2 GiB, started"]),
        ("reset", {}, ["~ web-001  overlay made anew, its identity kept, started"]),
        ("absent", {}, ["~ web-001  overlay deleted"]),
    ],
)
def test_an_instance_whose_restart_was_interrupted_is_started(
    world: World, state: str, options: dict[str, Any], expected: list[str]
) -> None:
    vm = world.add_instance(1, power_state=HALTED)
    world.records["VM"][vm]["other_config"]["skinnybox:restarting"] = "true"
    assert lines(plan(world, state, **options)) == expected


def test_a_snapshot_of_before_an_upgrade_waits_for_the_rollback(world: World) -> None:
    vm = world.add_instance(1, power_state=HALTED)
    add_snapshot(world, vm, "first", "20260101T00:00:00Z")
    later = world.labels(world.add_master(number=2))["master_id"]
    overlay_of(world, vm)["other_config"]["skinnybox:master_id"] = later
    with pytest.raises(Refused, match=r"was taken on noble:1; the instance is on noble:2 now .* Roll it back first"):
        plan(world, "reverted")
