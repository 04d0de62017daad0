# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a run has come can be seen while it runs: in XAPI, and by who waits for the playbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.ansible import run_module, start_playbook
from tests.support.lab import PASSWORD, Lab
from tests.support.waiting import wait_for

TITLE = "Skinnybox: VM pool web"


def progress(lab: Lab) -> list[float]:
    """What the tasks of VM pool web say."""
    return [lab.xapi.task.get_progress(task) for task in lab.xapi.task.get_by_name_label(TITLE)]


def write_playbook(directory: Path, lab: Lab) -> tuple[Path, Path]:
    """A task of one's own in a playbook, and an inventory for it."""
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"london": {"ansible_connection": "local"}}}}))
    module: dict[str, Any] = {"hostname": lab.url, "password": PASSWORD, "name": "web", "size": 3, "master": "noble"}
    playbook = directory / "web.yml"
    task = {"skinnybox.xenserver.vm_pool": module, "environment": {"LANG": "C"}}
    playbook.write_text(yaml.safe_dump([{"hosts": "london", "gather_facts": False, "tasks": [task]}]))
    return inventory, playbook


def test_progress_is_seen_in_xapi_and_by_the_playbook(tmp_path: Path, lab: Lab, master: dict[str, object]) -> None:
    lab.fault(method="VDI.create", nth=3, hang=True)
    inventory, playbook = write_playbook(tmp_path, lab)
    process = start_playbook(inventory, str(playbook))
    wait_for(lambda: [value for value in progress(lab) if 0.6 < value < 0.7])
    lab.clear_faults()
    output, _nothing = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert re.search(r"^london / web: 2 of 3 done, last web-00\d started$", output, re.MULTILINE), output
    assert lab.xapi.task.get_by_name_label(TITLE) == []


def test_a_short_run_says_nothing_and_leaves_no_task(tmp_path: Path, lab: Lab, master: dict[str, object]) -> None:
    assert not run_module(lab, "vm_pool", name="web", size=1, master="noble").failed
    inventory, playbook = write_playbook(tmp_path, lab)
    output, _nothing = start_playbook(inventory, str(playbook), "--check").communicate(timeout=600)
    assert "changed=1" in output
    assert "london / web: " not in output
    assert not [r for r in lab.xapi.task.get_all_records().values() if r["name_label"].startswith("Skinnybox")]
