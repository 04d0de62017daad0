# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How instances differ from what is declared, and what becomes of that: live, with a restart, or by a person."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.actions import VmPoolPlan
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.refusal import Refused
from ansible_collections.skinnybox.xenserver.plugins.module_utils.plan.vm_pool import plan_vm_pool
from tests.support.model import GIB, World, declaration

MIB = 1 << 20
ABLE = ("vcpu-hotplug", "balloon")
NEEDS = "needs a restart: {}. Declare allow_restart, or shut it down and apply"


@pytest.fixture
def world() -> World:
    world = World()
    world.add_master()
    return world


def plan(world: World, **options: Any) -> VmPoolPlan:
    return plan_vm_pool(declaration(**options), world.model(), "london")


def lines(world: World, **options: Any) -> list[str]:
    return [f"{action.sign} {action.text()}" for action in plan(world, **options).actions]


def vbd_at(world: World, vm: str, position: str) -> dict[str, Any]:
    return next(r for r in world.records["VBD"].values() if r["VM"] == vm and r["userdevice"] == position)


HARDWARE: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    (
        "vCPUs up to the maximum",
        {"VCPUs_max": "4", "VCPUs_at_startup": "2"},
        {"vcpus": 4},
        "~ vcpus 2 -> 4, live",
        "~ vcpus 2 -> 4, started on xen1",
    ),
    (
        "fewer vCPUs, whatever the maximum",
        {"VCPUs_max": "4", "VCPUs_at_startup": "4"},
        {"vcpus": 2},
        "~ vcpus 4 -> 2, live",
        "~ vcpus 4 -> 2, started on xen1",
    ),
    (
        "vCPUs beyond the maximum",
        {"VCPUs_max": "2", "VCPUs_at_startup": "2"},
        {"vcpus": 4},
        "! " + NEEDS.format("vcpus 2 -> 4"),
        "~ vcpus 2 -> 4, started on xen1",
    ),
    (
        "another maximum",
        {"VCPUs_max": "2", "VCPUs_at_startup": "2"},
        {"vcpus": 2, "vcpus_max": 8},
        "! " + NEEDS.format("vcpus_max 2 -> 8"),
        "~ vcpus_max 2 -> 8, started on xen1",
    ),
    ("memory within its maximum", {"memory_static_max": str(4 * GIB)}, {"memory": "2 GiB"},
     "~ memory 1 GiB -> 2 GiB, live", "~ memory 1 GiB -> 2 GiB, started on xen1"),
    ("memory beyond its maximum", {}, {"memory": "2 GiB"},
     "! " + NEEDS.format("memory 1 GiB -> 2 GiB"), "~ memory 1 GiB -> 2 GiB, started on xen1"),
    ("memory below its minimum", {}, {"memory": "512 MiB"},
     "! " + NEEDS.format("memory 1 GiB -> 512 MiB"), "~ memory 1 GiB -> 512 MiB, started on xen1"),
    ("memory that may be squeezed", {"memory_dynamic_min": str(512 * MIB)}, {"memory": "1 GiB"},
     "~ memory 512 MiB to 1 GiB -> 1 GiB, live", "~ memory 512 MiB to 1 GiB -> 1 GiB, started on xen1"),
    ("cores", {}, {"vcpus": 1, "cores_per_socket": 1}, "", "~ started on xen1"),
    ("other cores", {"VCPUs_max": "2", "VCPUs_at_startup": "2"}, {"vcpus": 2, "cores_per_socket": 2},
     "! " + NEEDS.format("cores_per_socket 1 -> 2"), "~ cores_per_socket 1 -> 2, started on xen1"),
    ("weight", {"VCPUs_params": {"weight": "256"}}, {"cpu_weight": 512},
     "! " + NEEDS.format("cpu_weight 256 -> 512"), "~ cpu_weight 256 -> 512, started on xen1"),
    ("the default weight", {}, {"cpu_weight": 256}, "", "~ started on xen1"),
    ("no cap", {"VCPUs_params": {"cap": "0"}}, {"cpu_cap": 0}, "", "~ started on xen1"),
    ("a cap", {}, {"cpu_cap": 150}, "! " + NEEDS.format("cpu_cap 0 -> 150"), "~ cpu_cap 0 -> 150, started on xen1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "hardware", "running", "halted"), [case[1:] for case in HARDWARE], ids=[case[0] for case in HARDWARE]
)
def test_hardware(world: World, record: dict[str, Any], hardware: dict[str, Any], running: str, halted: str) -> None:
    vm = world.add_instance(1, **record)
    world.add_guest(vm, features=ABLE)
    assert lines(world, hardware=hardware) == ([running] if running else [])
    world.records["VM"][vm]["power_state"] = "Halted"
    assert [line.replace("~ halted: started", "~ started") for line in lines(world, hardware=hardware)] == [halted]


def test_a_guest_that_cannot_follow_needs_a_restart(world: World) -> None:
    world.add_instance(1, VCPUs_max="4", VCPUs_at_startup="2", memory_static_max=str(4 * GIB))
    assert lines(world, hardware={"vcpus": 4, "memory": "2 GiB"}) == [
        "! " + NEEDS.format("vcpus 2 -> 4, memory 1 GiB -> 2 GiB")
    ]


def test_without_dynamic_memory_control_memory_needs_a_restart(world: World) -> None:
    world.add_guest(world.add_instance(1, memory_static_max=str(4 * GIB)), features=ABLE)
    world.records["pool"][world.pool]["restrictions"] = {"restrict_dmc": "true"}
    (line,) = lines(world, hardware={"memory": "2 GiB"})
    assert line.startswith("! needs a restart: memory 1 GiB -> 2 GiB")


def test_what_can_be_done_live_is_done_and_the_rest_named(world: World) -> None:
    world.add_guest(world.add_instance(1, VCPUs_max="4", VCPUs_at_startup="2"), features=ABLE)
    hardware = {"vcpus": 4, "memory": "2 GiB"}
    assert lines(world, hardware=hardware) == [
        "~ vcpus 2 -> 4, live",
        "! " + NEEDS.format("memory 1 GiB -> 2 GiB"),
    ]
    todo = plan(world, hardware=hardware, allow_restart=True)
    assert [action.text() for action in todo.actions] == ["vcpus 2 -> 4, memory 1 GiB -> 2 GiB, restart"]
    assert [action.downtime for action in todo.actions] == ["restart"]


def test_an_instance_to_be_halted_is_changed_after_its_shutdown(world: World) -> None:
    world.add_instance(1)
    assert lines(world, hardware={"memory": "2 GiB"}, power_state="halted") == ["~ memory 1 GiB -> 2 GiB, shut down"]


def test_cores_that_no_number_of_vcpus_fills_are_refused(world: World) -> None:
    world.add_instance(1, platform={"cores-per-socket": "2"})
    with pytest.raises(Refused, match="3 vCPUs do not make whole sockets of 2 cores"):
        plan(world, hardware={"vcpus": 3})
    world.records["VM"].popitem()
    next(iter(world.records["VM"].values()))["platform"] = {"cores-per-socket": "2"}
    with pytest.raises(Refused, match="3 vCPUs do not make whole sockets of 2 cores"):
        plan(world, size=2, hardware={"vcpus": 3})


def test_undeclared_things_are_not_compared(world: World) -> None:
    vm = world.add_instance(1, VCPUs_max="7", VCPUs_at_startup="7", platform={"cores-per-socket": "7"})
    world.add_nic(vm, 1, "0a:00:00:00:01:01")
    world.add_data_disk(vm, "mine")
    assert lines(world) == []


TWO = [{"network": "Production"}, {"network": "Storage"}]


@pytest.mark.parametrize(("can_plug", "power"), [("yes", "Running"), ("no", "Running"), ("no", "Halted")])
def test_nics(world: World, can_plug: str, power: str) -> None:
    world.add_network("Storage", world.host)
    vm = world.add_instance(1, power_state=power)
    world.add_guest(vm, can_plug)
    added = "NIC 1 on Storage added (in the guest, it is yours to configure)"
    options = {"networks": TWO, "power_state": "unmanaged"}
    if power == "Halted":
        assert lines(world, **options) == [f"~ {added}"]
    elif can_plug == "yes":
        assert lines(world, **options) == [f"~ {added}, live"]
    else:
        assert lines(world, **options) == ["! " + NEEDS.format(added)]


def test_a_nic_moves_live_and_keeps_its_mac(world: World) -> None:
    world.add_network("Storage", world.host)
    world.add_instance(1)
    networks = [{"network": "Storage"}]
    assert lines(world, networks=networks) == ["~ NIC 0 Production -> Storage, live"]
    before = [r["MAC"] for r in world.records["VIF"].values()]
    world.carry_out(plan(world, networks=networks))
    assert lines(world, networks=networks) == []
    assert [r["MAC"] for r in world.records["VIF"].values()] == before


def test_a_network_that_the_host_does_not_reach_needs_a_restart(world: World) -> None:
    world.add_network("Storage", world.add_host("xen2"))
    world.add_instance(1)
    assert lines(world, networks=[{"network": "Storage"}]) == ["! " + NEEDS.format("NIC 0 Production -> Storage")]


def test_a_surplus_nic_goes_and_a_lost_one_comes_back_with_its_mac(world: World) -> None:
    vm = world.add_instance(1)
    world.add_guest(vm)
    world.records["VIF"].clear()
    world.add_nic(vm, 3, "0a:00:00:00:00:03")
    assert lines(world, networks=[{"network": "Production"}]) == [
        "~ NIC 0 on Production given back, NIC 3 on Production removed, live"
    ]


def test_an_unplugged_nic_is_plugged(world: World) -> None:
    world.add_guest(world.add_instance(1))
    for vif in world.records["VIF"].values():
        vif["currently_attached"] = False
    assert lines(world, networks=[{"network": "Production"}]) == ["~ NIC 0 unplugged: plugged, live"]


def test_labels_that_forgot_a_nic_are_written_anew(world: World) -> None:
    vm = world.add_instance(1)
    world.records["VM"][vm]["other_config"]["skinnybox:nics"] = ""
    assert lines(world, networks=[{}]) == ["~ NICs noted in its labels, live"]
    assert lines(world) == []


def test_addresses_that_the_guest_was_not_made_with_are_named(world: World) -> None:
    world.add_instance(1, addresses="10.0.4.11/24")
    networks = [{"network": "Production", "ipv4": {"addresses": ["10.0.4.21-10.0.4.29/24"]}}]
    assert lines(world, networks=networks) == [
        "! was made with 10.0.4.11/24, declared is 10.0.4.21/24: kept until it is rebuilt"
    ]


DISK = [{"name": "data", "size": "2 GiB"}]


def test_data_disks(world: World) -> None:
    vm = world.add_instance(1)
    assert lines(world, disks=DISK) == ["! " + NEEDS.format("disk data 2 GiB on Local SSD added")]
    world.add_guest(vm)
    assert lines(world, disks=DISK) == ["~ disk data 2 GiB on Local SSD added, live"]
    world.carry_out(plan(world, disks=DISK))
    assert lines(world, disks=DISK) == []
    assert vbd_at(world, vm, "4")["mode"] == "RW"
    assert lines(world, disks=[{"name": "data", "size": "1 GiB"}]) == []  # they never shrink
    assert lines(world, disks=[{"name": "data", "size": "3 GiB"}]) == ["! " + NEEDS.format("disk data 2 GiB -> 3 GiB")]
    (line,) = [line for line in lines(world, disks=[{"name": "other", "size": "1 GiB"}]) if line.startswith("!")]
    assert "is not declared any more: kept with its data" in line


def test_missing_data_disks_get_the_lowest_free_positions(world: World) -> None:
    vm = world.add_instance(1)
    world.add_guest(vm)
    world.add_data_disk(vm, "data", "4", size=2 * GIB)
    world.carry_out(plan(world, disks=[*DISK, {"name": "logs", "size": "1 GiB"}]))
    assert sorted(r["userdevice"] for r in world.records["VBD"].values() if r["VM"] == vm) == ["0", "1", "3", "4", "5"]


def test_a_data_disk_that_was_unplugged_or_detached_comes_back(world: World) -> None:
    vm = world.add_instance(1)
    world.add_guest(vm)
    disk = world.add_data_disk(vm, "data", "4", size=2 * GIB)
    vbd_at(world, vm, "4")["currently_attached"] = False
    assert lines(world, disks=DISK) == ["~ disk data detached: attached, live"]
    world.records["VBD"] = {ref: r for ref, r in world.records["VBD"].items() if r["VDI"] != disk}
    assert lines(world, disks=DISK) == ["~ disk data detached: attached, live"]


def test_sizes_that_the_sr_rounded_up_are_no_drift(world: World) -> None:
    world.add_instance(1, power_state="Halted", swap=True, sizes={"overlay": 102 * MIB, "swap": 12 * MIB})
    options = {"overlay": {"size": "101 MiB"}, "swap": "11 MiB", "power_state": "halted"}
    assert lines(world, **options) == []
    assert lines(world, **{**options, "overlay": {"size": "103 MiB"}}) == ["~ overlay 102 MiB -> 103 MiB"]
    assert lines(world, **{**options, "swap": "13 MiB"}) == ["~ swap 12 MiB -> 13 MiB"]
    assert lines(world, **{**options, "swap": "9 MiB"}) == ["~ swap 12 MiB -> 9 MiB"]
    assert lines(world, **{**options, "swap": None}) == ["~ swap 12 MiB removed"]


def test_swap_and_overlay_of_a_running_instance_need_a_restart(world: World) -> None:
    world.add_instance(1)
    assert lines(world, swap="1 GiB", overlay={"size": "2 GiB", "on_boot": "reset"}) == [
        "! " + NEEDS.format("overlay 1 GiB -> 2 GiB, overlay.on_boot persist -> reset, swap 1 GiB added")
    ]


def test_growth_is_counted_as_space(world: World) -> None:
    world.add_instance(1, power_state="Halted")
    (change,) = plan(world, overlay={"size": "2 GiB"}).actions
    ((space),) = change.space()
    assert space.now == 0
    assert GIB < space.at_most < GIB + MIB


def test_what_protects_the_master_is_put_right(world: World) -> None:
    vm = world.add_instance(1)
    world.records["VM"][vm]["blocked_operations"] = {
        name: text for name, text in world.records["VM"][vm]["blocked_operations"].items() if name != "clone"
    } | {"suspend": "my own reason"}
    vbd_at(world, vm, "0").update(mode="RW", other_config={"owner": "true"})
    assert lines(world) == [
        "~ root marked as this VM's own: mark removed, blocked operations given back: clone, live",
        "! " + NEEDS.format("root attached as Disk RW -> Disk RO"),
    ]


def test_boot_order_firmware_and_name_are_put_back(world: World) -> None:
    vm = world.add_instance(1)
    world.records["VM"][vm].update(name_label="renamed", HVM_boot_params={"order": "n", "firmware": "uefi"})
    assert lines(world) == ["~ boot order n -> cd, firmware uefi -> unset, name 'renamed' -> 'web-001', live"]


def test_another_master_version_is_named_and_kept(world: World) -> None:
    world.add_instance(1)
    world.add_master(number=2, promoted=200)
    assert lines(world) == ["! runs on noble:1, declared is noble:2: upgrade it with playbook upgrade"]
    assert lines(world, master="noble:1") == []


def test_many_instances_that_wait_for_the_same_are_one_warning(world: World) -> None:
    for number in range(1, 6):
        world.add_instance(number)
    world.add_master(number=2, promoted=200)
    todo = plan(world, size=5)
    assert [action.name for action in todo.actions] == [f"web-00{number}" for number in range(1, 6)]
    assert todo.warnings == (
        "web-001, web-002, web-003 and 2 more: runs on noble:1, declared is noble:2: upgrade it with playbook upgrade",
    )


def test_lost_attachments_and_changes_of_one_instance_are_one_action(world: World) -> None:
    vm = world.add_instance(1, power_state="Halted")
    world.records["VBD"] = {r: v for r, v in world.records["VBD"].items() if v["VM"] != vm or v["userdevice"] != "1"}
    assert lines(world, hardware={"memory": "2 GiB"}) == [
        "~ lost its overlay attachment: given back, memory 1 GiB -> 2 GiB, started on xen1"
    ]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("running", "~ its restart was interrupted: finished, started on xen1"),
        ("unmanaged", "~ its restart was interrupted: finished, started on xen1"),
        ("halted", "~ its restart was interrupted: finished"),
    ],
)
def test_an_interrupted_restart_is_finished(world: World, declared: str, expected: str) -> None:
    vm = world.add_instance(1, power_state="Halted")
    world.records["VM"][vm]["other_config"]["skinnybox:restarting"] = "true"
    assert lines(world, power_state=declared) == [expected]


# Properties ---------------------------------------------------------------------------------------------------


@st.composite
def drifted(draw: st.DrawFn) -> World:
    """Instances that people have laid hands on."""
    world = World()
    world.add_master()
    storage = world.add_network("Storage", world.host)
    for number in range(1, draw(st.integers(1, 3)) + 1):
        vcpus = draw(st.sampled_from([1, 2, 4]))
        memory = draw(st.sampled_from([GIB // 2, GIB, 2 * GIB]))
        vm = world.add_instance(
            number,
            power_state=draw(st.sampled_from(["Running", "Halted"])),
            swap=draw(st.booleans()),
            VCPUs_max=str(vcpus * draw(st.sampled_from([1, 2]))),
            VCPUs_at_startup=str(vcpus),
            memory_dynamic_max=str(memory),
            memory_static_max=str(memory * draw(st.sampled_from([1, 2]))),
            memory_static_min=str(GIB // 2),
            memory_dynamic_min=str(GIB // 2),
        )
        if draw(st.booleans()):
            world.add_guest(vm, draw(st.sampled_from(["yes", "no"])), ABLE)
        if draw(st.booleans()):
            world.add_nic(vm, draw(st.integers(1, 3)), f"0a:00:00:00:01:{number:02x}")
        if draw(st.booleans()):
            world.add_data_disk(vm, draw(st.sampled_from(["data", "logs"])), size=GIB)
        if draw(st.booleans()):
            world.records["VM"][vm].update(name_label="renamed", blocked_operations={}, HVM_boot_params={})
        for vif in world.records["VIF"].values():
            if draw(st.booleans()):
                vif["network"] = storage
    return world


OPTIONS = st.fixed_dictionaries(
    {
        "hardware": st.sampled_from(
            [{}, {"vcpus": 2}, {"vcpus": 2, "vcpus_max": 4, "cores_per_socket": 2}, {"vcpus": 4, "memory": "1 GiB"},
             {"memory": "1 GiB", "memory_max": "2 GiB"}, {"cpu_weight": 512, "cpu_cap": 50}]
        ),
        "networks": st.sampled_from([[], [{}], [{"network": "Storage"}], TWO]),
        "disks": st.sampled_from([[], DISK, [*DISK, {"name": "logs", "size": "1 GiB"}]]),
        "swap": st.sampled_from([None, "512 MiB"]),
        "overlay": st.sampled_from([{}, {"size": "3 GiB"}]),
        "power_state": st.sampled_from(["running", "halted", "unmanaged"]),
    }
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(drifted(), OPTIONS)
def test_a_restart_allowed_leaves_no_difference(world: World, options: dict[str, Any]) -> None:
    options |= {"size": 3, "allow_restart": True}
    world.carry_out(plan(world, **options))
    again = plan(world, **options)
    assert again.changes == ()
    assert not [warning for warning in again.warnings if "needs a restart" in warning]


@settings(max_examples=60, deadline=None)
@given(drifted(), OPTIONS, st.randoms(use_true_random=False))
def test_without_leave_nothing_restarts_and_the_order_does_not_matter(
    world: World, options: dict[str, Any], source: random.Random
) -> None:
    options |= {"size": 3}
    first = plan(world, **options)
    assert {action.downtime for action in first.actions} <= {"none"}
    assert plan_vm_pool(declaration(**options), world.model(source), "london").as_data() == first.as_data()
    world.carry_out(first)
    assert plan(world, **options).changes == ()
