# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance moves to another master version and back, as a user has it done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ansible import Result, arguments_of, run_module, zygote
from tests.support.golden import make_golden, seal_again
from tests.support.guests import Guests, guests_of
from tests.support.lab import Lab, new_lab
from tests.support.state import find_disk, find_vm, picture
from tests.support.waiting import wait_for

Options = dict[str, Any]
KEY = "vm-data/skinnybox/"


def run(lab: Lab, module: str, fails: bool = False, check: bool = False, **options: Any) -> Result:
    result = run_module(lab, module, check=check, diff=True, **options)
    assert result.failed is fails, result.msg
    return result


def instance(lab: Lab, state: str, fails: bool = False, check: bool = False, **options: Any) -> Result:
    return run(lab, "instance", fails, check, **{"name": "web-001", "state": state, "wait": True, **options})


def pool(lab: Lab, **options: Any) -> Result:
    return run(lab, "vm_pool", **{"name": "web", "size": 1, "master": "noble:1", "wait": True, **options})


def publish(lab: Lab, name: str, golden: str, **options: Any) -> Result:
    return run(lab, "master_image", name=name, golden_vm=golden, **options)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two versions of noble, the second one promoted."""
    with new_lab("--agent") as lab:
        golden = make_golden(lab)
        publish(lab, "noble", golden.name)
        seal_again(lab, golden)
        publish(lab, "noble", golden.name, promote=True)
        yield lab


@pytest.fixture
def guests(lab: Lab) -> Iterator[Guests]:
    """An instance of the first version, which is up."""
    with guests_of(lab) as guests:
        pool(lab)
        lab.reset_calls()
        yield guests
        lab.clear_faults()
        run(lab, "vm_pool", name="web", state="absent")


def labels(lab: Lab, name: str = "web-001") -> dict[str, str]:
    found = lab.xapi.VM.get_other_config(find_vm(lab, name))
    return {key.removeprefix("skinnybox:"): value for key, value in found.items() if key.startswith("skinnybox:")}


def keys(lab: Lab, name: str = "web-001") -> dict[str, str]:
    found = lab.xapi.VM.get_xenstore_data(find_vm(lab, name))
    return {key.removeprefix(KEY): value for key, value in found.items() if not key.endswith(("/report", "/instance"))}


def attached(lab: Lab, name: str = "web-001") -> dict[str, str]:
    """Disks by position."""
    vbds = [lab.xapi.VBD.get_record(vbd) for vbd in lab.xapi.VM.get_VBDs(find_vm(lab, name))]
    return {vbd["userdevice"]: lab.xapi.VDI.get_name_label(vbd["VDI"]) for vbd in vbds}


BEFORE = {"0": "noble:1 root", "1": "web-001 overlay", "3": "noble:1 boot CD"}
AFTER = {"0": "noble:2 root", "1": "web-001 overlay", "3": "noble:2 boot CD"}


def test_there_and_back(lab: Lab, guests: Guests) -> None:
    before = picture(lab)
    upgraded = instance(lab, "upgraded")
    assert upgraded["plan_text"][1] == "  ~ web-001  master noble:1 -> noble:2, rebase, restart"
    assert upgraded["downtime"] > 0
    assert upgraded["outcomes"][0]["downtime"] == upgraded["downtime"]
    now = upgraded["instance"]
    assert (now["version"], now["previous"], now["moving_to"]) == (2, ["noble:1"], None)
    assert now["boot"]["layer"] == "rebased" and now["boot"]["kept"] == 3 and now["boot"]["seconds"] == 0.5
    assert attached(lab) == AFTER and keys(lab) == {}
    overlay = lab.xapi.VDI.get_other_config(find_disk(lab, "web-001 overlay"))
    assert overlay["skinnybox:version"] == "2"
    assert not instance(lab, "upgraded")["changed"]
    back = instance(lab, "rolled_back")
    assert back["plan_text"][1] == "  ~ web-001  master noble:2 -> noble:1, rolled back, restart"
    assert back["instance"]["boot"]["layer"] == "kept"
    assert attached(lab) == BEFORE
    assert labels(lab)["abandoned"]
    assert not instance(lab, "rolled_back")["changed"]
    lab.xapi.VM.remove_from_other_config(find_vm(lab, "web-001"), "skinnybox:abandoned")
    lab.xapi.VM.remove_from_xenstore_data(find_vm(lab, "web-001"), KEY + "report")
    assert without_reports(picture(lab)) == without_reports(before)


def master_id(lab: Lab, number: int) -> str:
    found = run(lab, "master_image_info", name="noble")["master_images"]
    return next(str(one["master_id"]) for one in found if one["version"] == number)


def has_reported(lab: Lab, name: str = "web-001") -> bool:
    return KEY + "report" in lab.xapi.VM.get_xenstore_data(find_vm(lab, name))


def power_state(lab: Lab, name: str = "web-001") -> str:
    return str(lab.xapi.VM.get_power_state(find_vm(lab, name)))


def findings(lab: Lab) -> set[str]:
    """Names of the guards that find something of VM pool web which has to do with its versions."""
    found = run(lab, "guard_info", name="web")["findings"]
    return {one["guard"] for one in found} - {"master-without-replica", "master-uncached"}


def without_reports(picture: dict[str, list[Any]]) -> str:
    return str(picture).replace("'vm-data/skinnybox/report', ", "").replace(", 'vm-data/skinnybox/report'", "")


def test_who_does_not_wait_has_it_finished_by_the_next_run(lab: Lab, guests: Guests) -> None:
    left = instance(lab, "upgraded", wait=False)
    assert left["downtime"] is None
    assert attached(lab) == {**AFTER, "4": "noble:1 root"}
    assert left["instance"]["moving_to"] == "noble:2"
    wait_for(lambda: has_reported(lab))
    assert findings(lab) == {"old-root-attached"}
    finished = pool(lab, master="noble")
    assert finished["plan_text"][1] == "  ~ web-001  its upgrade to noble:2 finished, live"
    assert attached(lab) == AFTER and keys(lab) == {} and findings(lab) == set()
    assert pool(lab, master="noble")["plan"] == []


def test_a_guest_that_does_not_come_up_goes_back(lab: Lab, guests: Guests) -> None:
    before = picture(lab)
    guests.broken[master_id(lab, 2)] = "diff3 is missing"
    failed = instance(lab, "upgraded", fails=True)
    assert (
        "noble:2 did not boot: diff3 is missing (rebase). Its layer of the version before is as it was." in failed.msg
    )
    assert "Roll it back (module instance, state rolled_back)" in failed.msg
    assert power_state(lab) == "Halted" and findings(lab) == {"upgrade-failed"}
    # Another start would only fail as this one did.
    lab.reset_calls()
    left = pool(lab, master="noble")
    assert "could not boot noble:2 after its upgrade: diff3 is missing (rebase)" in left["plan_text"][1]
    assert "could not boot noble:2" in instance(lab, "started", fails=True).msg
    assert lab.writes() == []
    back = instance(lab, "rolled_back")
    assert back["instance"]["boot"]["layer"] == "kept" and back["downtime"] is None  # it was down before
    assert attached(lab) == BEFORE and keys(lab) == {} and findings(lab) == set()
    assert not instance(lab, "rolled_back", master="noble:1")["changed"]
    guests.broken.clear()
    assert instance(lab, "upgraded")["instance"]["boot"]["layer"] == "rebased"
    assert [of for _overlay, of in guests.built] == [master_id(lab, 1), master_id(lab, 2)]
    instance(lab, "rolled_back")
    assert power_state(lab) == "Running"
    assert len(picture(lab)["VBD"]) == len(before["VBD"])


def test_what_did_not_come_up_is_upgraded_again_when_the_cause_is_mended(lab: Lab, guests: Guests) -> None:
    guests.broken[master_id(lab, 2)] = "no space left"
    instance(lab, "upgraded", fails=True)
    assert instance(lab, "upgraded", check=True)["changed"]
    guests.broken.clear()
    up = instance(lab, "upgraded")
    assert up["instance"]["boot"]["layer"] == "rebased" and attached(lab) == AFTER and power_state(lab) == "Running"
    assert not instance(lab, "upgraded")["changed"]


def test_a_guest_that_says_nothing_is_told_of_and_can_be_rolled_back(lab: Lab, guests: Guests) -> None:
    guests.silent.add(master_id(lab, 2))
    silent = instance(lab, "upgraded", fails=True, wait_timeout=0)
    assert "reported nothing within 0 seconds; look at its console" in silent.msg
    assert attached(lab) == {**AFTER, "4": "noble:1 root"}
    lab.fault(method="VM.clean_shutdown", error=["VM_LACKS_FEATURE", "x"])
    assert "VM_LACKS_FEATURE" in instance(lab, "rolled_back", fails=True).msg
    lab.fault(method="VM.clean_shutdown", error=["VM_LACKS_FEATURE", "x"])
    instance(lab, "rolled_back", force=True)
    assert attached(lab) == BEFORE and power_state(lab) == "Running"


def test_an_old_root_that_the_guest_holds_is_detached_at_its_next_halt(lab: Lab, guests: Guests) -> None:
    lab.fault(method="VBD.unplug", error=["DEVICE_DETACH_REJECTED", "VBD", "x", "in use"])
    steps = instance(lab, "upgraded")["outcomes"][0]["steps"]
    assert any(step.startswith("old root not detached before the next halt: ") for step in steps)
    assert attached(lab) == {**AFTER, "4": "noble:1 root"} and findings(lab) == {"old-root-attached"}
    assert pool(lab, master="noble")["plan"] == []
    restarted = instance(lab, "restarted")
    assert restarted["plan_text"][1] == "  ~ web-001  old root noble:1 detached, restart"
    assert attached(lab) == AFTER and findings(lab) == set()


def test_an_upgrade_waits_for_the_next_restart(lab: Lab, guests: Guests) -> None:
    noted = instance(lab, "upgraded", when="next_restart")
    assert noted["plan_text"][1] == "  ~ web-001  next restart: master -> noble:2, live"
    assert noted["instance"]["upgrade_to"] == "noble:2" and attached(lab) == BEFORE
    assert not instance(lab, "upgraded", when="next_restart")["changed"]
    assert pool(lab, master="noble")["plan_text"][1].endswith("declared is noble:2: upgraded at its next restart")
    instance(lab, "upgraded", when="next_restart", master="noble:1")
    assert run(lab, "instance_info", name="web-001")["instances"][0]["upgrade_to"] is None
    instance(lab, "upgraded", when="next_restart")
    instance(lab, "stopped")
    assert attached(lab) == BEFORE
    started = instance(lab, "started")
    assert started["plan_text"][1].startswith("  ~ web-001  master noble:1 -> noble:2, rebase, started on ")
    assert attached(lab) == AFTER and keys(lab) == {} and "upgrade_to" not in labels(lab)
    instance(lab, "rolled_back")
    instance(lab, "upgraded", when="next_restart")
    assert instance(lab, "restarted")["plan_text"][1] == "  ~ web-001  master noble:1 -> noble:2, rebase, restart"
    instance(lab, "rolled_back")
    instance(lab, "upgraded", when="next_restart")
    hardware = {"hardware": {"cores_per_socket": 1, "vcpus": 2}, "allow_restart": True}
    assert "vcpus 1 -> 2, master noble:1 -> noble:2, rebase, restart" in pool(lab, **hardware)["plan_text"][1]
    assert attached(lab) == AFTER and power_state(lab) == "Running"


def test_an_instance_whose_overlay_is_reset_begins_with_a_fresh_layer(lab: Lab, guests: Guests) -> None:
    pool(lab, overlay={"on_boot": "reset"}, allow_restart=True)
    up = instance(lab, "upgraded")
    assert "master noble:1 -> noble:2, fresh layer, restart" in up["plan_text"][1]
    assert up["instance"]["boot"]["layer"] == "new" and attached(lab) == AFTER
    assert keys(lab) == {"new_layer": "create"}  # at each of its boots
    instance(lab, "restarted")
    assert not instance(lab, "upgraded")["changed"]


def test_a_halted_instance_is_moved_and_stays_halted(lab: Lab, guests: Guests) -> None:
    instance(lab, "stopped")
    instance(lab, "upgraded")
    assert power_state(lab) == "Halted" and attached(lab) == {**AFTER, "4": "noble:1 root"}
    assert not instance(lab, "upgraded")["changed"]
    assert instance(lab, "started")["instance"]["boot"]["layer"] == "rebased"
    assert attached(lab) == AFTER and keys(lab) == {}


#: What fails once, while a running instance is upgraded, and leaves it running on the old version.
FAILURES = [
    ("VM.clean_shutdown", ["VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT", "x"]),
    ("VBD.create", ["SR_BACKEND_FAILURE_47", "", "The SR is not available", ""]),
    ("VBD.destroy", ["INTERNAL_ERROR", "x"]),
    ("VM.set_xenstore_data", ["INTERNAL_ERROR", "x"]),
    ("VDI.add_to_other_config", ["INTERNAL_ERROR", "x"]),
    ("VM.start_on", ["SR_BACKEND_FAILURE_46", "", "The VDI is not available", ""]),
]


@pytest.mark.parametrize(("call", "error"), FAILURES, ids=[call for call, _error in FAILURES])
def test_what_fails_on_the_way_leaves_the_old_version_running(
    lab: Lab, guests: Guests, call: str, error: list[str]
) -> None:
    before = picture(lab)
    lab.fault(method=call, error=error)
    failed = instance(lab, "upgraded", fails=True)
    assert lab.faults() == []
    assert f"({error[0]} from " in failed.msg and "It runs on noble:1 as before." in failed.msg
    wait_for(lambda: has_reported(lab))
    assert picture(lab) == before
    assert instance(lab, "upgraded")["instance"]["version"] == 2


REFUSALS: list[tuple[str, Options, str]] = [
    ("another image", {"state": "upgraded", "master": "jammy"}, "Master image 'jammy' is not published"),
    ("no such version", {"state": "upgraded", "master": "noble:9"}, "Master image noble:9 does not exist."),
    ("never upgraded", {"state": "rolled_back"}, "has no version to go back to: it was never upgraded"),
    ("not been there", {"state": "rolled_back", "master": "noble:2"}, "Versions that it can go back to: none."),
    ("back to any", {"state": "rolled_back", "master": "noble"}, "say to which version of noble it is to go back"),
    ("later, what", {"state": "started", "when": "next_restart"}, "when: next_restart goes with state upgraded"),
    ("idle words", {"state": "rolled_back", "swap": "1 GiB"}, "swap: no use with state rolled_back."),
    ("idle master", {"state": "committed", "master": "noble:1"}, "master: no use with state committed."),
]


def test_what_cannot_be_is_refused_before_anything_is_written(lab: Lab, guests: Guests) -> None:
    for title, options, sentence in REFUSALS:
        assert sentence in instance(lab, **options, fails=True).msg, title
    assert lab.writes() == []


def test_check_mode_writes_nothing(lab: Lab, guests: Guests) -> None:
    for options in ({"state": "upgraded"}, {"state": "upgraded", "when": "next_restart"}):
        planned = instance(lab, **options, check=True)
        assert planned["changed"] and planned["diff"]["prepared"]
    assert lab.writes() == []
    instance(lab, "upgraded")
    lab.reset_calls()
    for state in ("rolled_back", "committed"):
        planned = instance(lab, state, check=True)
        assert planned["changed"] and planned["diff"]["prepared"]
    assert lab.writes() == []


def test_a_version_that_an_instance_can_go_back_to_stays(lab: Lab, guests: Guests) -> None:
    instance(lab, "upgraded")
    refused = run(lab, "master_image", name="noble", state="retired", version=1, fails=True, check=True)
    assert "1 instance(s) can go back to it, or are to be upgraded to it: web-001. Commit them first" in refused.msg
    kept = run(lab, "master_image", name="noble", golden_vm="noble-golden", keep=1, check=True)
    assert not kept["changed"]
    assert "noble:1 is not retired: 1 instance(s) can go back" in str(kept.data["warnings"])
    committed = instance(lab, "committed")
    assert "committed: cannot go back to noble:1 any more" in committed["plan_text"][1]
    assert committed["instance"]["previous"] == []
    assert not instance(lab, "committed")["changed"]
    assert "its upgrade was committed" in instance(lab, "rolled_back", fails=True).msg
    assert run(lab, "master_image", name="noble", state="retired", version=1, check=True)["changed"]


def test_a_rebuild_forgets_where_it_could_go_back(lab: Lab, guests: Guests) -> None:
    instance(lab, "upgraded", wait=False)
    rebuilt = instance(lab, "rebuilt", master="noble:1", wait=False)["instance"]
    assert (rebuilt["previous"], rebuilt["moving_to"], rebuilt["version"]) == ([], None, 1)
    assert attached(lab) == BEFORE and keys(lab) == {}


def test_data_disks_keep_their_places(lab: Lab, guests: Guests) -> None:
    pool(lab, disks=[{"name": "data", "size": "2 MiB"}])
    instance(lab, "upgraded", wait=False)
    assert attached(lab) == {**AFTER, "4": "web-001 data", "5": "noble:1 root"}
    wait_for(lambda: has_reported(lab))
    instance(lab, "upgraded")
    assert attached(lab) == {**AFTER, "4": "web-001 data"}


def test_instances_of_one_vm_pool_are_upgraded_side_by_side(lab: Lab, guests: Guests) -> None:
    """While one is held up in its shutdown, another one is upgraded, and nobody changes the VM pool."""
    pool(lab, size=2)

    def begin(controller: int, module: str, options: Options) -> None:
        zygote(controller).start(module, arguments_of(lab, None, False, False, options))

    def end(controller: int) -> Options:
        _status, out, err = zygote(controller).wait()
        assert "Traceback" not in err + out, err + out
        return dict(json.loads(out))

    lab.reset_calls()
    lab.fault(method="VM.clean_shutdown", hang=True)
    begin(0, "instance", {"name": "web-001", "state": "upgraded", "wait": True})
    wait_for(lambda: "Async.VM.clean_shutdown" in lab.writes())
    begin(1, "instance", {"name": "web-002", "state": "upgraded", "wait": True, "lock_timeout": 0})
    assert end(1)["instance"]["version"] == 2
    begin(1, "instance", {"name": "web-001", "state": "upgraded", "lock_timeout": 0})
    assert "VM pool web, instance web-001 is being changed by process" in end(1)["msg"]
    begin(1, "vm_pool", {"name": "web", "size": 3, "master": "noble", "lock_timeout": 0})
    assert "VM pool web, instance web-001 is being changed by process" in end(1)["msg"]
    # Who waits for the whole VM pool keeps others from beginning, and gets it when the last one has ended.
    begin(1, "vm_pool", {"name": "web", "size": 3, "master": "noble", "wait": True})
    wait_for(lambda: LOCK in pool_keys(lab))
    late = instance(lab, "rolled_back", fails=True, name="web-002", lock_timeout=0)
    assert "VM pool web is being changed by process" in late.msg
    lab.clear_faults()
    assert end(0)["instance"]["version"] == 2
    assert not end(1).get("failed")
    assert not [key for key in pool_keys(lab) if key.startswith("skinnybox:lock:")]


LOCK = "skinnybox:lock:VM pool web"


def pool_keys(lab: Lab) -> list[str]:
    (record,) = lab.xapi.pool.get_all_records().values()
    return list(record["other_config"])
