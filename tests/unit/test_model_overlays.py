# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.chains import Chains
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.facts import overlay_facts
from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.overlays import overlays
from tests.support.model import World


def test_overlays_with_a_vm_kept_ones_and_those_whose_vm_was_deleted_by_hand() -> None:
    world = World()
    world.add_master()
    vms = [world.add_instance(number) for number in (2, 1, 3)]
    world.add_data_disk(vms[0], "logs")
    world.add_instance(1, pool="db")
    world.remove("VM", vms[0])
    world.remove("VM", vms[2])
    for record in world.records["VDI"].values():
        if record["other_config"].get("skinnybox:number") == "2":
            record["other_config"]["skinnybox:kept"] = "1767225600"
    model = world.model()
    assert [(one.pool, one.name, one.is_kept, one.is_orphan, one.is_attached) for one in overlays(model)] == [
        ("db", "db-001", False, False, True),
        ("web", "web-001", False, False, True),
        ("web", "web-002", True, False, False),
        ("web", "web-003", False, True, False),
    ]
    kept = overlay_facts(model, overlays(model, "web")[1], Chains(model))
    assert (kept["instance"], kept["kept"], kept["power_state"], kept["sr"]) == ("web-002", True, None, "Local SSD")
    assert [disk["name"] for disk in kept["disks"]] == ["logs"]


def test_the_depth_of_a_chain_ends_where_parents_run_in_a_circle() -> None:
    world = World()
    uuids = ["base", "middle", "leaf"]
    parents = {"base": "", "middle": "base", "leaf": "middle"}
    for uuid in uuids:
        ref = world.add_disk(uuid, sm_config={"vhd-parent": parents[uuid]} if parents[uuid] else {})
        world.records["VDI"][ref]["uuid"] = uuid
    model = world.model()
    by_uuid = {disk.uuid: disk for disk in model.disks.values()}
    assert [Chains(model).depth(by_uuid[uuid]) for uuid in uuids] == [1, 2, 3]
    ref = by_uuid["base"].ref
    world.records["VDI"][ref]["sm_config"] = {"vhd-parent": "leaf"}
    model = world.model()
    assert Chains(model).depth(model.disks[ref]) == 3
