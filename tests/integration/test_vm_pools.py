# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module vm_pools: several VM pools by one plan, and a saved plan that must still hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.ansible import Result, run_module
from tests.support.lab import Lab
from tests.support.state import disk_names, find_vm, names, picture, power_states

MOST_CALLS = 15
ALL = ("web-", "db-")
WEB: dict[str, Any] = {"name": "web", "size": 2, "master": "noble", "overlay": {"size": "64 MiB"}}
DB: dict[str, Any] = {"name": "db", "size": 1, "master": "noble:1", "overlay": {"size": "64 MiB"}}


@pytest.fixture(autouse=True)
def published(master: dict[str, object]) -> dict[str, object]:
    """Every lab here has noble:1."""
    return master


def apply(lab: Lab, *pools: dict[str, Any], fails: bool = False, **options: Any) -> Result:
    lab.reset_calls()
    result = run_module(lab, "vm_pools", pools=list(pools), **options)
    assert result.failed is fails, result.msg
    return result


def refused(lab: Lab, words: str, *pools: dict[str, Any], **options: Any) -> None:
    result = apply(lab, *pools, fails=True, **options)
    assert words in result.msg
    assert lab.writes() == []


def test_pools_are_made_changed_and_confirmed_together(lab: Lab) -> None:
    look = apply(lab, WEB, DB, check=True, diff=True)
    assert look["changed"]
    assert lab.writes() == []
    assert look["diff"]["prepared"].splitlines() == look["plan_text"]
    assert [line for line in look["plan_text"] if line.startswith("  ")] == [
        "  + db-001  on lab-host-1, overlay 64 MiB on Local storage",
        "  + web-001  on lab-host-1, overlay 64 MiB on Local storage",
        "  + web-002  on lab-host-1, overlay 64 MiB on Local storage",
    ]
    made = apply(lab, WEB, DB)
    assert power_states(lab, ALL) == dict.fromkeys(["db-001", "web-001", "web-002"], "Running")
    assert [instance["name"] for instance in made["instances"]] == ["db-001", "web-001", "web-002"]
    assert made["plan"] == look["plan"]
    assert not [outcome for outcome in made["outcomes"] if outcome["failed"]]
    again = apply(lab, DB, WEB)
    assert not again["changed"]
    assert lab.writes() == []
    assert lab.calls()["total"] <= MOST_CALLS
    assert again["plan_text"][-1] == "Plan: nothing to do."
    scaled = apply(lab, {**WEB, "size": 1}, {**DB, "size": 2})
    assert sorted((action["action"], action["instance"]) for action in scaled["plan"]) == [
        ("create", "db-002"),
        ("remove", "web-002"),
    ]
    assert names(lab, ALL) == ["db-001", "db-002", "web-001"]
    # A pool that is not in the list is left alone.
    assert not apply(lab, {**DB, "size": 2})["changed"]
    assert names(lab, ALL) == ["db-001", "db-002", "web-001"]


def test_hardware_profiles_hold_for_all_pools(lab: Lab) -> None:
    small, large = {"vcpus": 1, "memory": "512 MiB"}, {"vcpus": 2, "memory": "1 GiB"}
    made = apply(
        lab,
        {**WEB, "size": 1, "hardware": {"profile": "small"}, "power_state": "halted"},
        {**DB, "hardware": {"profile": "large", "vcpus": 4}, "power_state": "halted"},
        hardware_profiles={"small": small, "large": large},
    )
    assert [(i["name"], i["vcpus"], i["memory"] >> 20) for i in made["instances"]] == [
        ("db-001", 4, 1024),
        ("web-001", 1, 512),
    ]


BAD: list[tuple[str, list[Any], str]] = [
    ("misspelt", [{**WEB, "hardwear": {}}], "VM pool 'web': hardwear: no such option. Options: "),
    ("misspelt inside", [DB, {**WEB, "overlay": {"siez": "1 GiB"}}], "VM pool 'web': overlay.siez: no such option."),
    ("no name", [DB, {"size": 1, "master": "noble"}], "pools[1]: a VM pool needs a name."),
    ("no size", [{"name": "web", "master": "noble"}], "VM pool 'web': missing required arguments: size"),
    ("empty size", [{**WEB, "size": None}], "VM pool 'web': missing required arguments: size"),
    ("no number", [{**WEB, "size": "many"}], "VM pool 'web': "),
    ("no choice", [{**WEB, "power_state": "on"}], "VM pool 'web': value of power_state must be one of"),
    ("bad size", [{**WEB, "overlay": {"size": "1"}}], "VM pool 'web': overlay.size: '1' is no size"),
    ("profile", [{**WEB, "hardware": {"profile": "huge"}}], "VM pool 'web': hardware.profile: there is no hardware"),
    ("twice", [WEB, DB, WEB], "VM pool 'web' is declared 2 times."),
    ("no dictionary", ["web"], "pools"),
    ("no master image", [DB, {**WEB, "master": "jammy"}], "VM pool 'web': Master image 'jammy' is not published"),
    ("names", [{**p, "instance_name": "vm-{number}"} for p in (WEB, DB)], "would both make an instance called 'vm-1'"),
]


def test_what_cannot_be_names_the_pool_and_the_word(lab: Lab) -> None:
    for what, pools, words in BAD:
        result = apply(lab, *pools, fails=True)
        assert words in result.msg, what
        assert lab.writes() == [], what


def test_a_saved_plan_is_carried_out_only_while_it_holds(lab: Lab) -> None:
    saved = json.loads(json.dumps(apply(lab, WEB, DB, check=True)["saved_plan"]))
    refused(lab, "VM pool 'web': size was declared 2, is 3", {**WEB, "size": 3}, DB, saved_plan=saved)
    refused(lab, "it is also of VM pool 'db'", WEB, saved_plan=saved)
    refused(lab, "its format is None", WEB, DB, saved_plan={"plan": []})
    before = picture(lab)
    other = {**saved, "host_pool": {"uuid": "0f", "name": "paris"}}
    refused(lab, "it was made for host pool 'paris' (0f), this is ", WEB, DB, saved_plan=other)
    assert picture(lab) == before
    assert apply(lab, WEB, DB, saved_plan=saved, check=True)["changed"]
    assert lab.writes() == []
    assert apply(lab, WEB, DB, saved_plan=saved)["changed"]
    assert names(lab, ALL) == ["db-001", "web-001", "web-002"]
    refused(lab, "is new", WEB, DB, saved_plan=saved)
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-002"))
    saved = apply(lab, WEB, DB, check=True)["saved_plan"]
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-001"))
    web_001 = lab.xapi.VM.get_uuid(find_vm(lab, "web-001"))
    refused(lab, f"web-001 ({web_001}): power_state was Running, is Halted", WEB, DB, saved_plan=saved)
    assert power_states(lab, ALL) == {"db-001": "Running", "web-001": "Halted", "web-002": "Halted"}


def test_one_failure_in_one_pool_is_told_and_the_rest_done(lab: Lab) -> None:
    apply(lab, {**WEB, "power_state": "halted"}, {**DB, "power_state": "halted"})
    lab.fault(method="Async.VM.start_on", error=["VM_HVM_REQUIRED", "OpaqueRef:1"], nth=1)
    result = apply(lab, WEB, DB, fails=True)
    assert "VM pools 'db', 'web': 1 of 3 actions failed, 2 done." in result.msg
    failed = [outcome["instance"] for outcome in result["outcomes"] if outcome["failed"]]
    assert len(failed) == 1
    assert failed[0] in result.msg
    assert sorted(power_states(lab, ALL).values()) == ["Halted", "Running", "Running"]
    assert not apply(lab, WEB, DB).failed
    assert set(power_states(lab, ALL).values()) == {"Running"}
    assert disk_names(lab, ALL) == ["db-001 overlay", "web-001 overlay", "web-002 overlay"]
