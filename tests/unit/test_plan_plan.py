# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several VM pools in one plan, and the text that people read."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.plan import Plan, plan_vm_pools
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from tests.support.model import GIB, World, declaration


@pytest.fixture
def world() -> World:
    world = World()
    world.add_master()
    return world


def plan(world: World, *pools: dict[str, Any]) -> Plan:
    return plan_vm_pools([declaration(**pool) for pool in pools], world.model(), "london")


def static(addresses: str) -> list[dict[str, Any]]:
    return [{"ipv4": {"addresses": [addresses]}}]


def test_pools_stand_side_by_side_with_one_summary(world: World) -> None:
    world.add_instance(1, power_state="Halted")
    world.add_instance(2)
    todo = plan(world, {"name": "web"}, {"name": "db", "size": 2, "networks": static("10.0.4.11-10.0.4.12/24")})
    assert todo.lines() == [
        "london / db: 0 of 2 instances, master noble:1",
        "  + db-001  on xen1, overlay 1 GiB on Local SSD, 10.0.4.11",
        "  + db-002  on xen1, overlay 1 GiB on Local SSD, 10.0.4.12",
        "london / web: 2 of 1 instances, master noble:1",
        "  - web-002  1 declared, newest first; its overlay is deleted",
        "  ~ web-001  halted: started on xen1",
        "Plan: 2 to create, 1 to change, 1 to remove. Disk: 64 MiB now, 2 GiB at most.",
    ]


def test_nothing_to_do_in_any_of_them(world: World) -> None:
    world.add_instance(1)
    world.add_instance(1, pool="db")
    todo = plan(world, {"name": "web"}, {"name": "db"})
    assert todo.lines()[-1] == "Plan: nothing to do."
    assert todo.changes == []
    assert todo.as_data() == []


def test_no_pools_at_all(world: World) -> None:
    assert plan(world).lines() == ["Plan: nothing to do."]


def test_several_srs_are_named(world: World) -> None:
    world.add_sr("Archive", type_="lvm", size=50 * GIB)
    todo = plan(world, {"name": "web"}, {"name": "db", "size": 2, "overlay": {"sr": "Archive"}})
    assert todo.lines()[-1].endswith(
        "Disk: 2 GiB now, 3 GiB at most (Archive: 2 GiB, 2 GiB; Local SSD: 32 MiB, 1 GiB)."
    )


def test_every_action_says_what_it_writes_to_and_allocates(world: World) -> None:
    halted, running = world.add_instance(1, power_state="Halted"), world.add_instance(2, swap=True)
    disks = [r["uuid"] for r in world.records["VDI"].values() if r["name_label"].startswith("web-002")]
    actions = {entry["instance"]: entry for entry in plan(world, {"name": "web"}, {"name": "db"}).as_data()}
    assert actions["web-001"]["objects"] == [world.uuid_of("VM", halted)]
    assert sorted(actions["web-002"]["objects"]) == sorted([world.uuid_of("VM", running), *disks])
    assert actions["db-001"]["objects"] == []
    (space,) = actions["db-001"]["disk"]
    assert space["sr"] == "Local SSD"
    assert 0 < space["now"] < space["at_most"]
    assert [entry["pool"] for entry in actions.values()] == ["db", "web", "web"]


REFUSALS: list[tuple[str, list[dict[str, Any]], str]] = [
    ("the same pool twice", [{"name": "web"}, {"name": "web", "size": 2}], "VM pool 'web' is declared 2 times."),
    (
        "one name for two instances",
        [{"name": "web", "instance_name": "vm-{number}"}, {"name": "db", "instance_name": "vm-{number}"}],
        "VM pools 'db' and 'web' would both make an instance called 'vm-1'.",
    ),
    (
        "one address for two instances",
        [
            {"name": "web", "networks": static("10.0.4.11-10.0.4.20/24")},
            {"name": "db", "size": 2, "networks": static("10.0.4.10-10.0.4.11/24")},
        ],
        "web-001 of VM pool 'web': address 10.0.4.11 is also that of db-002, to be made for VM pool 'db'.",
    ),
    (
        "the pool that cannot be is named",
        [{"name": "web"}, {"name": "db", "master": "jammy"}],
        "VM pool 'db': Master image 'jammy' is not published",
    ),
]


@pytest.mark.parametrize(("pools", "sentence"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_what_cannot_be_together_is_refused(world: World, pools: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(world, *pools)
    assert str(caught.value).startswith(sentence)


def test_what_bears_the_labels_of_a_pool_and_is_unknown_is_named(world: World) -> None:
    vm = world.add_instance(1)
    world.add_instance(1, pool="db")
    overlay = next(ref for ref, r in world.records["VDI"].items() if r["name_label"] == "web-001 overlay")
    world.copy("VM", vm, "mine")
    copy = world.copy("VDI", overlay, "rescue")
    rescuer = world.add_vm("rescuer")
    world.attach(rescuer, overlay, "0")
    todo = plan(world, {"name": "web"}, {"name": "db"})
    assert todo.changes == []
    assert [(action.sign, action.name) for action in todo.actions] == [
        ("!", "mine"),
        ("!", "position 0 of rescuer"),
        ("!", "rescue"),
    ]
    assert f"VDI {world.uuid_of('VDI', copy)} is a copy of the overlay disk of web-001" in todo.actions[2].text()
    assert todo.lines()[-1] == "Plan: 0 to create, 0 to change, 0 to remove, 3 need you."
