# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks, called by their full names as users call them, over an inventory as users write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ansible import Play, run_module, run_playbook, start_playbook
from tests.support.gate import Point, gate_of, is_write
from tests.support.golden import Golden
from tests.support.lab import PASSWORD, Lab
from tests.support.state import disk_names, find_disk, names, picture, power_states, sha256_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDg0oun0cNx9t57mXtd8iZTX87LDe3iefrEISOlFCIY8 me@example"
MOMENTS = 10


def write_inventory(directory: Path, lab: Lab, url: str | None = None, **pool: Any) -> Path:
    """An inventory of one host pool with a master image and a VM pool."""
    inventory = directory / "inventory"
    (inventory / "group_vars").mkdir(parents=True, exist_ok=True)
    key = directory / "id_ed25519.pub"
    key.write_text(KEY + "\n")
    hosts = {"xenserver": {"hosts": {"london": {"xenserver_hostname": url or lab.url}}, "vars": {
        "xenserver_username": "root", "xenserver_password": PASSWORD}}}  # fmt: skip
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    web = {
        "name": "web",
        "size": 2,
        "master": "noble",
        "overlay": {"size": "1 GiB"},
        "swap": "64 MiB",
        "hardware": {"vcpus": 1, "memory": "1 GiB"},
        "networks": [
            {
                "network": "Management",
                "ipv4": {"addresses": "10.0.4.11-10.0.4.90/24", "gateway": "10.0.4.1"},
                "dns": ["10.0.4.2"],
            }
        ],
        "authorized_keys": f"{{{{ lookup('ansible.builtin.file', '{key}') }}}}",
        **pool,
    }
    variables = {
        "skinnybox_masters": [{"name": "noble", "golden_vm": "noble-golden", "keep": 3}],
        "skinnybox_pools": [web],
    }
    (inventory / "group_vars" / "xenserver.yml").write_text(yaml.safe_dump(variables))
    return inventory


def play(inventory: Path, verb: str, *arguments: str) -> Play:
    done = run_playbook(inventory, f"skinnybox.xenserver.{verb}", *arguments)
    assert PASSWORD not in done.output
    assert "Traceback" not in done.output
    return done


def changed(done: Play) -> int:
    assert done.status == 0, done.output
    return done.recap["london"]["changed"]


def test_from_golden_vm_to_nothing(lab: Lab, golden: Golden, tmp_path: Path) -> None:
    inventory = write_inventory(tmp_path, lab)
    before = picture(lab)
    lab.reset_calls()
    assert changed(play(inventory, "publish", "--check", "--diff")) == 1
    assert lab.writes() == []
    assert changed(play(inventory, "publish", "-e", "master=noble")) == 1
    lab.reset_calls()
    assert changed(play(inventory, "publish")) == 0
    look = play(inventory, "apply", "--check", "--diff")
    assert changed(look) == 1
    assert "+ web-002  on lab-host-1, overlay 1 GiB on Local storage, 10.0.4.12" in look.output
    assert lab.writes() == []
    root = find_disk(lab, "noble:1 root")
    content = sha256_of(lab, root)
    assert changed(play(inventory, "apply", "-e", "pool=web")) == 1
    assert power_states(lab) == {"web-001": "Running", "web-002": "Running"}
    lab.reset_calls()
    assert changed(play(inventory, "apply")) == 0
    assert changed(play(inventory, "demolish", "-e", "pool=web", "--check")) == 1
    assert lab.writes() == []
    assert changed(play(inventory, "demolish", "-e", "pool=web", "-e", "instance=web-001")) == 1
    assert names(lab) == ["web-002"]
    assert changed(play(inventory, "demolish", "-e", "pool=web")) == 1
    assert names(lab) == disk_names(lab) == []
    assert sha256_of(lab, root) == content
    run_module(lab, "master_image", name="noble", state="retired", version=1)
    assert picture(lab) == before


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("apply", ["-e", "pool=wbe"], "VM pool wbe is not declared in skinnybox_pools of london. Declared: web."),
        ("publish", ["-e", "master=jammy"], "Master image jammy is not declared in skinnybox_masters of london."),
        ("demolish", [], "Say which VM pool is to be removed: -e pool=web"),
        ("apply", [], "Master image 'noble' is not published in host pool"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(
    lab: Lab, tmp_path: Path, verb: str, arguments: list[str], words: str
) -> None:
    inventory = write_inventory(tmp_path, lab)
    lab.reset_calls()
    done = play(inventory, verb, *arguments)
    assert done.status != 0
    assert words in " ".join(done.output.replace('\\"', '"').split())
    assert lab.writes() == []


def test_a_misspelt_word_of_a_declaration_is_named(lab: Lab, tmp_path: Path) -> None:
    lab.reset_calls()
    done = play(write_inventory(tmp_path, lab, hardwear={"vcpus": 2}), "apply")
    assert done.status != 0
    assert "VM pool 'web': hardwear: no such option." in " ".join(done.output.split())
    assert lab.calls()["total"] == 0


@pytest.mark.matrix
def test_apply_killed_at_ten_moments_and_run_again(
    lab: Lab, golden: Golden, master: dict[str, Any], tmp_path: Path
) -> None:
    """Ten applies, each killed at a later write and followed by another: in the end all is as after one."""
    inventory = write_inventory(tmp_path, lab)
    empty = picture(lab)
    lab.reset_calls()
    assert changed(play(inventory, "apply")) == 1
    writes = len([call for call in lab.writes() if is_write(call)])
    whole = picture(lab)
    hashes = [sha256_of(lab, disk) for disk in (golden.root, golden.boot, find_disk(lab, "noble:1 root"))]
    with gate_of(lab) as gate:
        for moment in range(MOMENTS):
            run_module(lab, "vm_pool", name="web", state="absent")
            assert picture(lab) == empty
            point = gate.arm(Point("", 1 + moment * (writes - 1) // (MOMENTS - 1), "before"))
            process = start_playbook(write_inventory(tmp_path, lab, gate.url), "skinnybox.xenserver.apply")
            point.set_result(process.pid)
            output, _nothing = process.communicate(timeout=60)
            assert gate.killed_at, output
            gate.settle()
            done = play(write_inventory(tmp_path, lab), "apply")
            assert done.status == 0, done.output
            assert picture(lab) == whole, f"killed {gate.point} of {writes}, {gate.killed_at}"
    lab.reset_calls()
    assert changed(play(inventory, "apply")) == 0
    assert lab.writes() == []
    assert [sha256_of(lab, disk) for disk in (golden.root, golden.boot, find_disk(lab, "noble:1 root"))] == hashes
