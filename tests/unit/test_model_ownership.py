# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.instances import instances, leftovers, orphans
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.labels import (
    Kind,
    Labels,
    Standing,
    other_config,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.masters import master_versions, promoted
from tests.support.model import World

UUID, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def test_a_new_object_is_unfinished_until_its_own_uuid_is_added() -> None:
    labels = other_config(Kind.OVERLAY, pool="web")
    assert labels == {"skinnybox:kind": "overlay", "skinnybox:pool": "web"}
    assert Labels.of(labels).standing(UUID) is Standing.UNFINISHED
    finished = Labels.of({**labels, "skinnybox:uuid": UUID, "folder": "/x"})
    assert finished.standing(UUID) is Standing.OWNED
    assert "folder" not in finished


def test_a_copy_bears_anothers_uuid_and_is_foreign() -> None:
    copied = Labels.of({"skinnybox:kind": "overlay", "skinnybox:uuid": UUID})
    assert copied.standing(OTHER) is Standing.FOREIGN
    assert Labels.of({"skinnybox:uuid": UUID}).standing(UUID) is Standing.FOREIGN
    assert Labels.of({}).standing(UUID) is Standing.FOREIGN


def test_a_copy_that_we_were_making_is_unfinished_and_its_source_is_ours() -> None:
    marked = Labels.of({"skinnybox:kind": "overlay", "skinnybox:uuid": UUID, "skinnybox:copying": "snapshot x"})
    assert marked.standing(UUID) is Standing.OWNED
    assert marked.standing(OTHER) is Standing.UNFINISHED
    assert Labels.of({"skinnybox:copying": "snapshot x"}).standing(OTHER) is Standing.FOREIGN


def test_data_disks_snapshots_and_copies_belong_to_their_instance_and_never_pass_for_its_overlay() -> None:
    world = World()
    world.add_master()
    vm = world.add_instance(1)
    (overlay,) = [r for r in world.records["VDI"].values() if r["other_config"].get("skinnybox:kind") == "overlay"]
    common = {key.removeprefix("skinnybox:"): value for key, value in overlay["other_config"].items()}
    kept = {key: common[key] for key in ("pool", "name", "number", "instance", "vm")}
    for name in ("logs", "db"):
        world.own("VDI", world.add_disk("d", other_config=other_config(Kind.DATA, **kept, disk=name)))
    for moment in ("20260201T00:00:00Z", "20260101T00:00:00Z"):
        taken = other_config(Kind.SNAPSHOT, **kept, snapshot=moment[:6])
        world.own("VDI", world.add_disk("s", is_a_snapshot=True, snapshot_time=moment, other_config=taken))
    overlay["other_config"]["skinnybox:copying"] = "snapshot x"
    copied = world.add_disk("copy", is_a_snapshot=True, other_config=dict(overlay["other_config"]))
    (instance,) = instances(world.model(), "web")
    assert instance.vm.ref == vm
    assert instance.overlay and instance.overlay.uuid == overlay["uuid"]
    assert [disk.labels["disk"] for disk in instance.data_disks] == ["db", "logs"]
    assert [disk.labels["snapshot"] for disk in instance.snapshots] == ["202601", "202602"]
    assert len(instance.disks) == 6
    assert copied in {disk.ref for disk in instance.disks}


def test_instances_come_by_number_with_their_disks() -> None:
    world = World()
    world.add_master()
    for number in (2, 10, 1):
        world.add_instance(number, swap=number == 2)
    found = instances(world.model(), "web")
    assert [i.name for i in found] == ["web-001", "web-002", "web-010"]
    assert [bool(i.swap) for i in found] == [False, True, False]
    assert all(i.overlay and i.overlay.labels["name"] == i.name for i in found)
    assert instances(world.model(), "db") == []


def test_copies_of_an_instance_and_of_its_disks_are_nobodys() -> None:
    world = World()
    world.add_master()
    vm = world.add_instance(1)
    world.copy("VM", vm, "my own copy")
    for disk in list(world.records["VDI"]):
        world.copy("VDI", disk, "copy")
    model = world.model()
    (instance,) = instances(model, "web")
    assert instance.vm.ref == vm
    assert len(instance.disks) == 1
    assert leftovers(model, "web") == []
    assert orphans(model, "web") == []
    assert len(master_versions(model)) == 1


def test_a_clone_of_a_blueprint_is_a_leftover_only_with_the_unfinished_name() -> None:
    world = World()
    blueprint = world.add_master()
    world.copy("VM", blueprint, "somebody's VM")
    ours = world.copy("VM", blueprint, "web-007 [skinnybox: unfinished, pool web]")
    world.copy("VM", blueprint, "db-001 [skinnybox: unfinished, pool db]")
    foreign = world.add_vm("web-009 [skinnybox: unfinished, pool web]")
    found = leftovers(world.model(), "web")
    assert [(left.name, left.vm.ref) for left in found if left.vm] == [("web-007", ours)]
    assert foreign not in [left.vm.ref for left in found if left.vm]


def test_a_running_unfinished_vm_is_somebodys_business() -> None:
    world = World()
    world.add_master()
    world.add_instance(1, finished=False, power_state="Running")
    assert leftovers(world.model(), "web") == []


def test_an_unfinished_disk_without_its_vm_is_a_leftover() -> None:
    world = World()
    world.add_master()
    labels = other_config(Kind.OVERLAY, pool="web", name="web-001", number="1", instance="x", vm=UUID)
    disk = world.add_disk("web-001 overlay", other_config=labels)
    (left,) = leftovers(world.model(), "web")
    assert (left.name, left.vm, [d.ref for d in left.disks]) == ("web-001", None, [disk])
    assert orphans(world.model(), "web") == []


def test_a_vm_deleted_by_hand_leaves_an_orphan_overlay_and_a_worthless_swap() -> None:
    world = World()
    world.add_master()
    world.remove("VM", world.add_instance(4, swap=True))
    model = world.model()
    assert [disk.name for disk in orphans(model, "web")] == ["web-004 overlay"]
    assert [disk.name for left in leftovers(model, "web") for disk in left.disks] == ["web-004 swap"]


def test_the_version_promoted_last_is_the_promoted_one() -> None:
    world = World()
    world.add_master(number=1, promoted=200)
    world.add_master(number=2, promoted=100)
    world.add_master(number=3, promoted=None)
    world.add_master(number=4, promoted=300, finished=False)
    versions = master_versions(world.model())
    assert [v.title for v in versions] == ["noble:1", "noble:2", "noble:3"]
    found = promoted(versions, "noble")
    assert found and found.number == 1
    assert promoted(versions, "jammy") is None


def test_a_version_whose_disk_is_gone_says_so() -> None:
    world = World()
    world.add_master()
    world.remove("VDI", next(iter(world.records["VDI"])))
    (version,) = master_versions(world.model())
    assert version.missing == ["root disk"]
