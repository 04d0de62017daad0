# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module instance_info: instances by name and VM pool, in the words of vm_pool_info."""

from __future__ import annotations

from tests.support.ansible import run_module
from tests.support.lab import Lab


def test_instances_by_name_and_pool(lab: Lab, master: dict[str, object]) -> None:
    for pool in ("web", "db"):
        assert not run_module(lab, "vm_pool", name=pool, size=2, master="noble", power_state="halted").failed
    everything = run_module(lab, "instance_info")["instances"]
    assert [one["name"] for one in everything] == ["db-001", "db-002", "web-001", "web-002"]
    assert run_module(lab, "vm_pool_info")["instances"] == everything
    lab.reset_calls()
    assert run_module(lab, "instance_info", name="web-002")["instances"] == [everything[3]]
    assert lab.writes() == []
    assert run_module(lab, "instance_info", pool="db")["instances"] == everything[:2]
    assert run_module(lab, "instance_info", name="web-002", pool="db")["instances"] == []
    found = run_module(lab, "instance_info", name="web-001", query="instances[0].master")
    assert found["result"] == "noble"
