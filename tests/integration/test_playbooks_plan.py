# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks plan, apply and build over an inventory of two host pools, with a plan that is kept in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.ansible import Play, run_module, run_playbook
from tests.support.golden import make_golden
from tests.support.lab import PASSWORD, Lab, new_lab
from tests.support.state import names

WEB = {
    "name": "web",
    "size": 2,
    "master": "noble",
    "overlay": {"size": "64 MiB"},
    "hardware": {"profile": "small"},
    "networks": [{"ipv4": {"addresses": "10.0.4.11-10.0.4.90/24"}}],
    "personality": ["base"],
}
DB = {"name": "db", "size": 1, "master": "noble:1", "overlay": {"size": "64 MiB"}, "power_state": "halted"}
BOTH = ("db-", "web-")


@pytest.fixture(scope="module")
def london() -> Iterator[Lab]:
    """The first of two host pools in one lab: its calls are those of both."""
    with new_lab("--pools", "2") as lab:
        yield lab


@pytest.fixture(scope="module")
def paris(london: Lab) -> Lab:
    """The second one. Both hold noble:1; every test has VM pools of its own."""
    paris = Lab(london.at("127.0.1.1"), london.process, control_url=london.url)
    for lab in (london, paris):
        make_golden(lab)
        assert not run_module(lab, "master_image", name="noble", golden_vm="noble-golden").failed
    return paris


@pytest.fixture
def inventory(london: Lab, paris: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory of both, in the directory in which playbooks are called."""
    directory = tmp_path / "inventory"
    (directory / "group_vars").mkdir(parents=True)
    hosts = {"london": {"xenserver_hostname": london.url}, "paris": {"xenserver_hostname": paris.url}}
    group = {"hosts": hosts, "vars": {"xenserver_username": "root", "xenserver_password": PASSWORD}}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"xenserver": group}))
    declare(directory, WEB, DB)
    monkeypatch.chdir(tmp_path)
    return directory


def declare(inventory: Path, *pools: dict[str, object]) -> None:
    profiles = {"small": {"vcpus": 1, "memory": "512 MiB"}}
    variables = {"skinnybox_hardware_profiles": profiles, "skinnybox_pools": list(pools)}
    (inventory / "group_vars" / "xenserver.yml").write_text(yaml.safe_dump(variables))


def play(inventory: Path, verb: str, *arguments: str) -> Play:
    done = run_playbook(inventory, f"skinnybox.xenserver.{verb}", *arguments)
    assert PASSWORD not in done.output
    assert "Traceback" not in done.output
    return done


def counts(done: Play, what: str) -> dict[str, int]:
    return {host: found[what] for host, found in done.recap.items()}


def text(done: Play) -> str:
    return " ".join(done.output.replace('\\"', '"').split())


def test_a_plan_is_read_kept_and_carried_out_or_refused(london: Lab, paris: Lab, inventory: Path) -> None:
    london.reset_calls()
    planned = play(inventory, "plan")
    assert planned.status == 0, planned.output
    assert london.writes() == []
    assert counts(planned, "changed") == {"london": 0, "paris": 0}
    for line in (
        "/ db: 0 of 1 instances, master noble:1",
        "overlay 64 MiB on Local storage, 10.0.4.12",
        "Plan: 3 to create, 0 to change, 0 to remove. Disk: ",
        "VM pool web: no effect yet: personality",
    ):
        assert planned.output.count(line) == 2, line
    kept = json.loads(Path("skinnybox-plan.json").read_text())
    assert [entry["instance"] for entry in kept["paris"]["actions"]] == ["db-001", "web-001", "web-002"]
    assert kept["london"]["host_pool"]["uuid"] != kept["paris"]["host_pool"]["uuid"]

    look = play(inventory, "apply", "-e", "plan_file=skinnybox-plan.json", "--check", "--diff", "--limit", "paris")
    assert counts(look, "changed") == {"paris": 1}
    assert "overlay 64 MiB on Local storage, 10.0.4.12\n" in look.output
    assert london.writes() == []

    # One host pool is not any more as it was; the other is, and gets what was planned for it.
    assert not run_module(paris, "vm_pool", name="db", size=1, master="noble", power_state="halted").failed
    applied = play(inventory, "apply", "-e", "plan_file=skinnybox-plan.json")
    assert counts(applied, "changed") == {"london": 1, "paris": 0}
    assert counts(applied, "failed") == {"london": 0, "paris": 1}
    assert "The saved plan is not what would be done now: db-001 (" in text(applied)
    assert names(london, BOTH) == ["db-001", "web-001", "web-002"]
    assert names(paris, BOTH) == ["db-001"]


def test_a_kept_plan_is_of_some_pools_and_some_host_pools(london: Lab, inventory: Path) -> None:
    declare(inventory, WEB, {**DB, "name": "app"})
    assert play(inventory, "plan", "-e", "pool=app", "-e", "plan_file=app.json", "--limit", "london").status == 0
    applied = play(inventory, "apply", "-e", "plan_file=app.json")
    assert "app.json holds no plan of paris. It holds: london." in text(applied)
    assert counts(applied, "failed") == {"london": 0, "paris": 1}
    assert names(london, "app") == ["app-001"]


def test_build_makes_more_than_there_are(london: Lab, inventory: Path) -> None:
    declare(inventory, WEB, {**DB, "name": "ci", "size": 9})
    arguments = ("-e", "pool=ci", "--limit", "london")
    assert counts(play(inventory, "build", *arguments, "-e", "count=2"), "changed") == {"london": 1}
    assert names(london, "ci") == ["ci-001", "ci-002"]
    declare(inventory, {**DB, "name": "ci", "size": 2})
    london.reset_calls()
    look = play(inventory, "build", *arguments, "--check", "--diff")
    assert "+ ci-003  " in look.output
    assert "Plan: 1 to create" in look.output
    assert "VM pool ci is declared with size 2: raise size to 3, or the next apply removes" in text(look)
    assert london.writes() == []
