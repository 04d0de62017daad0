# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module vm_pool as a process of its own against a lab."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import Golden, make_golden
from tests.support.lab import Lab, start_lab, stop_lab
from tests.support.state import disk_names, find_disk, find_vm, names, picture, power_states, sha256_of
from tools.xapi_client import add_nic, management_network

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDg0oun0cNx9t57mXtd8iZTX87LDe3iefrEISOlFCIY8 me@example"
MOST_CALLS = 15


@pytest.fixture(autouse=True)
def published(master: dict[str, object]) -> dict[str, object]:
    """Every lab here has noble:1."""
    return master


def apply(lab: Lab, size: int = 1, fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "vm_pool", **{"name": "web", "size": size, "master": "noble", **options})
    assert result.failed is fails, result.msg
    return result


def labels(lab: Lab, name: str) -> dict[str, str]:
    return lab.xapi.VM.get_other_config(find_vm(lab, name))


def detach(lab: Lab, vm: str, position: str) -> None:
    for vbd in lab.xapi.VM.get_VBDs(vm):
        if lab.xapi.VBD.get_userdevice(vbd) == position:
            lab.xapi.VBD.destroy(vbd)
            return
    raise AssertionError(f"nothing is attached at {position}")


def test_create_then_nothing_to_do(lab: Lab) -> None:
    first = apply(lab, 3, authorized_keys=KEY)
    assert first["changed"]
    assert power_states(lab) == {"web-001": "Running", "web-002": "Running", "web-003": "Running"}
    assert disk_names(lab) == ["web-001 overlay", "web-002 overlay", "web-003 overlay"]
    before = picture(lab)
    second = apply(lab, 3, authorized_keys=KEY)
    assert not second["changed"]
    assert second["plan"] == []
    assert lab.writes() == []
    assert lab.calls()["total"] <= MOST_CALLS
    assert "diff" not in second
    assert picture(lab) == before
    assert second["instances"] == first["instances"]


def test_calls_do_not_grow_with_the_number_of_vms(lab: Lab) -> None:
    apply(lab, 1)
    apply(lab, 1)
    few = lab.calls()["total"]
    apply(lab, 12, power_state="unmanaged")
    apply(lab, 12, power_state="unmanaged")
    assert lab.calls()["total"] == few


def test_an_instance_as_xapi_sees_it(lab: Lab, golden: Golden) -> None:
    result = apply(lab, 1, swap="512 MiB", hardware={"vcpus": 2, "memory": "2 GiB"})
    vm = find_vm(lab, "web-001")
    record = lab.xapi.VM.get_record(vm)
    assert (record["VCPUs_max"], record["VCPUs_at_startup"], record["memory_static_max"]) == ("2", "2", str(2 << 30))
    assert record["xenstore_data"]["vm-data/skinnybox/instance"] == result["instances"][0]["instance"]
    assert {"clone", "copy", "snapshot", "migrate_send"} <= set(record["blocked_operations"])
    attached = {}
    for vbd in (lab.xapi.VBD.get_record(ref) for ref in record["VBDs"]):
        disk = lab.xapi.VDI.get_name_label(vbd["VDI"])
        attached[vbd["userdevice"]] = (disk, vbd["type"], vbd["mode"])
        assert "owner" not in vbd["other_config"]
    assert attached == {
        "0": ("noble:1 root", "Disk", "RO"),
        "1": ("web-001 overlay", "Disk", "RW"),
        "2": ("web-001 swap", "Disk", "RW"),
        "3": ("noble:1 boot CD", "CD", "RO"),
    }
    assert lab.xapi.VDI.get_virtual_size(find_disk(lab, "web-001 swap")) == str(512 << 20)
    assert result["instances"][0]["vcpus"] == 2


def test_a_golden_vm_with_four_vcpus_gives_instances_of_one(lab: Lab, golden: Golden) -> None:
    lab.xapi.VM.set_VCPUs_max(find_vm(lab, "noble:1"), "4")
    lab.xapi.VM.set_VCPUs_at_startup(find_vm(lab, "noble:1"), "4")
    apply(lab, 1, hardware={"vcpus": 1})
    assert lab.xapi.VM.get_VCPUs_max(find_vm(lab, "web-001")) == "1"


def test_check_mode_shows_the_plan_and_writes_nothing(lab: Lab) -> None:
    apply(lab, 2)
    before = picture(lab)
    for size, line in (
        (4, "  + web-004  on lab-host-1, overlay 1 GiB on Local storage"),
        (1, "  - web-002  1 declared, newest first"),
    ):
        result = apply(lab, size, check=True, diff=True)
        assert result["changed"]
        assert line in result["diff"]["prepared"]
        assert result["diff"]["prepared"].startswith(f"Lab / web: 2 of {size} instances")
        assert lab.writes() == []
    assert picture(lab) == before


def test_three_to_five_to_two(lab: Lab, golden: Golden) -> None:
    apply(lab, 3)
    root, golden_root = find_disk(lab, "noble:1 root"), golden.root
    hashes = sha256_of(lab, root), sha256_of(lab, golden_root)
    two = {name: lab.xapi.VM.get_uuid(find_vm(lab, name)) for name in ("web-001", "web-002")}
    result = apply(lab, 5)
    assert [a["instance"] for a in result["plan"]] == ["web-004", "web-005"]
    assert names(lab) == [f"web-00{number}" for number in range(1, 6)]
    result = apply(lab, 2)
    assert [(a["action"], a["instance"]) for a in result["plan"]] == [("remove", f"web-00{n}") for n in (3, 4, 5)]
    assert {name: lab.xapi.VM.get_uuid(find_vm(lab, name)) for name in names(lab)} == two
    assert disk_names(lab) == ["web-001 overlay", "web-002 overlay"]
    assert disk_names(lab, "noble:1") == ["noble:1 boot CD", "noble:1 root"]
    assert (sha256_of(lab, root), sha256_of(lab, golden_root)) == hashes


def test_a_freed_number_is_given_again(lab: Lab) -> None:
    apply(lab, 3)
    removed = run_module(lab, "vm_pool", name="web", state="absent", instances=["web-002", "web-077"])
    assert removed["changed"]
    assert names(lab) == ["web-001", "web-003"]
    assert disk_names(lab) == ["web-001 overlay", "web-003 overlay"]
    assert not run_module(lab, "vm_pool", name="web", state="absent", instances=["web-002"])["changed"]
    assert [a["instance"] for a in apply(lab, 3)["plan"]] == ["web-002"]


def test_every_instance_has_an_identity_of_its_own(lab: Lab) -> None:
    found = apply(lab, 3, overlay={"size": "64 MiB"})["instances"]
    for what in ("instance", "uuid", "ssh_host_key"):
        assert len({instance[what] for instance in found}) == 3
    assert len({mac for instance in found for mac in instance["macs"]}) == 3
    assert len({sha256_of(lab, find_disk(lab, f"{i['name']} overlay")) for i in found}) == 3


def test_absent_leaves_nothing_of_the_pool(lab: Lab, golden: Golden) -> None:
    before = picture(lab)
    apply(lab, 2, swap="64 MiB")
    apply(lab, 1, name="db")
    result = run_module(lab, "vm_pool", name="web", state="absent")
    assert result["changed"]
    assert result["instances"] == []
    assert names(lab) == disk_names(lab) == []
    assert names(lab, "db") == ["db-001"]
    assert not run_module(lab, "vm_pool", name="web", state="absent")["changed"]
    run_module(lab, "vm_pool", name="db", state="absent")
    assert picture(lab) == before


@pytest.mark.parametrize(
    "error", [["HOST_NOT_ENOUGH_FREE_MEMORY", "2147483648", "1073741824"], ["INTERNAL_ERROR", "boom"]]
)
def test_one_that_fails_to_start_leaves_the_others_running(lab: Lab, error: list[str]) -> None:
    lab.fault(method="Async.VM.start_on", nth=2, error=error)
    result = apply(lab, 3, fails=True, placement={"spread": "host"})
    assert result["changed"]
    states = power_states(lab)
    assert sorted(states.values()) == ["Halted", "Running", "Running"]
    (halted,) = [name for name, state in states.items() if state == "Halted"]
    assert f"{halted} (VM {lab.xapi.VM.get_uuid(find_vm(lab, halted))}): created, but not started: " in result.msg
    assert error[0] in result.msg
    assert "VM pool 'web': 1 of 3 actions failed, 2 done." in result.msg
    assert [o["instance"] for o in result["outcomes"] if o["failed"]] == [halted]
    repaired = apply(lab, 3, placement={"spread": "host"})
    assert [(a["action"], a["instance"]) for a in repaired["plan"]] == [("start", halted)]
    assert set(power_states(lab).values()) == {"Running"}


def test_what_a_host_has_no_memory_for_is_refused_with_figures_before_anything_is_written(lab: Lab) -> None:
    lab.reset_calls()
    result = apply(lab, 2, fails=True, hardware={"memory": "12 GiB"})
    assert result.msg.startswith("VM pool 'web': 1 of 2 instances do not fit: each needs 12.1 GiB of a host's memory")
    assert "lab-host-1 (" in result.msg
    assert lab.writes() == []
    assert power_states(lab) == {}


@pytest.mark.parametrize(
    "call",
    ["Async.VM.clone", "VIF.create", "VM.set_other_config", "Async.VDI.create", "VDI.create", "VBD.create"],
)
def test_one_that_cannot_be_made_is_made_by_the_next_run(lab: Lab, call: str) -> None:
    lab.fault(method=call, nth=2, error=["INTERNAL_ERROR", "boom"])
    result = apply(lab, 2, fails=True)
    assert sorted(o["failed"] for o in result["outcomes"]) == [False, True]
    assert ": not created: XAPI had an internal error: boom (INTERNAL_ERROR from " in result.msg
    assert "Nothing of it is left." in result.msg
    assert len(names(lab)) == len(disk_names(lab)) == 1
    again = apply(lab, 2)
    assert power_states(lab) == {"web-001": "Running", "web-002": "Running"}
    assert disk_names(lab) == ["web-001 overlay", "web-002 overlay"]
    assert again["changed"]
    assert not apply(lab, 2)["changed"]


@pytest.mark.parametrize(("position", "lost"), [("0", "root"), ("1", "overlay"), ("2", "swap"), ("3", "boot")])
def test_lost_attachments_are_given_back(lab: Lab, position: str, lost: str) -> None:
    apply(lab, 1, swap="64 MiB", power_state="halted")
    whole = picture(lab)
    detach(lab, find_vm(lab, "web-001"), position)
    result = apply(lab, 1, swap="64 MiB", power_state="halted")
    assert result["plan_text"][1].endswith(f"lost its {lost} attachment: given back")
    assert picture(lab) == whole


def test_a_lost_nic_is_given_back_with_its_mac_and_the_instance_started(lab: Lab) -> None:
    mac = apply(lab, 1, power_state="halted")["instances"][0]["macs"]
    for vif in lab.xapi.VM.get_VIFs(find_vm(lab, "web-001")):
        lab.xapi.VIF.destroy(vif)
    result = apply(lab, 1)
    assert "lost its NIC 0: given back and started on lab-host-1" in result["plan_text"][1]
    assert result["instances"][0]["macs"] == mac
    assert power_states(lab) == {"web-001": "Running"}


def test_a_vm_deleted_by_hand_comes_back_with_its_overlay(lab: Lab) -> None:
    before = apply(lab, 2, swap="64 MiB", power_state="halted")["instances"][1]
    whole = picture(lab)
    vm = find_vm(lab, "web-002")
    lab.xapi.VM.destroy(vm)
    result = apply(lab, 2, swap="64 MiB", power_state="halted")
    after = result["instances"][1]
    for what in ("name", "number", "instance", "macs", "ssh_host_key"):
        assert after[what] == before[what]
    assert after["overlay"]["uuid"] == before["overlay"]["uuid"]
    assert after["uuid"] != before["uuid"]
    assert picture(lab) == whole
    assert not apply(lab, 2, swap="64 MiB", power_state="halted")["changed"]


def test_an_overlay_deleted_by_hand_is_told_and_nothing_done(lab: Lab) -> None:
    apply(lab, 2, power_state="halted")
    lab.xapi.VDI.destroy(find_disk(lab, "web-002 overlay"))
    result = apply(lab, 2)
    assert [(a["action"], a["instance"]) for a in result["plan"]] == [("start", "web-001"), ("attention", "web-002")]
    assert power_states(lab) == {"web-001": "Running", "web-002": "Halted"}
    assert any("web-002: overlay disk is missing" in text for text in map(str, result["warnings"]))
    assert not apply(lab, 2)["changed"]
    run_module(lab, "vm_pool", name="web", state="absent", instances=["web-002"])
    assert apply(lab, 2)["changed"]
    assert power_states(lab) == {"web-001": "Running", "web-002": "Running"}


def managed_disks(lab: Lab) -> set[str]:
    """All but base copies, which come and go as the storage manager likes."""
    return {vdi for vdi, record in lab.xapi.VDI.get_all_records().items() if record["managed"]}


def test_what_users_clone_is_theirs(lab: Lab) -> None:
    apply(lab, 2, power_state="halted")
    xapi = lab.xapi
    vm, blueprint = find_vm(lab, "web-001"), find_vm(lab, "noble:1")
    blocked = xapi.VM.get_blocked_operations(vm)
    xapi.VM.set_blocked_operations(vm, {})
    xapi.VM.clone(vm, "mine, of an instance")
    xapi.VM.set_blocked_operations(vm, blocked)
    xapi.VM.clone(blueprint, "mine, of a blueprint")
    copy = xapi.VDI.clone(find_disk(lab, "web-002 overlay"), {})
    xapi.VDI.set_name_label(copy, "mine, of an overlay")
    disks = managed_disks(lab)
    assert not apply(lab, 2, power_state="halted")["changed"]
    apply(lab, 1, power_state="halted")
    run_module(lab, "vm_pool", name="web", state="absent")
    assert names(lab) == []
    assert names(lab, "mine") == ["mine, of a blueprint", "mine, of an instance"]
    assert len(disks - managed_disks(lab)) == 2
    assert "mine, of an overlay" in disk_names(lab, "mine")


def test_an_overlay_that_somebody_else_has_attached_is_not_deleted(lab: Lab) -> None:
    apply(lab, 1, power_state="halted")
    other = lab.xapi.VM.clone(lab.xapi.VM.get_by_name_label("Other install media")[0], "rescue")
    lab.xapi.VM.provision(other)
    overlay = find_disk(lab, "web-001 overlay")
    lab.xapi.VBD.create(
        {"VM": other, "VDI": overlay, "userdevice": "5", "bootable": False, "mode": "RO", "type": "Disk",
         "empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
    )  # fmt: skip
    result = run_module(lab, "vm_pool", name="web", state="absent")
    assert result.failed
    assert "disk 'web-001 overlay'" in result.msg
    assert "is also attached to VM 'rescue'" in result.msg
    assert disk_names(lab) == ["web-001 overlay"]


def test_two_nics_with_static_addresses_of_both_families(lab: Lab, golden: Golden) -> None:
    networks = [
        {"ipv4": {"addresses": ["10.0.4.11-10.0.4.12/24"], "gateway": "10.0.4.1"}, "ipv6": {"method": "none"},
         "dns": ["10.0.4.2"], "search": ["example.com"]},
        {"network": "Internal", "ipv4": {"method": "none"}, "ipv6": {"addresses": ["fd00:4::11-fd00:4::12/64"]}},
    ]  # fmt: skip
    result = apply(lab, 2, networks=networks)
    assert [i["static_addresses"] for i in result["instances"]] == [
        ["10.0.4.11/24", "fd00:4::11/64"],
        ["10.0.4.12/24", "fd00:4::12/64"],
    ]
    assert "10.0.4.11, fd00:4::11" in result["plan_text"][1]
    nics = [lab.xapi.VIF.get_record(vif) for vif in lab.xapi.VM.get_VIFs(find_vm(lab, "web-001"))]
    found = {nic["device"]: lab.xapi.network.get_name_label(nic["network"]) for nic in nics}
    assert found == {"0": lab.xapi.network.get_name_label(management_network(lab.xapi)), "1": "Internal"}
    assert not apply(lab, 2, networks=networks)["changed"]


def test_a_golden_vm_with_two_nics_gives_instances_of_two(lab: Lab, golden: Golden) -> None:
    network = lab.xapi.network.get_by_name_label("Internal")[0]
    add_nic(lab.xapi, golden.vm, network, "1")
    make_golden(lab, "wide-golden", nics=2)
    assert not run_module(lab, "master_image", name="wide", golden_vm="wide-golden").failed
    assert len(apply(lab, 1, master="wide")["instances"][0]["macs"]) == 2


@pytest.mark.parametrize(
    ("wish", "states"), [("halted", {"Halted"}), ("unmanaged", {"Halted"}), ("running", {"Running"})]
)
def test_power_states_of_new_instances(lab: Lab, wish: str, states: set[str]) -> None:
    apply(lab, 2, power_state=wish)
    assert set(power_states(lab).values()) == states


def test_power_states_of_instances_that_are_there(lab: Lab) -> None:
    apply(lab, 2)
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-002"))
    assert not apply(lab, 2, power_state="unmanaged")["changed"]
    assert power_states(lab) == {"web-001": "Running", "web-002": "Halted"}
    result = apply(lab, 2, check=True)
    assert result["plan_text"][1] == "  ~ web-002  halted: started on lab-host-1"


def test_a_session_that_expires_in_the_middle(lab: Lab) -> None:
    for call in ("Async.VM.clone", "VM.set_other_config", "VBD.create", "Async.VM.start_on"):
        lab.fault(method=call, nth=1, error=["SESSION_INVALID", "OpaqueRef:gone"])
    result = apply(lab, 2)
    assert result["changed"]
    assert power_states(lab) == {"web-001": "Running", "web-002": "Running"}
    assert disk_names(lab) == ["web-001 overlay", "web-002 overlay"]
    logins = [entry for entry in lab.calls()["log"] if entry["method"] == "session.login_with_password"]
    assert 2 <= len(logins) <= 6


def test_every_session_is_closed(lab: Lab) -> None:
    apply(lab, 2)
    apply(lab, 9, fails=True, master="nothing")
    methods = [entry["method"] for entry in lab.calls()["log"]]
    assert methods.count("session.login_with_password") == methods.count("session.logout") == 1


def test_one_writer_at_a_time_and_a_dead_ones_lock_is_taken_over(lab: Lab) -> None:
    (pool,) = lab.xapi.pool.get_all()
    key = "skinnybox:lock:VM pool web"
    living = '{"host": "other-controller", "pid": 7, "since": 99999999999}'
    lab.xapi.pool.add_to_other_config(pool, key, living)
    result = apply(lab, 1, fails=True, lock_timeout=0)
    assert "VM pool web is being changed by process 7 on other-controller" in result.msg
    assert names(lab) == []
    assert lab.xapi.pool.get_other_config(pool)[key] == living
    lab.xapi.pool.remove_from_other_config(pool, key)
    lab.xapi.pool.add_to_other_config(pool, key, '{"host": "other-controller", "pid": 7, "since": 1000}')
    lab.xapi.pool.add_to_other_config(pool, "skinnybox:alive:2000:VM pool web", "")
    apply(lab, 1)
    assert names(lab) == ["web-001"]
    assert not [key for key in lab.xapi.pool.get_other_config(pool) if key.startswith("skinnybox")]


def test_a_long_run_elsewhere_that_gives_signs_of_life_keeps_its_lock(lab: Lab) -> None:
    (pool,) = lab.xapi.pool.get_all()
    owner = '{"host": "other-controller", "pid": 7, "since": 1000}'
    lab.xapi.pool.add_to_other_config(pool, "skinnybox:lock:VM pool web", owner)
    lab.xapi.pool.add_to_other_config(pool, f"skinnybox:alive:{int(time.time())}:VM pool web", "")
    result = apply(lab, 1, fails=True, lock_timeout=0)
    assert "VM pool web is being changed by process 7 on other-controller" in result.msg
    assert names(lab) == []


def test_the_lock_of_a_process_that_nobody_has_waited_for_is_a_dead_ones(lab: Lab) -> None:
    """In a container without an init process, killed modules stay in the table of processes for good."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    assert stat[0] == "Z"
    owner = {
        "host": "here", "pid": process.pid, "started": stat[19], "since": 99999999999,
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "namespace": str(Path("/proc/self/ns/pid").readlink()),
    }  # fmt: skip
    (pool,) = lab.xapi.pool.get_all()
    lab.xapi.pool.add_to_other_config(pool, "skinnybox:lock:VM pool web", json.dumps(owner))
    apply(lab, 1, lock_timeout=0)
    assert names(lab) == ["web-001"]
    process.wait()


def test_waiting_for_guests() -> None:
    lab = start_lab("--agent")
    try:
        make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm="noble-golden").failed
        result = apply(lab, 2, wait=True, wait_timeout=20)
        assert all(instance["addresses"] for instance in result["instances"])
    finally:
        stop_lab(lab)


def test_a_guest_that_reports_nothing_in_time(lab: Lab) -> None:
    result = apply(lab, 1, fails=True, wait=True, wait_timeout=1)
    assert "web-001: its guest tools reported no address within 1 seconds." in result.msg
    assert power_states(lab) == {"web-001": "Running"}
