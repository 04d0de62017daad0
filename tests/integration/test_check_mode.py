# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode in front of every change: it says what the change then does, and no call that writes reaches XAPI."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.ansible import run_module
from tests.support.golden import Golden, make_golden
from tests.support.lab import ROOT, Lab, new_lab
from tests.support.state import find_vm, picture
from tests.support.zygote import PLUGINS

Options = dict[str, Any]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Its guests have an agent, so they can be shut down."""
    with new_lab("--agent") as lab:
        yield lab


def pool(size: int, **options: Any) -> Options:
    return {"name": "web", "size": size, "master": "noble", "power_state": "halted", **options}


def overlay(state: str, **options: Any) -> Options:
    return {"instance": "web-001", "state": state, **options}


def instance(state: str, **options: Any) -> Options:
    return {"name": "web-007", "state": state, **options}


DATA = [{"name": "data", "size": "1 GiB"}]

#: What no module does: the instance's guest has come up, and its boot hook has reported so.
BOOTED = ""

#: A story in which every module that writes to a host pool changes something in every state that it has.
STORY: list[tuple[str, Options]] = [
    ("master_image", {"name": "noble", "golden_vm": "noble-golden", "promote": False}),
    ("master_image", {"name": "noble", "state": "promoted"}),
    ("vm_pool", pool(3, swap="1 MiB")),
    ("vm_pool", pool(2)),
    ("vm_pool", pool(2, power_state="running")),
    ("vm_pool", pool(2, power_state="halted")),
    ("vm_pool", pool(2, hardware={"vcpus": 2, "memory": "512 MiB"})),
    ("overlay_disk", overlay("present", size="2 GiB")),
    ("overlay_disk", overlay("snapshot", snapshot="one")),
    ("overlay_disk", overlay("reverted", snapshot="one")),
    ("overlay_disk", overlay("reset")),
    ("overlay_disk", overlay("detached")),
    ("vm_pool", pool(3, hardware={"vcpus": 2, "memory": "512 MiB"})),
    ("overlay_disk", overlay("absent")),
    ("vm_pool", {"name": "web", "state": "absent", "instances": ["web-001"]}),
    ("instance", instance("present", pool="web", master="noble")),
    ("instance", instance("present", hardware={"vcpus": 3}, disks=DATA, allow_restart=True)),
    ("instance", instance("stopped")),
    ("instance", instance("started")),
    ("instance", instance("restarted")),
    ("instance", instance("rebuilt")),
    ("master_image", {"name": "noble", "golden_vm": "noble-next", "promote": True}),
    ("instance", instance("upgraded", when="next_restart")),
    ("instance", instance("upgraded")),
    (BOOTED, {}),
    ("instance", instance("upgraded")),
    ("instance", instance("rolled_back")),
    (BOOTED, {}),
    ("instance", instance("rolled_back")),
    ("instance", instance("committed")),
    ("instance", instance("absent")),
    ("vm_pools", {"pools": [pool(1), pool(1, name="db")]}),
    ("vm_pool", {"name": "web", "state": "absent"}),
    ("vm_pool", {"name": "db", "state": "absent"}),
    ("master_image", {"name": "noble", "state": "retired", "version": 1}),
    ("master_image", {"name": "noble", "state": "retired", "version": 2}),
]
#: Changes that are made at every run.
AGAIN = {"reset", "reverted", "restarted", "rebuilt"}


def report_boot(lab: Lab) -> None:
    vm, key = find_vm(lab, "web-007"), "vm-data/skinnybox/report"
    master_id = lab.xapi.VM.get_other_config(vm)["skinnybox:master_id"]
    lab.xapi.VM.add_to_xenstore_data(vm, key, f"state=running;master={master_id};layer=rebased")


def test_check_mode_in_front_of_every_change(lab: Lab, golden: Golden) -> None:
    make_golden(lab, "noble-next")
    untouched = picture(lab)
    for module, options in STORY:
        if module == BOOTED:
            report_boot(lab)
            continue
        before = picture(lab)
        lab.reset_calls()
        checked = run_module(lab, module, check=True, diff=True, **options)
        assert not checked.failed, f"{module} {options}: {checked.msg}"
        assert lab.writes() == [], (module, options)
        assert checked["changed"], (module, options)
        assert checked["diff"], (module, options)
        assert picture(lab) == before
        done = run_module(lab, module, diff=True, **options)
        assert not done.failed, f"{module} {options}: {done.msg}"
        assert done["changed"], (module, options)
        assert done["diff"] == checked["diff"]
        if options.get("state") in AGAIN:
            continue
        lab.reset_calls()
        again = run_module(lab, module, **options)
        assert not again["changed"], (module, options)
        assert lab.writes() == [], (module, options)
    assert picture(lab) == untouched


def states_of(module: str) -> set[str]:
    """All values of a module's option ``state``, as it is documented."""
    options = yaml.safe_load(importlib.import_module(f"{PLUGINS}.{module}").DOCUMENTATION)["options"]
    return set(options.get("state", {}).get("choices", ["present"]))


def test_the_story_has_every_module_and_state() -> None:
    told: dict[str, set[str]] = {}
    for module, options in STORY:
        first = {"master_image": "published"}.get(module, "present")
        if module != BOOTED:
            told.setdefault(module, set()).add(options.get("state", first))
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert told == {module: states_of(module) for module in groups["xenserver"] if not module.endswith("_info")}
