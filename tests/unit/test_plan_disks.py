# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data disks, overlays that are reset at boot, and overlays that outlive their VM, in plans."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances, orphans
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import Create, VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.data_disks import free_positions
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.text import plan_lines
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_absence, plan_vm_pool
from tests.support.model import GIB, World, declaration

DISKS = [{"name": "logs", "size": "2 GiB"}, {"name": "db", "size": "4 GiB"}]
KEEP = {"overlays": "keep"}


@pytest.fixture
def world() -> World:
    world = World()
    world.add_master()
    return world


def plan(world: World, **options: Any) -> VmPoolPlan:
    return plan_vm_pool(declaration(**options), world.model(), "london")


def carry_out(world: World, **options: Any) -> VmPoolPlan:
    todo = plan(world, **options)
    world.carry_out(todo)
    return todo


def owned_disks(world: World) -> list[str]:
    model = world.model()
    return sorted(d.name for d in model.disks.values() if d.labels["instance"])


def test_data_disks_are_made_in_their_order_and_counted_on_their_srs(world: World) -> None:
    big = world.add_sr("Big")
    todo = plan(world, disks=[DISKS[0], {**DISKS[1], "sr": "Big"}])
    assert plan_lines(todo)[1:] == [
        "  + web-001  on xen1, overlay 1 GiB on Local SSD, disk logs 2 GiB, disk db 4 GiB",
        "Plan: 1 to create, 0 to change, 0 to remove. Disk: 36 MiB now, 7 GiB at most "
        "(Big: 2 MiB, 4 GiB; Local SSD: 34 MiB, 3 GiB).",
    ]
    (create,) = todo.actions
    assert isinstance(create, Create)
    assert [(disk.position, create.sr_of(disk).ref) for disk in create.disks] == [("4", world.sr), ("5", big)]
    world.carry_out(todo)
    assert [disk.labels["disk"] for disk in instances(world.model())[0].data_disks] == ["db", "logs"]


def test_data_disks_that_were_detached_come_back_to_their_place(world: World) -> None:
    vm = world.add_instance(1, power_state="Halted")
    world.add_data_disk(vm, "logs", "5")
    vbd = next(ref for ref, record in world.records["VBD"].items() if record["userdevice"] == "5")
    disk = world.records["VBD"].pop(vbd)["VDI"]
    world.records["VDI"][disk]["VBDs"] = []
    todo = carry_out(world)
    assert plan_lines(todo)[1] == "  ~ web-001  lost its attachment of disk logs: given back and started on xen1"
    assert {r["userdevice"] for r in world.records["VBD"].values() if r["VDI"] == disk} == {"5"}


@pytest.mark.parametrize(
    ("type_", "plugged", "options", "sentence"),
    [
        (
            "zfs",
            True,
            {"overlay": {"sr": "Other", "on_boot": "reset"}},
            r"overlay.on_boot: SR 'Other' \(.*\) of type zfs",
        ),
        ("ext", False, {"disks": [{**DISKS[0], "sr": "Other"}]}, "SR 'Other' .* is attached to no host"),
        ("ext", True, {"disks": [{**DISKS[0], "sr": "Another"}]}, "There is no SR 'Another'"),
        ("ext", True, {"disks": [{**DISKS[0], "size": "600 GiB", "sr": "Thick"}]}, "SR 'Thick' .* has 500 GiB free"),
        (
            "ext",
            True,
            {"disks": [{**DISKS[0], "sr": "Far"}]},
            r"web-001: no host can run it: xen1 \(.*\) does not see SR 'Far' \(.*\); "
            r"xen2 \(.*\) does not see SR 'Local SSD' \(",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    world: World, type_: str, plugged: bool, options: dict[str, Any], sentence: str
) -> None:
    world.add_sr("Other", type_=type_, plugged=plugged)
    world.add_sr("Thick", type_="lvm")
    far = world.add_sr("Far", plugged=False)
    world.add("PBD", SR=far, host=world.add_host("xen2"), currently_attached=True)
    with pytest.raises(Refused, match=sentence):
        plan(world, **options)


def test_scale_in_may_keep_overlays_and_scale_out_uses_them_again(world: World) -> None:
    carry_out(world, size=3, disks=DISKS, swap="64 MiB")
    before = {i.name: i for i in instances(world.model())}
    todo = carry_out(world, size=1, disks=DISKS, swap="64 MiB", scale_in=KEEP)
    assert plan_lines(todo)[1] == "  - web-002  1 declared, newest first; its overlay is kept"
    assert owned_disks(world) == [
        *(f"web-001 {what}" for what in ("db", "logs", "overlay", "swap")),
        *(f"web-002 {what}" for what in ("db", "logs", "overlay")),
        *(f"web-003 {what}" for what in ("db", "logs", "overlay")),
    ]
    assert plan(world, size=1, disks=DISKS, swap="64 MiB").actions == ()  # nobody is frightened of it
    todo = carry_out(world, size=2, disks=DISKS, swap="64 MiB")
    kept = before["web-002"].overlay
    assert kept
    assert plan_lines(todo)[1] == f"  + web-002  on xen1, made anew with its kept overlay {kept.uuid}"
    after = {i.name: i for i in instances(world.model())}["web-002"]
    assert (after.uuid, after.overlay and after.overlay.uuid) == (before["web-002"].uuid, kept.uuid)
    assert [d.uuid for d in after.data_disks] == [d.uuid for d in before["web-002"].data_disks]
    assert [disk.labels["number"] for disk in orphans(world.model())] == ["3"]
    assert plan(world, size=2, disks=DISKS, swap="64 MiB").actions == ()


def test_a_new_disk_goes_beside_those_that_were_kept(world: World) -> None:
    carry_out(world, size=2, disks=DISKS[1:])
    carry_out(world, size=1, disks=DISKS[1:], scale_in=KEEP)
    create = plan(world, size=2, disks=DISKS).actions[-1]
    assert isinstance(create, Create)
    assert [(disk.name, disk.position) for disk in create.disks] == [("logs", "5")]
    assert [disk.labels["position"] for disk in create.kept_disks] == ["4"]
    assert free_positions({"4", "6", ""}, 3) == ["5", "7", "8"]


def test_an_interrupted_removal_keeps_what_it_was_to_keep(world: World) -> None:
    for number, value in ((1, "keep"), (2, "true")):
        vm = world.add_instance(number)
        world.records["VM"][vm]["other_config"]["skinnybox:removing"] = value
    todo = plan(world)
    assert plan_lines(todo)[1:3] == [
        "  - web-001  its removal was interrupted; its overlay is kept",
        "  - web-002  its removal was interrupted; its overlay is deleted",
    ]


def test_a_kept_overlay_whose_master_is_gone_is_named_only_when_it_is_wanted(world: World) -> None:
    carry_out(world, size=2)
    carry_out(world, size=1, scale_in=KEEP)
    (kept,) = orphans(world.model())
    world.records["VDI"][kept.ref]["other_config"]["skinnybox:master_id"] = "gone"
    assert plan(world, size=1).actions == ()
    todo = plan(world, size=2)
    assert [action.name for action in todo.changes] == ["web-003"]
    assert todo.warnings == (f"web-002: its kept overlay {kept.uuid} cannot be used: master image noble:1 is gone",)


def test_what_a_killed_run_took_from_the_kept_disks_is_labelled_so(world: World) -> None:
    carry_out(world, size=1, disks=DISKS[:1])
    for record in world.records["VDI"].values():
        if record["other_config"].get("skinnybox:kind") == "overlay":
            record["other_config"]["skinnybox:kept"] = "1767225600"
        elif record["other_config"].get("skinnybox:kind") == "data":
            record["other_config"]["skinnybox:vm"] = "that is gone"
    todo = carry_out(world, size=1, disks=DISKS[:1])
    assert plan_lines(todo)[1] == "  ~ web-001  overlay noted as its own, disk logs noted as its own, live"
    assert plan(world, size=1, disks=DISKS[:1]).actions == ()


def test_absence_deletes_kept_overlays_with_all_that_belongs_to_them(world: World) -> None:
    carry_out(world, size=2, disks=DISKS)
    carry_out(world, size=1, disks=DISKS, scale_in=KEEP)
    (kept,) = orphans(world.model())
    todo = plan_absence("web", world.model(), "london")
    assert plan_lines(todo)[2] == f"  - web-002  kept overlay {kept.uuid} is deleted"
    world.carry_out(todo)
    assert owned_disks(world) == []


def test_the_overlay_of_an_ephemeral_pool_is_reset_at_boot(world: World) -> None:
    carry_out(world, overlay={"on_boot": "reset"})
    (instance,) = instances(world.model())
    assert instance.overlay and instance.overlay.on_boot == "reset"
    assert instance.overlay.size == GIB
    assert plan(world, overlay={"on_boot": "reset"}).actions == ()
