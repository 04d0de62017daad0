# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import Kind, other_config
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.masters import MasterVersion, master_versions
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.records import NULL
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan import master as plan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import Create, Reattach, Start
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.replicas import replica_srs, without_copy
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.spec import MasterName
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_vm_pool
from tests.support.model import GIB, World, declaration


@pytest.fixture
def world() -> World:
    return World()


def add_golden(
    world: World, name: str = "noble-golden", power_state: str = "Halted", disks: int = 2, **fields: Any
) -> str:
    vm = world.add_vm(name, power_state, **fields)
    for position in range(disks):
        world.attach(vm, world.add_disk(f"{name} {position}"), str(position))
    return vm


def test_a_golden_vm_is_found_by_name_and_by_uuid(world: World) -> None:
    vm = add_golden(world)
    for wanted in ("noble-golden", world.uuid_of("VM", vm)):
        assert plan.find_golden_vm(world.model(), wanted).ref == vm
    assert [d.name for d in plan.golden_disks(world.model(), world.model().vms[vm])] == [
        "noble-golden 0",
        "noble-golden 1",
    ]


def test_golden_vms_that_are_none(world: World) -> None:
    add_golden(world, "twin")
    add_golden(world, "twin")
    running = add_golden(world, "running", "Running")
    add_golden(world, "template", is_a_template=True)
    poor = add_golden(world, "poor", disks=1)
    world.add_master()
    world.add_instance(1)
    for wanted, sentence in (
        ("nobody", "There is no VM 'nobody' in host pool 'london'"),
        ("template", "There is no VM 'template'"),
        ("twin", "2 VMs are called 'twin'; give the uuid of the golden VM: "),
        ("running", f"Golden VM 'running' ({world.uuid_of('VM', running)}) is Running; seal it and shut it down"),
        ("web-001", "is an instance of VM pool 'web', no golden VM."),
    ):
        with pytest.raises(Refused) as caught:
            plan.find_golden_vm(world.model(), wanted)
        assert sentence in str(caught.value)
    with pytest.raises(Refused, match=r"has 1 disk\(s\); it needs its root disk and a small extra disk"):
        plan.golden_disks(world.model(), world.model().vms[poor])


def test_numbers_go_up_and_count_what_is_unfinished(world: World) -> None:
    assert plan.next_number(world.model(), "noble") == 1
    world.add_master(number=3)
    world.add_disk("left", other_config=other_config(Kind.ROOT, master="noble", version="4"))
    world.add_master("jammy", 9)
    assert plan.next_number(world.model(), "noble") == 5


def test_a_sealed_state_is_published_once(world: World) -> None:
    world.add_master()
    (version,) = master_versions(world.model())
    assert plan.published_from(world.model(), "noble", version.master_id) == version
    assert plan.published_from(world.model(), "noble", "another") is None
    with pytest.raises(
        Refused, match=r"is published already, as noble:1 .* Seal the golden VM again to publish it as 'web'"
    ):
        plan.published_from(world.model(), "web", version.master_id)


@pytest.mark.parametrize("wish", [None, True, False])
def test_only_the_first_version_is_promoted_unless_wished(world: World, wish: bool | None) -> None:
    assert plan.is_to_be_promoted(world.model(), "noble", None, wish) is (wish is not False)
    world.add_master(number=1)
    world.add_master(number=2, promoted=None)
    first, second = master_versions(world.model())
    assert plan.is_to_be_promoted(world.model(), "noble", first, wish) is False
    assert plan.is_to_be_promoted(world.model(), "noble", second, wish) is bool(wish)


def test_remains_are_what_is_unfinished_or_announced_and_nothing_that_anybody_uses(world: World) -> None:
    world.add_master()
    unfinished = world.add_master(number=2, finished=False)
    ours = world.add_disk("root", other_config=other_config(Kind.ROOT, master="noble", version="2"))
    announced = {"skinnybox:publishing": "noble 1767225600"}
    snapshot = world.add_disk("s", other_config=announced, snapshot_time="20260101T00:00:05Z")
    world.add_disk("early", other_config=announced, snapshot_time="20251231T00:00:00Z")
    world.add_disk("late", other_config=announced, snapshot_time="20260101T10:00:00Z")
    world.add_disk("golden itself", other_config=announced)
    world.add_disk(
        "other master", other_config={"skinnybox:publishing": "jammy 1767225600"}, snapshot_time="20260101T00:00:05Z"
    )
    attached = world.add_disk("attached", other_config=announced, snapshot_time="20260101T00:00:05Z")
    world.attach(world.add_vm("somebody"), attached, "0")
    for disk in list(world.records["VDI"]):
        if "noble:1" in world.records["VDI"][disk]["name_label"]:
            world.copy("VDI", disk, "a user's copy")
    remains = plan.remains(world.model(), "noble")
    assert [vm.ref for vm in remains.blueprints] == [unfinished]
    lost = {r["name_label"] for ref, r in world.records["VDI"].items() if ref in [d.ref for d in remains.disks]}
    assert lost == {"root", "s", "noble:2 root", "noble:2 boot CD"}
    assert ours in [d.ref for d in remains.disks]
    assert snapshot in [d.ref for d in remains.disks]
    assert len(plan.clearing_lines(world.model(), "noble")) == 5


def test_a_version_that_is_being_retired_is_no_version_but_remains(world: World) -> None:
    blueprint = world.add_master()
    world.records["VM"][blueprint]["other_config"]["skinnybox:retiring"] = "true"
    assert master_versions(world.model()) == []
    remains = plan.remains(world.model(), "noble")
    assert [vm.ref for vm in remains.blueprints] == [blueprint]
    assert len(remains.disks) == 2


@pytest.mark.parametrize("what", ["halted VM", "overlay whose VM is gone"])
def test_what_something_needs_is_no_remains_though_its_blueprint_was_deleted(world: World, what: str) -> None:
    blueprint = world.add_master()
    vm = world.add_instance(1, power_state="Halted")
    if what != "halted VM":
        world.remove("VM", vm)
    world.remove("VM", blueprint)
    assert not plan.remains(world.model(), "noble")
    world.remove("VDI", next(ref for ref, r in world.records["VDI"].items() if r["name_label"] == "web-001 overlay"))
    if what == "halted VM":
        world.remove("VM", vm)
    assert len(plan.remains(world.model(), "noble").disks) == 2


def retirable(world: World, number: int | None = 1) -> object:
    return plan.find_retirable(world.model(), MasterName("noble", number))


def test_an_unused_version_may_go_and_one_that_is_gone_needs_nothing(world: World) -> None:
    world.add_master()
    assert retirable(world)
    assert retirable(world, 7) is None
    with pytest.raises(Refused, match="Say which version"):
        retirable(world, None)


@pytest.mark.parametrize("power_state", ["Running", "Halted"])
@pytest.mark.parametrize("finished", [True, False])
def test_a_version_with_instances_stays(world: World, power_state: str, finished: bool) -> None:
    world.add_master()
    world.add_instance(1, power_state=power_state, finished=finished)
    with pytest.raises(Refused, match=r"noble:1 cannot be retired: 1 instance\(s\) use it: web-001"):
        retirable(world)


def test_a_version_stays_while_a_foreign_vm_or_a_lone_overlay_needs_it(world: World) -> None:
    world.add_master()
    root = next(iter(world.records["VDI"]))
    vm = world.add_vm("rescue")
    world.attach(vm, root, "5", "RO")
    with pytest.raises(Refused, match=r"disk 'noble:1 root' .* is attached to VM 'rescue'"):
        retirable(world)
    world.remove("VM", vm)
    world.remove("VM", world.add_instance(1))
    with pytest.raises(Refused, match=r"overlay 'web-001 overlay' .*, whose VM was deleted, is based on it"):
        retirable(world)


def test_keep_retires_old_unused_versions_that_are_not_promoted(world: World) -> None:
    for number in (1, 2, 3, 4):
        world.add_master(number=number, promoted=100 if number == 1 else None)
    blueprint = next(ref for ref, r in world.records["VM"].items() if r["name_label"] == "noble:2")
    world.add_instance(1, blueprint=blueprint)

    def surplus(keep: int | None, promotes: bool = False) -> list[str]:
        return [v.title for v in plan.superfluous(world.model(), "noble", keep, True, promotes, 5)]

    assert surplus(None) == []
    assert surplus(5) == []
    assert surplus(2) == ["noble:3"]
    assert surplus(1) == ["noble:3", "noble:4"]
    assert surplus(1, promotes=True) == ["noble:1", "noble:3", "noble:4"]


def test_the_newest_version_is_promoted_by_default(world: World) -> None:
    world.add_master(number=1)
    world.add_master(number=2, promoted=None)
    assert plan.find_version(world.model(), "noble", None).number == 2
    assert plan.find_version(world.model(), "noble", 1).number == 1
    with pytest.raises(Refused, match="noble:5 does not exist"):
        plan.find_version(world.model(), "noble", 5)
    with pytest.raises(Refused, match="'jammy' is not published"):
        plan.find_version(world.model(), "jammy", None)


def test_a_master_without_a_promoted_version(world: World) -> None:
    world.add_master(promoted=None)
    with pytest.raises(Refused, match=r"No version of master image 'noble' is promoted. Promote one of: noble:1"):
        plan.find_master(world.model(), MasterName("noble", None))


# Replicas -----------------------------------------------------------------------------------------------------


def test_a_version_is_one_with_its_replicas_and_survives_the_loss_of_its_first_copy(world: World) -> None:
    first = world.add_master()
    other = world.add_sr("SSD 2")
    replica = world.add_replica(first, other)
    (version,) = master_versions(world.model())
    assert (version.blueprint.ref, [copy.blueprint.ref for copy in version.replicas]) == (first, [replica])
    root = world.records["VM"][first]["other_config"]["skinnybox:root"]
    world.remove("VDI", next(ref for ref, record in world.records["VDI"].items() if record["uuid"] == root))
    (version,) = master_versions(world.model())
    assert (version.blueprint.ref, version.missing, version.promoted_at) == (replica, [], 100)
    assert plan.find_master(world.model(), MasterName("noble", None)).root
    world.remove("VM", first)
    (version,) = master_versions(world.model())
    assert (version.blueprint.ref, version.replicas) == (replica, ())


def test_what_is_left_of_a_replica_goes_though_the_version_is_in_use(world: World) -> None:
    first = world.add_master()
    world.add_instance(1)
    other = world.add_sr("SSD 2")
    unfinished = world.add_replica(first, other, finished=False)
    remains = plan.remains(world.model(), "noble")
    assert [vm.ref for vm in remains.blueprints] == [unfinished]
    assert sorted(disk.name for disk in remains.disks) == ["noble:1 on SSD 2 boot CD", "noble:1 on SSD 2 root"]
    world.own("VM", unfinished)
    assert not plan.remains(world.model(), "noble")


def test_disks_of_a_replica_whose_blueprint_was_deleted_stay_while_a_vm_has_them(world: World) -> None:
    first = world.add_master()
    replica = world.add_replica(first, world.add_sr("SSD 2"))
    vm = world.add_instance(1, blueprint=replica, power_state="Halted")
    world.remove("VM", replica)
    assert not plan.remains(world.model(), "noble")
    todo = plan_vm_pool(declaration(), world.model(), "london")
    assert [(type(action).__name__, action.name) for action in todo.actions] == [("Start", "web-001")]
    world.remove("VM", vm)
    assert len(plan.remains(world.model(), "noble").disks) == 2


def test_a_version_with_a_foreign_user_of_a_replica_stays(world: World) -> None:
    replica = world.add_replica(world.add_master(), world.add_sr("SSD 2"))
    root = next(ref for ref, r in world.records["VDI"].items() if r["name_label"] == "noble:1 on SSD 2 root")
    assert retirable(world)
    world.attach(world.add_vm("rescue"), root, "5", "RO")
    with pytest.raises(Refused, match=r"disk 'noble:1 on SSD 2 root' .* is attached to VM 'rescue'"):
        retirable(world)
    assert replica


def test_srs_that_lack_a_copy(world: World) -> None:
    first = world.add_master()
    ssd, small = world.add_sr("SSD 2"), world.add_sr("Small", type_="lvm", size=GIB)
    pool = world.model()
    (version,) = master_versions(pool)
    assert version.root
    assert version.boot
    disks = version.root, version.boot

    def lacking(*names: str, of: MasterVersion | None = version) -> list[str]:
        return [sr.name for sr in without_copy(pool, of, replica_srs(pool, names), *disks)]

    assert lacking() == lacking("Local SSD") == []
    assert lacking("Local SSD", "SSD 2", world.uuid_of("SR", ssd)) == ["SSD 2"]
    assert lacking("Local SSD", "SSD 2", of=None) == ["SSD 2"]
    with pytest.raises(Refused, match=r"replicas: SR 'Small' .* has 1 GiB free, 8\.\d GiB are needed for a copy"):
        lacking("Small")
    world.add_replica(first, ssd)
    pool = world.model()
    (version,) = master_versions(pool)
    assert lacking("SSD 2", of=version) == []
    assert small


def test_one_name_of_all_local_srs_stands_for_all_of_them(world: World) -> None:
    second = world.add_host("xen2")
    for host in (world.host, second):
        sr = world.add_sr("Local storage", plugged=False)
        world.add("PBD", SR=sr, host=host, currently_attached=True)
    assert [sr.name for sr in replica_srs(world.model(), ["Local storage"])] == ["Local storage"] * 2
    third = world.add_sr("Local storage")
    with pytest.raises(Refused, match="3 objects of kind SR are called 'Local storage'"):
        replica_srs(world.model(), ["Local storage"])
    assert third


@pytest.mark.parametrize("declared", [False, True])
def test_instances_on_local_srs_are_made_from_the_copy_that_their_host_sees(world: World, declared: bool) -> None:
    """Each host has an SR of its own; the master is on both."""
    second = world.add_host("xen2")
    world.add("PIF", network=world.network, host=second)
    other = world.add_sr("SSD 2", plugged=False)
    world.add("PBD", SR=other, host=second, currently_attached=True)
    replica = world.add_replica(world.add_master(), other)
    options = {"overlay": {"sr": ["Local SSD", "SSD 2"]}} if declared else {}
    todo = plan_vm_pool(declaration(size=4, placement={"spread": "host"}, **options), world.model(), "london")
    found = sorted(
        (action.host and action.host.name, action.overlay_sr.name, action.master.blueprint.ref == replica)
        for action in todo.actions
        if isinstance(action, Create)
    )
    assert found == [("xen1", "Local SSD", False)] * 2 + [("xen2", "SSD 2", True)] * 2
    world.carry_out(todo)
    assert plan_vm_pool(declaration(size=4), world.model(), "london").actions == ()
    for name in ("web-001", "web-002", "web-003", "web-004"):
        vm = next(ref for ref, record in world.records["VM"].items() if record["name_label"] == name)
        world.records["VM"][vm].update(power_state="Halted", resident_on=NULL)
    again = plan_vm_pool(declaration(size=4), world.model(), "london")
    assert (
        sorted((a.host and a.host.name) for a in again.actions if isinstance(a, Start)) == ["xen1"] * 2 + ["xen2"] * 2
    )


def test_a_halted_instance_gets_back_the_root_of_its_own_copy(world: World) -> None:
    replica = world.add_replica(world.add_master(), world.add_sr("SSD 2"))
    vm = world.add_instance(1, blueprint=replica, power_state="Halted")
    vbds = world.records["VBD"]
    del vbds[next(ref for ref, r in vbds.items() if r["VM"] == vm and r["userdevice"] == "0")]
    (action,) = plan_vm_pool(declaration(), world.model(), "london").actions
    assert isinstance(action, Reattach)
    assert action.root
    assert (action.root.name, action.boot) == ("noble:1 on SSD 2 root", None)
