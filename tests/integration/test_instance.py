# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module instance: one instance by its name, in every state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.golden import make_golden, seal_again
from tests.support.lab import Lab, new_lab
from tests.support.state import disk_names, find_disk, find_vm, names, sha256_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDg0oun0cNx9t57mXtd8iZTX87LDe3iefrEISOlFCIY8 me@example"


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    """A lab whose guests have agents, with noble:1 and noble:2."""
    with new_lab("--agent") as lab:
        golden = make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
        seal_again(lab, golden)
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
        yield lab


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    """That lab, without instances before and after."""
    yield shared
    shared.clear_faults()
    assert not run_module(shared, "vm_pool", name="web", state="absent").failed
    assert names(shared) == []


def pool(lab: Lab, size: int = 1, **options: Any) -> Result:
    result = run_module(lab, "vm_pool", **{"name": "web", "size": size, "master": "noble:1", **options})
    assert not result.failed, result.msg
    return result


def instance(lab: Lab, name: str = "web-001", fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "instance", name=name, **options)
    assert result.failed is fails, result.msg
    return result


def details(result: Result) -> list[str]:
    return [action["detail"] for action in result["plan"]]


def unchanged(lab: Lab, **options: Any) -> bool:
    result = instance(lab, **options)
    return not result["changed"] and result["plan"] == [] and lab.writes() == []


def labels(lab: Lab, name: str = "web-001") -> dict[str, str]:
    config = lab.xapi.VM.get_other_config(find_vm(lab, name))
    return {key.removeprefix("skinnybox:"): value for key, value in config.items() if key.startswith("skinnybox:")}


def test_stopped_started_restarted(lab: Lab) -> None:
    pool(lab)
    assert unchanged(lab, state="started")
    assert instance(lab, state="stopped")["instance"]["power_state"] == "Halted"
    assert unchanged(lab, state="stopped")
    assert unchanged(lab)
    assert instance(lab, state="started")["instance"]["power_state"] == "Running"
    result = instance(lab, state="restarted", wait=True)
    assert (details(result), result["plan"][0]["downtime"]) == (["restarted"], "restart")
    assert "Async.VM.clean_reboot" in lab.writes()
    assert result["instance"]["addresses"]
    instance(lab, state="stopped")
    assert instance(lab, state="restarted")["instance"]["power_state"] == "Running"


def test_a_guest_that_does_not_follow_is_switched_off_only_by_force(lab: Lab) -> None:
    pool(lab)
    for state, call in (("stopped", "VM.clean_shutdown"), ("restarted", "VM.clean_reboot")):
        lab.fault(method=call, error=["VM_LACKS_FEATURE", find_vm(lab, "web-001")], always=True)
        assert "guest tools" in instance(lab, fails=True, state=state).msg
        assert instance(lab, state=state, force=True)["changed"]
        lab.clear_faults()
        instance(lab, state="started")


def test_only_what_is_given_is_compared(lab: Lab) -> None:
    pool(lab, hardware={"vcpus": 2, "vcpus_max": 4}, swap="64 MiB")
    assert unchanged(lab)
    result = instance(lab, hardware={"vcpus": 4})
    assert details(result) == ["vcpus 2 -> 4, live"]
    assert (result["instance"]["vcpus"], result["instance"]["swap"]["size"]) == (4, 64 << 20)
    assert unchanged(lab, hardware={"vcpus": 4})


def test_what_needs_a_restart_waits_for_leave_or_for_a_halt(lab: Lab) -> None:
    pool(lab)
    waits = instance(lab, hardware={"memory": "2 GiB"}, disks=[{"name": "data", "size": "8 MiB"}])
    assert waits["changed"]  # the disk came live
    assert any(line.startswith("needs a restart: memory") for line in details(waits))
    again = instance(lab, hardware={"memory": "2 GiB"})
    assert (again["changed"], lab.writes()) == (False, [])
    assert instance(lab, hardware={"memory": "2 GiB"}, state="restarted")["plan"][0]["downtime"] == "restart"
    assert unchanged(lab, hardware={"memory": "2 GiB"}, disks=[{"name": "data", "size": "8 MiB"}])
    stopped = instance(lab, state="stopped", hardware={"memory": "1 GiB"})
    assert details(stopped) == ["memory 2 GiB -> 1 GiB, shut down"]
    assert stopped["instance"]["memory"] == 1 << 30


def test_present_makes_an_instance_with_the_number_of_its_name(lab: Lab) -> None:
    made = instance(lab, "web-007", pool="web", master="noble:1", authorized_keys=KEY)
    assert (made["instance"]["number"], made["instance"]["power_state"]) == (7, "Running")
    assert disk_names(lab, "web-007") == ["web-007 overlay"]
    assert unchanged(lab, name="web-007", pool="web", master="noble:1", authorized_keys=KEY)
    other = instance(lab, "database", pool="web", master="noble:1")
    assert other["instance"]["number"] == 1
    # The VM pool counts both as its own.
    assert pool(lab, 2)["plan"] == []
    assert instance(lab, "database", state="absent")["changed"]
    assert instance(lab, "web-007", state="absent")["instance"] == {}
    assert disk_names(lab, "web-007") == []
    assert unchanged(lab, name="web-007", state="absent")


def test_a_rebuilt_instance_keeps_its_name_uuid_macs_and_data(lab: Lab) -> None:
    networks = [{"ipv4": {"addresses": ["10.0.4.11-10.0.4.19/24"], "gateway": "10.0.4.1"}}]
    pool(lab, networks=networks, swap="64 MiB", disks=[{"name": "data", "size": "8 MiB"}])
    (before,) = run_module(lab, "instance_info", name="web-001")["instances"]
    root = sha256_of(lab, find_disk(lab, "noble:1 root"))
    assert "has static addresses (10.0.4.11/24)" in instance(lab, fails=True, state="rebuilt").msg
    assert lab.writes() == []
    result = instance(lab, state="rebuilt", networks=networks, authorized_keys=KEY)
    after = result["instance"]
    same = ("name", "number", "uuid", "instance", "pool", "macs", "static_addresses", "version", "disks", "vcpus")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["power_state"] == "Running"
    for disk in ("overlay", "swap"):
        assert after[disk]["uuid"] != before[disk]["uuid"]
        assert after[disk]["size"] == before[disk]["size"]
    assert after["ssh_host_key"] != before["ssh_host_key"]
    assert disk_names(lab, "web-001") == ["web-001 data", "web-001 overlay", "web-001 swap"]
    assert not {"rebuilding", "restarting"} & set(labels(lab))
    assert sha256_of(lab, find_disk(lab, "noble:1 root")) == root
    assert pool(lab, networks=networks, swap="64 MiB", disks=[{"name": "data", "size": "8 MiB"}])["plan"] == []


def test_rebuilt_on_another_master_version_and_halted(lab: Lab) -> None:
    pool(lab, power_state="halted")
    kept = instance(lab, master="noble:2")
    assert (kept["changed"], details(kept)[0]) == (
        False,
        "runs on noble:1, declared is noble:2: upgrade it with playbook upgrade",
    )
    result = instance(lab, master="noble:2", state="rebuilt")
    assert "master noble:1 -> noble:2" in details(result)[0]
    assert (result["instance"]["version"], result["instance"]["power_state"]) == (2, "Halted")
    vm = lab.xapi.VM.get_record(find_vm(lab, "web-001"))
    attached = {}
    for vbd in map(lab.xapi.VBD.get_record, vm["VBDs"]):
        attached[vbd["userdevice"]] = (lab.xapi.VDI.get_name_label(vbd["VDI"]), vbd["type"], vbd["mode"])
    assert attached == {
        "0": ("noble:2 root", "Disk", "RO"),
        "1": ("web-001 overlay", "Disk", "RW"),
        "3": ("noble:2 boot CD", "CD", "RO"),
    }
    assert pool(lab, master="noble:2", power_state="halted")["plan"] == []


@pytest.mark.parametrize("call", ["VDI.create", "VBD.create", "VDI.destroy", "VM.start_on"])
def test_an_interrupted_rebuild_is_finished_by_apply(lab: Lab, call: str) -> None:
    pool(lab)
    lab.fault(method=call, error=["INTERNAL_ERROR", "no"])
    broken = run_module(lab, "instance", name="web-001", state="rebuilt", authorized_keys=KEY)
    lab.clear_faults()
    assert broken.failed
    uuid = lab.xapi.VM.get_uuid(find_vm(lab, "web-001"))
    assert f"web-001 (VM {uuid})" in broken.msg
    pool(lab, authorized_keys=KEY)
    assert pool(lab, authorized_keys=KEY)["plan"] == []
    assert names(lab) == ["web-001"]
    assert disk_names(lab, "web-001") == ["web-001 overlay"]
    assert lab.xapi.VM.get_power_state(find_vm(lab, "web-001")) == "Running"
    assert not {"rebuilding", "restarting"} & set(labels(lab))


def test_a_lost_overlay_is_made_anew_by_a_rebuild(lab: Lab) -> None:
    pool(lab, power_state="halted")
    lab.xapi.VDI.destroy(find_disk(lab, "web-001 overlay"))
    assert instance(lab, state="rebuilt")["instance"]["overlay"]
    assert pool(lab, power_state="halted")["plan"] == []


REFUSALS = [
    ("no such instance", {"name": "web-077", "state": "started"}, "There is no instance 'web-077' in host pool"),
    ("no master", {"name": "web-077", "pool": "web"}, "Give its pool and master to have it made."),
    ("another pool", {"name": "web-001", "pool": "db"}, "belongs to VM pool 'web'"),
    ("somebody's VM", {"name": "noble-golden", "state": "absent"}, "is no instance of Skinnybox's: left alone."),
    ("no hostname", {"name": "Web_1"}, "name: "),
    ("idle word", {"name": "web-001", "state": "absent", "swap": "1 GiB"}, "swap: no use with state absent."),
    ("unknown network", {"name": "web-001", "networks": [{"network": "DMZ"}]}, "There is no network 'DMZ'"),
]


@pytest.mark.parametrize(("options", "sentence"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_what_cannot_be_is_refused_before_anything_is_written(lab: Lab, options: dict[str, Any], sentence: str) -> None:
    pool(lab, power_state="halted")
    assert sentence in instance(lab, fails=True, **options).msg
    assert lab.writes() == []


def test_a_suspended_instance_is_left_alone(lab: Lab) -> None:
    pool(lab)
    lab.xapi.VM.suspend(find_vm(lab, "web-001"))
    for state in ("started", "stopped", "restarted"):
        assert "is suspended: resume it" in instance(lab, fails=True, state=state).msg
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-001"))


def test_two_vms_of_one_name_are_refused_with_their_uuids(lab: Lab) -> None:
    pool(lab, power_state="halted")
    other = lab.xapi.VM.clone(lab.xapi.VM.get_by_name_label("Other install media")[0], "web-001")
    lab.xapi.VM.set_is_a_template(other, False)
    ours = next(vm for vm in lab.xapi.VM.get_by_name_label("web-001") if vm != other)
    refused = instance(lab, fails=True, state="absent").msg
    assert lab.xapi.VM.get_uuid(other) in refused and lab.xapi.VM.get_uuid(ours) in refused
    lab.xapi.VM.destroy(other)


def test_check_mode_writes_nothing(lab: Lab) -> None:
    pool(lab)
    for options in (
        {"state": "restarted"},
        {"state": "rebuilt"},
        {"state": "absent"},
        {"hardware": {"memory": "2 GiB"}},
    ):
        result = instance(lab, check=True, diff=True, allow_restart=True, **options)
        assert result["changed"] and result["diff"]["prepared"]
        assert lab.writes() == []
