# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine survives within one run: lost answers, expired sessions, instances that fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.lab import Lab
from tests.support.state import find_vm, names, picture, power_states

WEB = {"name": "web", "master": "noble", "swap": "1 MiB"}


def apply(lab: Lab, size: int, **options: Any) -> Result:
    return run_module(lab, "vm_pool", **{**WEB, "size": size, **options})


def remove(lab: Lab) -> Result:
    return run_module(lab, "vm_pool", name="web", state="absent")


def writes_of(lab: Lab, act: Any) -> list[str]:
    """The writing calls, each once."""
    lab.reset_calls()
    result = act()
    assert not result.failed, result.msg
    return [call for call in dict.fromkeys(lab.writes()) if not call.startswith(("session.", "task.destroy"))]


HARDWARE = {"vcpus": 2, "memory": "1 GiB", "cpu_weight": 512, "cores_per_socket": 2}


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_answer_that_is_lost_at_every_write(lab: Lab, master: dict[str, object], drop: str) -> None:
    nothing = picture(lab)
    made = writes_of(lab, lambda: apply(lab, 1, hardware=HARDWARE))
    clean = picture(lab)
    gone = writes_of(lab, lambda: remove(lab))
    assert {"Async.VM.clone", "VIF.create", "VBD.create", "PUT /import_raw_vdi", "VM.set_other_config"} <= set(made)
    assert {"Async.VM.clean_shutdown", "Async.VDI.destroy", "Async.VM.destroy", "VM.add_to_other_config"} <= set(gone)
    for nth in (1, 2):
        lose(lab, made, nth, drop)
        lab.reset_calls()
        result = apply(lab, 1, hardware=HARDWARE)
        # Sent again only where it was not carried out.
        assert lab.writes().count("Async.VM.clone") == (2 if (nth, drop) == (1, "before") else 1)
        assert not result.failed, f"{drop} number {nth}: {result.msg}"
        assert picture(lab) == clean, f"{drop} number {nth}"
        lose(lab, gone, nth, drop)
        result = remove(lab)
        assert not result.failed, f"{drop} number {nth}: {result.msg}"
        assert picture(lab) == nothing, f"{drop} number {nth}"
    assert own_tasks(lab) == []


def own_tasks(lab: Lab) -> list[str]:
    """Names of tasks of our making that still run."""
    records = lab.xapi.task.get_all_records().values()
    return [r["name_label"] for r in records if r["name_label"].startswith("Skinnybox") and r["status"] == "pending"]


def lose(lab: Lab, calls: list[str], nth: int, drop: str) -> None:
    """Have the answer to the nth of each of these calls get lost."""
    lab.clear_faults()
    for call in calls:
        lab.fault(method=call, nth=nth, drop=drop)


def test_one_that_fails_stops_nobody_else(lab: Lab, master: dict[str, object]) -> None:
    lab.fault(method="VM.start_on", nth=2, error=["INTERNAL_ERROR", "boom"])
    result = apply(lab, 4)
    assert result.failed
    assert sorted(power_states(lab).values()) == ["Halted", "Running", "Running", "Running"]
    (failed,) = [outcome for outcome in result["outcomes"] if outcome["failed"]]
    assert result.msg.startswith("VM pool 'web': 1 of 4 actions failed, 3 done. ")
    uuid = lab.xapi.VM.get_uuid(find_vm(lab, failed["instance"]))
    assert f"{failed['instance']} (VM {uuid}): created, but not started: " in result.msg
    assert failed["changed"]
    assert failed["steps"] == ["VM cloned", "overlay made", "swap disk made"]


def test_fail_fast_begins_nothing_more(lab: Lab, master: dict[str, object]) -> None:
    lab.fault(method="VM.clone", nth=1, error=["INTERNAL_ERROR", "boom"], always=True)
    result = apply(lab, 40, fail_fast=True, hardware={"memory": "256 MiB"})
    assert result.failed
    assert not result["changed"]
    untried = [outcome for outcome in result["outcomes"] if "not tried: " in outcome["msg"]]
    assert untried
    assert all("failed before it" in outcome["msg"] for outcome in untried)
    assert names(lab) == []
