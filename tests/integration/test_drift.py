# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances that differ from what is declared, changed by vm_pool: live, with a restart, or when they are halted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden
from tests.support.lab import Lab, new_lab
from tests.support.state import find_disk, find_vm


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    """A lab whose guests have agents, with noble:1."""
    with new_lab("--agent") as lab:
        golden = make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
        yield lab


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    """That lab, without instances before and after."""
    yield shared
    shared.clear_faults()
    assert not run_module(shared, "vm_pool", name="web", state="absent").failed


def apply(lab: Lab, size: int = 1, fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "vm_pool", name="web", size=size, master="noble", **options)
    assert result.failed is fails, result.msg
    return result


def details(result: Result) -> list[str]:
    return [action["detail"] for action in result["plan"]]


def settled(lab: Lab, **options: Any) -> None:
    """A second run finds nothing to do."""
    again = apply(lab, **options)
    assert (again["changed"], again["plan"], lab.writes()) == (False, [], [])


def record(lab: Lab) -> dict[str, Any]:
    return lab.xapi.VM.get_record(find_vm(lab, "web-001"))


def nics(lab: Lab) -> dict[str, tuple[str, str, bool]]:
    found = [lab.xapi.VIF.get_record(vif) for vif in record(lab)["VIFs"]]
    return {
        r["device"]: (lab.xapi.network.get_name_label(r["network"]), r["MAC"], r["currently_attached"]) for r in found
    }


def new_network(lab: Lab, name: str) -> None:
    lab.xapi.network.create({"name_label": name, "other_config": {}})


def test_hardware_live(lab: Lab) -> None:
    apply(lab, hardware={"vcpus": 2, "vcpus_max": 4, "memory": "1 GiB", "memory_max": "2 GiB"})
    before = record(lab)
    declared = {"hardware": {"vcpus": 4, "vcpus_max": 4, "memory": "2 GiB", "memory_max": "2 GiB"}}
    assert details(apply(lab, **declared)) == ["vcpus 2 -> 4, memory 1 GiB -> 2 GiB, live"]
    after = record(lab)
    assert (after["VCPUs_at_startup"], after["memory_dynamic_max"]) == ("4", str(2 << 30))
    assert after["domid"] == before["domid"]
    settled(lab, **declared)


def test_hardware_with_a_restart_only_when_that_is_allowed(lab: Lab) -> None:
    apply(lab)
    before = record(lab)
    declared: dict[str, Any] = {
        "hardware": {"vcpus": 4, "memory": "2 GiB", "cores_per_socket": 2, "cpu_weight": 512, "cpu_cap": 150},
        "overlay": {"size": "2 GiB"},
        "swap": "64 MiB",
    }
    refused = apply(lab, **declared)
    assert (refused["changed"], lab.writes()) == (False, [])
    (line,) = details(refused)
    assert line.startswith("needs a restart: vcpus 1 -> 4, ")
    done = apply(lab, allow_restart=True, **declared)
    assert [action["downtime"] for action in done["plan"]] == ["restart"]
    assert "Restarts: 1." in done["plan_text"][-1]
    after = record(lab)
    assert (after["VCPUs_max"], after["VCPUs_at_startup"], after["memory_static_max"]) == ("4", "4", str(2 << 30))
    assert after["platform"]["cores-per-socket"] == "2"
    assert (after["VCPUs_params"]["weight"], after["VCPUs_params"]["cap"]) == ("512", "150")
    assert lab.xapi.VDI.get_virtual_size(find_disk(lab, "web-001 overlay")) == str(2 << 30)
    assert lab.xapi.VDI.get_virtual_size(find_disk(lab, "web-001 swap")) == str(64 << 20)
    assert (after["power_state"], after["uuid"]) == ("Running", before["uuid"])
    assert "skinnybox:restarting" not in after["other_config"]
    settled(lab, **declared)


def test_what_waits_for_a_restart_is_done_when_the_instance_is_halted_next(lab: Lab) -> None:
    apply(lab)
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-001"))
    result = apply(lab, hardware={"memory": "2 GiB"}, swap="64 MiB")
    (line,) = details(result)
    assert "memory" in line and "swap 64 MiB added" in line and ", started" in line
    assert (record(lab)["memory_static_max"], record(lab)["power_state"]) == (str(2 << 30), "Running")
    settled(lab, hardware={"memory": "2 GiB"}, swap="64 MiB")


def test_nics_live(lab: Lab) -> None:
    new_network(lab, "Storage")
    new_network(lab, "Backup")
    apply(lab)
    ((home, mac, _attached),) = nics(lab).values()
    two = [{"network": home}, {"network": "Storage"}]
    apply(lab, networks=two)
    storage_mac = nics(lab)["1"][1]
    assert nics(lab) == {"0": (home, mac, True), "1": ("Storage", storage_mac, True)}
    settled(lab, networks=two)
    moved = [{"network": "Backup"}, {"network": "Storage"}]
    assert details(apply(lab, networks=moved)) == [f"NIC 0 {home} -> Backup, live"]
    assert nics(lab) == {"0": ("Backup", mac, True), "1": ("Storage", storage_mac, True)}
    settled(lab, networks=moved)
    # What was lost by hand comes back with its MAC address.
    (lost,) = [vif for vif in record(lab)["VIFs"] if lab.xapi.VIF.get_device(vif) == "1"]
    lab.xapi.VIF.unplug(lost)
    lab.xapi.VIF.destroy(lost)
    assert details(apply(lab, networks=moved)) == ["NIC 1 on Storage given back, live"]
    assert nics(lab)["1"] == ("Storage", storage_mac, True)
    apply(lab, networks=[{"network": "Backup"}])
    assert nics(lab) == {"0": ("Backup", mac, True)}
    settled(lab, networks=[{"network": "Backup"}])


def test_data_disks_live_and_grown_with_a_restart(lab: Lab) -> None:
    apply(lab)
    disks = [{"name": "data", "size": "8 MiB"}]
    assert details(apply(lab, disks=disks))[0].startswith("disk data 8 MiB on ")
    vdi = find_disk(lab, "web-001 data")
    (vbd,) = lab.xapi.VDI.get_VBDs(vdi)
    assert lab.xapi.VBD.get_currently_attached(vbd)
    settled(lab, disks=disks)
    lab.xapi.VBD.unplug(vbd)
    lab.xapi.VBD.destroy(vbd)
    assert details(apply(lab, disks=disks)) == ["disk data detached: attached, live"]
    settled(lab, disks=disks)
    larger = [{"name": "data", "size": "16 MiB"}]
    assert apply(lab, disks=larger)["changed"] is False
    assert apply(lab, disks=larger, allow_restart=True)["changed"]
    assert lab.xapi.VDI.get_virtual_size(vdi) == str(16 << 20)
    settled(lab, disks=larger)


def test_swap_is_replaced_and_removed(lab: Lab) -> None:
    apply(lab, swap="64 MiB", power_state="halted")
    old = lab.xapi.VDI.get_uuid(find_disk(lab, "web-001 swap"))
    apply(lab, swap="32 MiB", power_state="halted")
    new = find_disk(lab, "web-001 swap")
    assert (lab.xapi.VDI.get_uuid(new) != old, lab.xapi.VDI.get_virtual_size(new)) == (True, str(32 << 20))
    settled(lab, swap="32 MiB", power_state="halted")
    apply(lab, power_state="halted")
    assert not lab.xapi.VDI.get_by_name_label("web-001 swap")
    settled(lab, power_state="halted")


def test_what_protects_the_master_comes_back(lab: Lab) -> None:
    apply(lab, power_state="halted")
    vm = find_vm(lab, "web-001")
    (root,) = [vbd for vbd in lab.xapi.VM.get_VBDs(vm) if lab.xapi.VBD.get_userdevice(vbd) == "0"]
    lab.xapi.VM.set_blocked_operations(vm, {"suspend": "mine"})
    lab.xapi.VBD.set_mode(root, "RW")
    lab.xapi.VBD.add_to_other_config(root, "owner", "true")
    lab.xapi.VM.set_name_label(vm, "renamed")
    lab.xapi.VM.set_HVM_boot_params(vm, {"order": "cn"})
    apply(lab, power_state="halted")
    after = record(lab)
    assert {"clone", "migrate_send", "suspend"} <= set(after["blocked_operations"])
    assert (lab.xapi.VBD.get_mode(root), lab.xapi.VBD.get_other_config(root)) == ("RO", {})
    assert (after["name_label"], after["HVM_boot_params"]["order"]) == ("web-001", "d")
    settled(lab, power_state="halted")


def test_a_change_that_fails_says_so_and_leaves_the_instance_running(lab: Lab) -> None:
    apply(lab)
    lab.fault(method="VM.set_memory_limits", error=["MEMORY_CONSTRAINT_VIOLATION_MAXPIN", "no dynamic memory control"])
    result = apply(lab, fails=True, hardware={"memory": "2 GiB"}, allow_restart=True)
    uuid = record(lab)["uuid"]
    assert f"web-001 (VM {uuid}): not changed" in result.msg
    assert record(lab)["power_state"] == "Running"
    lab.clear_faults()
    apply(lab, hardware={"memory": "2 GiB"}, allow_restart=True)
    settled(lab, hardware={"memory": "2 GiB"})


ONCE = {"VIF.create", "Async.VIF.plug", "Async.VDI.create", "VBD.create", "Async.VBD.plug"}
LOST = [
    ("Async.VM.set_VCPUs_number_live", "VIF.create", "Async.VIF.plug", "Async.VDI.create", "VBD.create"),
    ("Async.VM.set_memory_dynamic_range", "VM.remove_from_other_config", "Async.VBD.plug", "VDI.add_to_other_config"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("methods", LOST, ids=["calls", "settings"])
def test_answers_that_get_lost_are_looked_for(lab: Lab, when: str, methods: tuple[str, ...]) -> None:
    apply(lab, hardware={"vcpus": 1, "vcpus_max": 2, "memory": "1 GiB", "memory_max": "2 GiB"})
    declared: dict[str, Any] = {
        "hardware": {"vcpus": 2, "vcpus_max": 2, "memory": "2 GiB", "memory_max": "2 GiB"},
        "networks": [{}, {"network": nics(lab)["0"][0]}],
        "disks": [{"name": "data", "size": "8 MiB"}],
    }
    for method in methods:
        lab.fault(method=method, drop=when)
    apply(lab, **declared)
    sent = {method: lab.writes().count(method) for method in methods}
    lab.clear_faults()
    if when == "before":
        assert min(sent.values()) > 1
    else:  # what was carried out is not asked for again, unless it does no harm
        assert {sent[method] for method in methods if method in ONCE} == {1}
    assert sorted(nics(lab)) == ["0", "1"]
    assert len(lab.xapi.VDI.get_by_name_label("web-001 data")) == 1
    settled(lab, **declared)


def test_check_mode_shows_the_changes_and_makes_none(lab: Lab) -> None:
    apply(lab)
    before = record(lab)
    result = apply(lab, check=True, diff=True, hardware={"memory": "2 GiB"}, allow_restart=True)
    assert result["changed"] and ", restart\n" in result["diff"]["prepared"]
    assert (lab.writes(), record(lab)["memory_static_max"]) == ([], before["memory_static_max"])
