# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks upgrade, rollback, commit, report, bake and promote over an inventory as users write it, with stand-ins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import mounts
from tests.support.ansible import Play, run_module, run_playbook
from tests.support.golden import make_golden, seal_again
from tests.support.lab import PASSWORD, Lab, new_lab
from tests.support.standins import CONNECTIONS, Standins, manifest_of, standins_of, write_tools, write_tree
from tests.support.state import find_vm

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not())

TOOL = {"/usr/lib/skinnybox/python/skinnybox/rebase/__main__.py": "the tool", "/usr/bin/diff3": "another"}
OLD = {**TOOL, "/etc/app.conf": "colour = red\n", "/etc/other.conf": "a\nb\nc\nd\ne\n", "/usr/bin/app": "old"}
NEW = {**TOOL, "/etc/app.conf": "colour = green\n", "/etc/other.conf": "a\nb\nc\nd\nE\n", "/usr/bin/app": "new"}
POOL = {"name": "web", "size": 2, "master": "noble"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two versions of noble; the second one is promoted."""
    with new_lab("--agent") as lab:
        golden = make_golden(lab, manifest=lambda master_id: manifest_of(master_id, OLD))
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name).failed
        seal_again(lab, golden, manifest=lambda master_id: manifest_of(master_id, NEW))
        assert not run_module(lab, "master_image", name="noble", golden_vm=golden.name, promote=True).failed
        yield lab


@pytest.fixture(scope="module")
def guests(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standins]:
    """Two running instances of version 1."""
    with standins_of(lab, tmp_path_factory.mktemp("guests"), OLD) as guests:
        pool = run_module(lab, "vm_pool", name="web", size=2, master="noble:1", wait=True)
        assert not pool.failed, pool.msg
        yield guests


@pytest.fixture(scope="module")
def ids(lab: Lab) -> dict[int, str]:
    """Master ids by version."""
    return {v["version"]: v["master_id"] for v in run_module(lab, "master_image_info")["master_images"]}


@pytest.fixture
def inventory(lab: Lab, guests: Standins, tmp_path: Path) -> Path:
    """An inventory of the host pool, which knows how to reach instances."""
    directory = tmp_path / "inventory"
    (directory / "group_vars").mkdir(parents=True)
    hosts = {"london": {"xenserver_hostname": lab.url}}
    group = {"hosts": hosts, "vars": {"xenserver_username": "root", "xenserver_password": PASSWORD}}
    golden = {"hosts": {"golden": {"ansible_connection": "local"}}}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": golden, "xenserver": group}))
    reach = {"ansible_connection": "standin", "standins": str(guests.directory)}
    (directory / "group_vars" / "skinnybox_instances.yml").write_text(yaml.safe_dump(reach))
    declare(directory)
    return directory


def declare(inventory: Path, **rollout: Any) -> None:
    variables = {"skinnybox_pools": [{**POOL, "rollout": rollout}]}
    (inventory / "group_vars" / "xenserver.yml").write_text(yaml.safe_dump(variables))


def play(inventory: Path, verb: str, *arguments: str) -> Play:
    # A cache of its own for manifests, below the test's directory.
    done = run_playbook(
        inventory,
        f"skinnybox.xenserver.{verb}",
        *arguments,
        ANSIBLE_CONNECTION_PLUGINS=str(CONNECTIONS),
        ANSIBLE_CALLBACK_RESULT_FORMAT="yaml",
        XDG_CACHE_HOME=str(inventory.parent / "cache"),
    )
    assert PASSWORD not in done.output
    assert "Traceback" not in done.output
    return done


def versions(lab: Lab) -> dict[str, tuple[int, str]]:
    """Version and power state of each instance."""
    found = run_module(lab, "vm_pool_info", name="web")["instances"]
    return {one["name"]: (one["version"], one["power_state"]) for one in found}


def text(done: Play) -> str:
    return " ".join(done.output.split())


def change(guests: Standins, name: str, master_id: str, **files: str) -> None:
    """Have an instance write files of /etc."""
    write_tree(guests.upper(name, master_id) / "etc", {f"/{path}.conf": words for path, words in files.items()})


def test_a_preview_changes_nothing_and_gives_reasons(
    lab: Lab, guests: Standins, ids: dict[int, str], inventory: Path
) -> None:
    change(guests, "web-001", ids[1], app="colour = blue\n", other="A\nb\nc\nd\ne\n")
    unreachable = guests.of("web-002") / f"unreachable-{ids[1]}"
    unreachable.touch()
    lab.reset_calls()
    look = play(inventory, "upgrade", "-e", "pool=web", "--check", "--limit", "london,skinnybox_instances")
    unreachable.unlink()
    assert look.status != 0
    assert "1 conflict (0 allowed, rollout.max_conflicts)" in text(look)
    assert "failed it cannot be reached: No route to host (web-002)" in text(look)
    assert "web-002: it cannot be reached" not in look.output  # which would be said twice
    assert "Nothing was changed. Of 2 instances, 2 must not move, as told above: web-001, web-002." in text(look)
    assert lab.writes() == []
    assert not list((guests.of("web-001") / "run/skinnybox").glob("*.gz"))


def test_a_canary_that_fails_goes_back_and_the_rest_stays(
    lab: Lab, guests: Standins, ids: dict[int, str], inventory: Path
) -> None:
    declare(inventory, health={"units": ["app"]}, max_conflicts=1)
    write_tools(guests.of("web-001") / f"tools-{ids[2]}", state="degraded", failed=["app.service"])
    lab.reset_calls()
    failed = play(inventory, "upgrade", "-e", "pool=web")
    shutil.rmtree(guests.of("web-001") / f"tools-{ids[2]}")
    assert failed.status != 0
    assert "unit app.service has failed. It is back on noble:1, healthy. The rollout stops. " in text(failed)
    assert "Of 2: 0 moved, 1 failed, 1 not touched. " in text(failed)
    assert versions(lab) == dict.fromkeys(("web-001", "web-002"), (1, "Running"))
    assert failed.recap["web-001"]["failed"] == 1
    assert failed.recap["web-002"]["changed"] == 0


def test_one_that_can_neither_start_nor_go_back_comes_back_later(
    lab: Lab, guests: Standins, ids: dict[int, str], inventory: Path
) -> None:
    declare(inventory, max_conflicts=1)
    lab.fault(method="Async.VM.start_on", error=["NO_HOSTS_AVAILABLE"], always=True)
    failed = play(inventory, "upgrade", "-e", "instance=web-001")
    lab.clear_faults()
    assert failed.status != 0
    assert "It is halted, and of noble:1 as before." in text(failed)
    assert "It could not be brought back to run on noble:1: " in text(failed)
    assert "Of 1: 0 moved, 1 failed, 0 not touched." in text(failed)
    assert versions(lab) == {"web-001": (1, "Halted"), "web-002": (1, "Running")}
    back = play(inventory, "rollback", "-e", "instance=web-001", "-e", "force=true")
    assert back.status == 0, back.output
    assert "web-001: on noble:1, what was interrupted is finished" in text(back)
    assert versions(lab) == dict.fromkeys(("web-001", "web-002"), (1, "Running"))


def test_instances_move_and_go_back_and_stay_in_the_end(
    lab: Lab, guests: Standins, ids: dict[int, str], inventory: Path
) -> None:
    tasks = inventory.parent / "check.yml"
    tasks.write_text(yaml.safe_dump([{"name": "Ask it", "ansible.builtin.command": "true", "changed_when": False}]))
    declare(inventory, health={"tasks": str(tasks)}, bake_time="1 s")
    change(guests, "web-002", ids[1], other="A\nb\nc\nd\ne\n")
    first = play(inventory, "upgrade", "-e", "instance=web-002")
    assert first.status == 0, first.output
    assert "web-002: noble:1 -> noble:2, down for " in text(first)
    assert "s; kept 3, merged 1, conflicts 0" in text(first)
    assert "Now on noble:2: 1 of 1." in text(first)
    assert first.output.count("TASK [Ask it]") == 2  # once more after the canary was let be
    assert versions(lab) == {"web-001": (1, "Running"), "web-002": (2, "Running")}

    back = play(inventory, "rollback", "-e", "pool=web")
    assert back.status == 0, back.output
    assert back.recap.keys() == {"london", "web-002"}
    assert "web-002: noble:2 -> noble:1, down for " in text(back)
    assert versions(lab) == {"web-001": (1, "Running"), "web-002": (1, "Running")}

    later = play(inventory, "upgrade", "-e", "instance=web-002", "-e", "to=noble:2", "-e", "opportunistic=true")
    assert later.status == 0, later.output
    found = run_module(lab, "vm_pool_info", name="web")["instances"]
    assert [(one["version"], one["upgrade_to"]) for one in found] == [(1, None), (1, "noble:2")]
    assert not run_module(lab, "instance", name="web-002", state="restarted", wait=True).failed

    done = play(inventory, "commit", "-e", "instance=web-002")
    assert done.status == 0, done.output
    found = run_module(lab, "vm_pool_info", name="web")["instances"]
    assert [(one["version"], one["previous"]) for one in found] == [(1, []), (2, [])]
    assert not guests.upper("web-002", ids[1]).exists()
    assert "web-002: old layers of 0.0 MiB were removed." in text(done)

    report = play(inventory, "report", "-e", "instance=web-002")
    assert report.status == 0, report.output
    assert "web-002 (VM " in report.output and ") on noble:2" in report.output
    assert "/etc/other.conf (changed)" in report.output


def test_what_instances_have_alike_is_found(guests: Standins, inventory: Path) -> None:
    for name in ("web-001", "web-002"):
        change(guests, name, (guests.of(name) / "master-id").read_text(), both="alike\n", own=f"{name}\n")
    bake = play(inventory, "bake", "-e", "pool=web")
    assert bake.status == 0, bake.output
    assert "file /etc/both.conf (added) in 2 of 2, " in text(bake)
    assert "own.conf" not in bake.output
    assert bake.changes == []


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("upgrade", ["-e", "pool=wbe"], "There is no instance of VM pool wbe in london. VM pools with instances: web."),
        (
            "upgrade",
            ["-e", "pool=web", "-e", '{"rollout": {"canary": "few"}}'],
            "VM pool web: rollout.canary: 'few' is neither a number",
        ),
        ("demolish", ["-e", "pool=web", "-e", "instances=web-001"], "instances (did you mean instance)?"),
        ("report", ["-e", "pool=web", "--limit", "london"], "--limit 'london,skinnybox_instances'"),
        ("rollback", ["-e", "instance=web-001,web-009"], "There is no instance web-009 in london."),
        (
            "commit",
            ["-e", "pool=web", "-e", "instance=db-001"],
            "no instance db-001 of VM pool web in london.",
        ),
        (
            "promote",
            ["-e", "instance=web-001", "-e", "golden=golden"],
            "(noble:1), but golden was last sealed as nothing at all: upgrade the instance",
        ),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(
    lab: Lab, inventory: Path, verb: str, arguments: list[str], words: str
) -> None:
    lab.reset_calls()
    done = play(inventory, verb, *arguments)
    assert done.status != 0
    assert words in text(done).replace('\\"', '"')
    assert lab.writes() == []


def test_one_that_is_halted_is_moved_when_a_killed_run_has_halted_it_or_when_forced(
    lab: Lab, guests: Standins, ids: dict[int, str], inventory: Path
) -> None:
    vm = find_vm(lab, "web-001")
    lab.xapi.VM.hard_shutdown(vm)
    for number in ids.values():
        (guests.of("web-001") / f"unreachable-{number}").touch()
    lab.xapi.VM.add_to_other_config(vm, "skinnybox:restarting", "true")
    assert play(inventory, "upgrade", "-e", "instance=web-001", "--check").status == 0

    lab.xapi.VM.remove_from_other_config(vm, "skinnybox:restarting")
    forced = play(inventory, "upgrade", "-e", "instance=web-001", "-e", "preflight=force")
    assert forced.status == 0, forced.output
    assert "it is halted, and only a running instance can be previewed: start it (web-001)" in text(forced)
    assert "web-001: noble:1 -> noble:2 at its next start: it is halted" in text(forced)
    assert versions(lab)["web-001"] == (2, "Halted")


def test_an_instance_that_does_not_run_is_not_promoted(lab: Lab, inventory: Path) -> None:
    assert not run_module(lab, "instance", name="web-002", state="stopped", wait=True).failed
    done = play(inventory, "promote", "-e", "instance=web-002", "-e", "golden=golden")
    assert done.status != 0
    assert "web-002 does not run. What it has changed is read while it runs: start it first." in text(done)
