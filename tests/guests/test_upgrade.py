# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three instances with changes of their own move to a second master version, by the playbooks, and go back again.

The tests are steps of one story and run in the order of this file.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guests import expected, scenario
from tests.guests.conftest import GOLDEN, Golden, Published
from tests.guests.guest_lab import GuestLab
from tests.support.ansible import Play, run_module, run_playbook
from tests.support.lab import PASSWORD
from tests.support.state import find_disk, find_vm
from tools.xapi_client import attach

SEAL = str(Path(__file__).with_name("seal.yml"))
PREVIEW = str(Path(__file__).with_name("preview.yml"))
POOL = "app"
NAMES = ("app-001", "app-002", "app-003")
CHANGES = dict(zip(NAMES, (scenario.NEWER, scenario.OLDER, scenario.FILES), strict=True))
EXPECTED = dict(zip(NAMES, (expected.NEWER, expected.OLDER, expected.FILES), strict=True))
FIRST, SECOND = "bookworm:1", "bookworm:2"
LAYERS = "/run/initramfs/skinnybox/overlay/layers"
#: What every boot, the time that passes or Ansible's way to copy files changes in an instance.
VOLATILE = re.compile(r"/(tmp|var/tmp|var/log|var/lib/systemd|root/\.ansible|run|proc|sys|dev)(/|$)")
#: Prints what is different after each boot.
BOOT = "cat /proc/sys/kernel/random/boot_id"
#: What overlayfs notes on directories for itself, as they are looked at.
BOOKKEEPING = re.compile(r" trusted\.overlay\.(origin|impure)=\w+")
#: Seconds for one step of an instance under emulation, beside others.
WAIT = ["-e", "wait_timeout=900"]


@dataclass
class Instance:
    """A running instance of the pool."""

    name: str
    vm: str
    address: str


@dataclass
class Upgrade:
    """What the tests need: two versions, three changed instances on the first, and how they were."""

    inventory: Path
    instances: dict[str, Instance]
    first: str  # master ids
    second: str
    layers: dict[str, dict[str, str]]
    trees: dict[str, dict[str, str]]
    shadow: dict[str, str]
    boots: dict[str, str]


@pytest.fixture(scope="module")
def ready(
    lab: GuestLab,
    golden: Golden,
    master: Published,
    packages: list[Path],
    key: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Upgrade:
    """Three instances are changed while the golden VM becomes the second version."""
    make_pool(lab, key)
    vms = {name: find_vm(lab, name) for name in NAMES}
    for vm in (*vms.values(), golden.vm):
        lab.start(vm)
    address = lab.wait_for_address(golden.vm)
    instances = {name: Instance(name, vm, lab.wait_for_address(vm)) for name, vm in vms.items()}

    first = master.facts["master_id"]

    def change(instance: Instance) -> None:
        lab.run_script(instance.address, f"mkdir -p -m 0700 /root/.ansible\n{CHANGES[instance.name]}", packages)

    def patch() -> Play:
        lab.run_script(address, scenario.SECOND_MASTER, packages)
        return run_playbook(golden.inventory, SEAL, "-e", f"ansible_host={address}")

    with ThreadPoolExecutor() as threads:
        patching = threads.submit(patch)
        list(threads.map(change, instances.values()))
        layers = dict(zip(NAMES, threads.map(lambda one: layer(lab, one, first), instances.values()), strict=True))
        trees = dict(zip(NAMES, threads.map(lambda one: tree(lab, one), instances.values()), strict=True))
        sealed = patching.result()
    assert sealed.status == 0, sealed.output
    lab.wait_until_halted(golden.vm)
    published = run_module(lab, "master_image", name="bookworm", golden_vm=GOLDEN, promote=False)
    assert not published.failed, published.msg

    return Upgrade(
        inventory=write_inventory(lab, key, tmp_path_factory.mktemp("upgrade") / "inventory"),
        instances=instances,
        first=first,
        second=published["master_image"]["master_id"],
        layers=layers,
        trees=trees,
        shadow={name: lab.ssh(instance.address, "cat /etc/shadow") for name, instance in instances.items()},
        boots={name: lab.ssh(instance.address, BOOT) for name, instance in instances.items()},
    )


def make_pool(lab: GuestLab, key: Path) -> None:
    """Three halted instances on the first version."""
    made = run_module(
        lab,
        "vm_pool",
        name=POOL,
        size=len(NAMES),
        master=FIRST,
        power_state="halted",
        hardware={"vcpus": 1, "memory": "512 MiB"},
        authorized_keys=key.with_suffix(".pub").read_text(),
    )
    assert not made.failed, made.msg


def write_inventory(lab: GuestLab, key: Path, directory: Path) -> Path:
    """An inventory as an administrator has it: the host pool, its declarations, how instances are logged in to."""
    variables = directory / "group_vars"
    variables.mkdir(parents=True)
    connection = {"xenserver_hostname": lab.url, "xenserver_username": "root", "xenserver_password": PASSWORD}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"xenserver": {"hosts": {"london": connection}}}))
    pool = {
        "name": POOL,
        "size": len(NAMES),
        "master": FIRST,
        "rollout": {
            "canary": 1,
            "batch": "100%",
            "max_conflicts": 1,
            "health": {"units": ["skinny-demo"], "timeout": 600},
        },
    }
    (variables / "xenserver.yml").write_text(yaml.safe_dump({"skinnybox_pools": [pool]}))
    login = {
        "ansible_port": lab.ssh_port,
        "ansible_ssh_private_key_file": str(key),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    (variables / "skinnybox_instances.yml").write_text(yaml.safe_dump(login))
    return directory


def layer(lab: GuestLab, instance: Instance, master_id: str) -> dict[str, str]:
    """All that is in a layer of the instance, path -> its line, with content, owners by number and times."""
    upper = f"{LAYERS}/{master_id}/upper"
    found = lab.look(instance.address, "tree", upper)
    return lasting({path.removeprefix(upper): BOOKKEEPING.sub("", line) for path, line in found.items()})


def tree(lab: GuestLab, instance: Instance) -> dict[str, str]:
    """All files that are seen in the instance, path -> its line, without content."""
    return lasting(lab.look(instance.address, "names", "/"))


def lasting(found: dict[str, str]) -> dict[str, str]:
    return {path: line for path, line in found.items() if not VOLATILE.match(path)}


def play(ready: Upgrade, verb: str, *arguments: str) -> Play:
    done = run_playbook(ready.inventory, f"skinnybox.xenserver.{verb}", "-e", f"pool={POOL}", *arguments, *WAIT)
    assert PASSWORD not in done.output
    assert "Traceback" not in done.output
    return done


def on_version(lab: GuestLab, ready: Upgrade) -> dict[str, str]:
    """Instance -> the master id that its hook reported, as long as it runs."""
    return {
        name: lab.report(instance.vm)["master"]
        for name, instance in ready.instances.items()
        if lab.xapi.VM.get_power_state(instance.vm) == "Running"
    }


def find_again(lab: GuestLab, ready: Upgrade, *names: str) -> None:
    """Guests may have other addresses after a boot."""
    for name in names or NAMES:
        instance = ready.instances[name]
        instance.address = lab.wait_for_address(instance.vm)


@pytest.fixture(scope="module")
def previews(lab: GuestLab, ready: Upgrade, golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Instance -> what overlay_report and rebase_info say of it on the first version."""
    directory = tmp_path_factory.mktemp("previews")
    manifest = run_module(lab, "master_manifest_info", master=SECOND, dest=str(directory))
    assert not manifest.failed, manifest.msg
    login = yaml.safe_load(golden.inventory.read_text())["all"]["hosts"]["golden"]
    hosts = {name: {**login, "ansible_host": instance.address} for name, instance in ready.instances.items()}
    inventory = directory / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    words = ["-e", f"manifest={manifest['path']}", "-e", f"results={directory}"]
    done = run_playbook(inventory, PREVIEW, *words)
    assert done.status == 0, done.output
    return {name: json.loads((directory / f"{name}.json").read_text()) for name in NAMES}


def test_a_report_has_what_was_changed(previews: dict[str, Any]) -> None:
    packages = {
        name: {package["name"]: package["change"] for package in preview["differs"]["packages"]}
        for name, preview in previews.items()
    }
    assert packages["app-001"] == {"skinny-demo": "upgraded", "skinny-extra": "installed"}
    assert packages["app-002"] == {"skinny-demo": "upgraded", "skinny-tool": "removed"}
    files = {file["path"]: file["change"] for file in previews["app-003"]["differs"]["files"]}
    wanted = {
        "/opt/removed/changed": "changed",
        "/opt/removed/deleted": "deleted",
        "/opt/site": "opaque",
        "/opt/site/one": "changed",
        "/srv/kinds/large": "added",
    }
    assert {path: files.get(path) for path in wanted} == wanted


@pytest.fixture(scope="module")
def failed(lab: GuestLab, ready: Upgrade) -> Play:
    """An upgrade whose first instance does not pass the administrator's own check, and works on the old version."""
    tasks = ready.inventory.parent / "check.yml"
    check = "grep -q 'version 1' /etc/motd"
    tasks.write_text(yaml.safe_dump([{"name": "Ask our monitoring", "ansible.builtin.command": check}]))
    rollout = {"rollout": {"health": {"tasks": str(tasks)}}}
    # One to fail, one not to be touched: each preview takes its time.
    asked_for = f"instance={','.join(NAMES[:2])}"
    return play(ready, "upgrade", "-e", f"to={SECOND}", "-e", asked_for, "-e", json.dumps(rollout))


def test_a_canary_that_fails_goes_back_and_nothing_else_moves(lab: GuestLab, ready: Upgrade, failed: Play) -> None:
    assert failed.status != 0
    assert "Ask our monitoring" in failed.output
    assert on_version(lab, ready) == dict.fromkeys(NAMES, ready.first)
    find_again(lab, ready)
    canary = ready.instances[NAMES[0]]
    assert lab.ssh(canary.address, "systemctl is-active skinny-demo skinny-extra").split() == ["active", "active"]
    assert lab.report(canary.vm)["layer"] == "kept"
    rebooted = [name for name, one in ready.instances.items() if lab.ssh(one.address, BOOT) != ready.boots[name]]
    assert rebooted == [canary.name]
    assert layer(lab, canary, ready.first) == ready.layers[canary.name]


@pytest.fixture(scope="module")
def upgraded(lab: GuestLab, ready: Upgrade, failed: Play) -> Iterator[Play]:
    """All three on the second version."""
    done = play(ready, "upgrade", "-e", f"to={SECOND}")
    assert done.status == 0, done.output
    find_again(lab, ready)
    yield done


def test_all_run_on_the_second_version(lab: GuestLab, ready: Upgrade, upgraded: Play) -> None:
    assert on_version(lab, ready) == dict.fromkeys(NAMES, ready.second)
    for name, instance in ready.instances.items():
        report = lab.report(instance.vm)
        assert report["layer"] == "rebased"
        assert int(report["conflicts"]) == len(EXPECTED[name].conflicts)
        assert f"{name}: {FIRST} -> {SECOND}, down for " in upgraded.output


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_as_the_table_says(lab: GuestLab, ready: Upgrade, upgraded: Play, name: str) -> None:
    files = EXPECTED[name].files
    assert lab.look(ready.instances[name].address, "paths", json.dumps(sorted(files))) == files


@pytest.mark.parametrize("name", NAMES)
def test_packages_are_as_the_table_says(lab: GuestLab, ready: Upgrade, upgraded: Play, name: str) -> None:
    address, wanted = ready.instances[name].address, EXPECTED[name]
    known = lab.ssh(address, "dpkg-query -W -f '${Package}:${db:Status-Abbrev} ${Version}\\n' 'skinny-*'")
    assert dict(line.split(":", 1) for line in known.splitlines()) == wanted.packages
    assert lab.ssh(address, "dpkg --audit") == ""
    verified = lab.ssh(
        address, f"dpkg -V {' '.join(wanted.packages)} base-files base-passwd passwd openssh-server", check=False
    )
    assert tuple(verified.splitlines()) == wanted.verified


@pytest.mark.parametrize("name", NAMES)
def test_services_run(lab: GuestLab, ready: Upgrade, upgraded: Play, name: str) -> None:
    address = ready.instances[name].address
    lab.ssh(address, "systemctl is-system-running --wait", check=False)
    assert lab.ssh(address, "systemctl --failed --no-legend").strip() == ""
    services = EXPECTED[name].services
    assert lab.ssh(address, f"systemctl is-active {' '.join(services)}").split() == ["active"] * len(services)


@pytest.mark.parametrize("name", NAMES)
def test_users_of_both_sides_exist_and_share_no_number(
    lab: GuestLab, ready: Upgrade, upgraded: Play, name: str
) -> None:
    address = ready.instances[name].address
    for database in ("passwd", "group"):
        lines = [line.split(":") for line in lab.ssh(address, f"getent {database}").splitlines()]
        assert set(EXPECTED[name].users) <= {line[0] for line in lines}
        numbers = [line[2] for line in lines]
        assert len(set(numbers)) == len(numbers)
    passwords = lab.ssh(address, "cat /etc/shadow").splitlines()
    assert set(ready.shadow[name].splitlines()) <= set(passwords)


def test_files_of_every_kind_are_as_they_were(lab: GuestLab, ready: Upgrade, upgraded: Play) -> None:
    instance = ready.instances["app-003"]
    before = {path: line for path, line in ready.layers["app-003"].items() if path.startswith("/srv/kinds")}
    after = layer(lab, instance, ready.second)
    assert len(before) == 18
    assert {path: line for path, line in after.items() if path.startswith("/srv/kinds")} == before
    # Its holes are still holes.
    assert int(lab.ssh(instance.address, "du -m /srv/kinds/large").split()[0]) < 30


@pytest.mark.parametrize("name", NAMES)
def test_what_was_foretold_came_true(
    lab: GuestLab, ready: Upgrade, previews: dict[str, Any], upgraded: Play, name: str
) -> None:
    known = lab.ssh(ready.instances[name].address, f"cat {LAYERS}/{ready.second}/rebase.json")
    happened, foretold = json.loads(known)["decisions"], previews[name]["ahead"]["decisions"]

    def of(decisions: list[dict[str, str]]) -> set[tuple[str, str]]:
        return {(d["path"], d["action"]) for d in decisions if d["severity"] in ("conflict", "danger")}

    assert of(foretold) == of(happened)
    assert tuple(path for path, _action in sorted(of(happened))) == EXPECTED[name].conflicts
    # It tells nothing of what it cannot know from a manifest.
    actions = lasting({decision["path"]: decision["action"] for decision in foretold})
    both = {d["path"]: (d["action"], actions[d["path"]]) for d in happened if d["path"] in actions}
    assert {path: pair for path, pair in both.items() if pair[0] != pair[1]} == {}


def test_the_old_layers_are_untouched(lab: GuestLab, ready: Upgrade, upgraded: Play) -> None:
    for name, instance in ready.instances.items():
        assert layer(lab, instance, ready.first) == ready.layers[name]


@dataclass
class Promoted:
    """The golden VM after a promotion: its address, and what made it itself before."""

    address: str
    itself: str


#: What makes a machine the one that it is.
ITSELF = "cat /etc/hostname /etc/hosts /etc/machine-id /etc/fstab; sha256sum /etc/ssh/ssh_host_* /root/.ssh/*"


@pytest.fixture(scope="module")
def promoted(lab: GuestLab, ready: Upgrade, golden: Golden, upgraded: Play) -> Iterator[Promoted]:
    """What an instance has on the second version is brought into the golden VM that was sealed as that."""
    lab.start(golden.vm)
    address = lab.wait_for_address(golden.vm)
    hosts = yaml.safe_load(golden.inventory.read_text())
    hosts["all"]["hosts"]["golden"]["ansible_host"] = address
    (ready.inventory / "golden.yml").write_text(yaml.safe_dump(hosts))
    itself = lab.ssh(address, ITSELF)
    done = play(ready, "promote", "-e", "instance=app-003", "-e", "golden=golden")
    assert done.status == 0, done.output
    assert done.changes == ["Import what the instance has changed"]
    yield Promoted(address, itself)
    lab.xapi.VM.hard_shutdown(golden.vm)


def test_the_golden_vm_has_what_an_instance_has_and_stays_itself(
    lab: GuestLab, ready: Upgrade, promoted: Promoted
) -> None:
    wanted = EXPECTED["app-003"]
    assert lab.look(promoted.address, "paths", json.dumps(sorted(wanted.files))) == wanted.files
    kinds = {path: line for path, line in ready.layers["app-003"].items() if path.startswith("/srv/kinds")}
    assert lab.look(promoted.address, "tree", "/srv/kinds") == kinds
    assert int(lab.ssh(promoted.address, "du -m /srv/kinds/large").split()[0]) < 30
    assert lab.ssh(promoted.address, f"dpkg --audit; dpkg -V {' '.join(wanted.packages)}", check=False) == ""
    assert lab.ssh(promoted.address, ITSELF) == promoted.itself
    left = lab.ssh(promoted.address, "find / -xdev -name '.skinnybox-*'; ls /var/tmp | grep skinnybox", check=False)
    assert left == ""


@pytest.fixture(scope="module")
def back(lab: GuestLab, ready: Upgrade, upgraded: Play) -> Play:
    """All three on the first version again."""
    done = play(ready, "rollback")
    assert done.status == 0, done.output
    find_again(lab, ready)
    return done


@pytest.mark.parametrize("name", NAMES)
def test_a_rollback_is_byte_for_byte_what_was(lab: GuestLab, ready: Upgrade, back: Play, name: str) -> None:
    instance = ready.instances[name]
    assert lab.report(instance.vm)["master"] == ready.first
    assert layer(lab, instance, ready.first) == ready.layers[name]
    assert tree(lab, instance) == ready.trees[name]
    services = EXPECTED[name].services
    assert lab.ssh(instance.address, f"systemctl is-active {' '.join(services)}").split() == ["active"] * len(services)


@pytest.fixture(scope="module")
def refused(lab: GuestLab, ready: Upgrade, back: Play) -> dict[str, str]:
    """VM -> failure code, of two that were started on the second version by hand, without what a rebase needs."""
    keys = {
        "app-001": {"new_layer": "fail"},
        "app-002": {"new_layer": "rebase", "rebase_from": ready.first, "rebase_request": str(uuid.uuid4())},
    }
    # What the rollback abandoned would do for policy fail.
    lab.ssh(ready.instances["app-001"].address, f"rm -r {LAYERS}/{ready.second}")
    vms = {ready.instances[name].vm: words for name, words in keys.items()}
    for vm, words in vms.items():
        lab.xapi.VM.clean_shutdown(vm)
        point(lab, vm, SECOND, {f"vm-data/skinnybox/{name}": value for name, value in words.items()})
        lab.start(vm)
    for vm in vms:
        lab.wait_until_halted(vm)
    return {vm: lab.report(vm)["code"] for vm in vms}


def point(lab: GuestLab, vm: str, version: str, keys: dict[str, str]) -> None:
    """Have a halted VM boot from a version of the master image, with keys of its xenstore."""
    for position, disk, kind in (("0", "root", "Disk"), ("3", "boot CD", "CD")):
        lab.detach(vm, position)
        attach(lab.xapi, vm, find_disk(lab, f"{version} {disk}"), position, "RO", kind)
    kept = {name: value for name, value in lab.xapi.VM.get_xenstore_data(vm).items() if not name.endswith("/report")}
    lab.xapi.VM.set_xenstore_data(vm, {**kept, **keys})


def test_without_what_a_rebase_needs_nothing_boots_and_the_old_layer_still_does(
    lab: GuestLab, ready: Upgrade, refused: dict[str, str]
) -> None:
    assert list(refused.values()) == ["no-layer", "rebase-base"]
    instance = ready.instances["app-002"]
    assert "login:" not in lab.console(instance.vm).partition("FATAL")[2]
    for name in ("new_layer", "rebase_from", "rebase_request"):
        lab.xapi.VM.remove_from_xenstore_data(instance.vm, f"vm-data/skinnybox/{name}")
    point(lab, instance.vm, FIRST, {})
    lab.start(instance.vm)
    find_again(lab, ready, "app-002")
    assert lab.report(instance.vm)["master"] == ready.first
    assert layer(lab, instance, ready.first) == ready.layers[instance.name]
