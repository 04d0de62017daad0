# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One golden VM, one master image and one pool for all tests on real guests, whose boots take long."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guests.guest_lab import GuestLab, start_guest_lab, stop_guest_lab
from tests.guests.scenario import FIRST_MASTER, build_packages
from tests.support.ansible import Play, run_module, run_playbook
from tests.support.lab import ROOT
from tests.support.state import find_vm, sha256_of

GOLDEN = "bookworm-golden"
PREPARE = str(Path(__file__).with_name("prepare.yml"))
#: Two that boot, four that fail, and one that lends its overlay.
POOL_SIZE = 7


# before pytest-xdist reads the groups
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.guests)
            # One process for all of them: they share guests, and two cores carry no more.
            item.add_marker(pytest.mark.xdist_group("guests"))


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private SSH key that golden VM and instances accept."""
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[GuestLab]:
    """A lab that runs real guests."""
    lab = start_guest_lab(tmp_path_factory.mktemp("lab"), key)
    yield lab
    stop_guest_lab(lab)


@dataclass
class Golden:
    """The golden VM while it runs: its VM, its address, an inventory in which it is host ``golden``."""

    vm: str
    address: str
    inventory: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All Debian packages of the tests' scenario."""
    return build_packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="session")
def golden(lab: GuestLab, key: Path, packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Golden:
    """A plain Debian 12, imported and started as an administrator would, with the programs of its users."""
    directory = tmp_path_factory.mktemp("golden")
    image = directory / "debian-12.raw"
    cache = ROOT / ".cache" / "images"
    subprocess.run(
        [
            *(sys.executable, "-m", "lab", "image", "debian-12", "--output", str(image)),
            *("--authorized-key", f"{key}.pub", "--cache", str(cache)),
        ],
        cwd=ROOT,
        check=True,
    )
    address = subprocess.check_output(
        [
            *(sys.executable, "tools/import_vm.py", "--url", lab.url, "--name", GOLDEN, "--image", str(image)),
            *("--password-file", str(lab.state / "password")),
        ],
        cwd=ROOT,
        text=True,
    ).strip()
    image.unlink()
    variables = {
        "ansible_host": address,
        "ansible_port": lab.ssh_port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }
    inventory = directory / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"golden": variables}}}))
    lab.run_script(address, FIRST_MASTER, packages)
    return Golden(find_vm(lab, GOLDEN), address, inventory)


@dataclass
class Preparation:
    """How role overlayroot ended in check mode, what was in the guest afterwards, and how it ended for real."""

    check: Play
    after_check: str
    run: Play


@pytest.fixture(scope="session")
def preparation(lab: GuestLab, golden: Golden) -> Preparation:
    """Role overlayroot, run in check mode, then for real. Playbook seal runs it once more, see Published."""
    check = run_playbook(golden.inventory, PREPARE, "--check")
    after_check = lab.ssh(golden.address, "ls -d /usr/lib/skinnybox /etc/skinnybox /var/lib/skinnybox", check=False)
    return Preparation(check, after_check, run_playbook(golden.inventory, PREPARE))


@dataclass
class Published:
    """A published master image: how its golden VM was sealed, the VDI of its root, the hash of that when it was new."""

    sealed: Play
    root: str
    sha256: str
    facts: dict[str, Any]


@pytest.fixture(scope="session")
def master(lab: GuestLab, golden: Golden, preparation: Preparation) -> Published:
    """Version 1 of master image bookworm, sealed by the playbook and published by the module."""
    sealed = run_playbook(golden.inventory, "skinnybox.xenserver.seal", "-e", "golden=golden")
    assert sealed.status == 0, sealed.output
    lab.wait_until_halted(golden.vm)
    result = run_module(lab, "master_image", name="bookworm", golden_vm=GOLDEN)
    assert not result.failed, result.msg
    root = lab.xapi.VDI.get_by_uuid(result["master_image"]["root"]["uuid"])
    return Published(sealed, root, sha256_of(lab, root), result["master_image"])


@pytest.fixture(scope="session")
def pool(lab: GuestLab, master: Published, key: Path) -> list[str]:
    """The VMs of a pool of halted instances, in the order of their numbers."""
    result = run_module(
        lab,
        "vm_pool",
        name="web",
        size=POOL_SIZE,
        master="bookworm",
        power_state="halted",
        hardware={"vcpus": 1, "memory": "512 MiB"},
        authorized_keys=key.with_suffix(".pub").read_text(),
    )
    assert not result.failed, result.msg
    return [find_vm(lab, f"web-{number:03d}") for number in range(1, POOL_SIZE + 1)]
