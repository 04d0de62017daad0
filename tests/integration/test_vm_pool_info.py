# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module vm_pool_info against a lab."""

from __future__ import annotations

from tests.support.ansible import run_module
from tests.support.lab import Lab
from tests.support.state import find_vm


def test_an_empty_host_pool(lab: Lab) -> None:
    result = run_module(lab, "vm_pool_info")
    assert (result["instances"], result["pools"], result["changed"]) == ([], [], False)


def test_instances_in_the_words_of_vm_pool(lab: Lab, master: dict[str, object]) -> None:
    made = run_module(lab, "vm_pool", name="web", size=2, master="noble", swap="64 MiB")
    run_module(lab, "vm_pool", name="db", size=1, master="noble")
    lab.xapi.VM.hard_shutdown(find_vm(lab, "web-002"))
    lab.reset_calls()
    everything = run_module(lab, "vm_pool_info")
    assert lab.writes() == []
    assert lab.calls()["total"] <= 15
    assert [i["name"] for i in everything["instances"]] == ["db-001", "web-001", "web-002"]
    assert everything["pools"] == [
        {"name": "db", "instances": 1, "running": 1},
        {"name": "web", "instances": 2, "running": 1},
    ]
    web = run_module(lab, "vm_pool_info", name="web")
    assert web["instances"][0] == made["instances"][0]
    assert web["instances"][0]["swap"]["size"] == 64 << 20


def test_queries_and_check_mode(lab: Lab, master: dict[str, object]) -> None:
    run_module(lab, "vm_pool", name="web", size=2, master="noble", power_state="halted")
    for check in (False, True):
        result = run_module(lab, "vm_pool_info", query="instances[?power_state=='Halted'].name", check=check)
        assert result["result"] == ["web-001", "web-002"]
    assert run_module(lab, "vm_pool_info", name="nothing")["instances"] == []
