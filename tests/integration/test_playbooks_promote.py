# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks promote and bake, with an instance and a golden VM that are directories of this machine.

The Python of each host is a program that changes what it sees before it becomes Python: the instance has its overlay
and master where a boot mounts them, the golden VM has a root of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ansible import Play, run_playbook
from tests.support.guest import Instance
from tests.support.mounts import memory, why_not
from tests.support.promotion import put

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

#: The golden VM's directory is what it changes of this machine; nothing else is written to.
_GOLDEN = """
mount -t overlay -o lowerdir=/,upperdir={golden},workdir={work},index=off,redirect_dir=off skinnybox-test {root}
mount --rbind /proc {root}/proc
mount --rbind /dev {root}/dev
"""


def write_program(path: Path, mounts: str, enter: str) -> Path:
    inside = path.with_suffix(".sh")
    inside.write_text(f'mount --make-rprivate /\n{mounts}\nexec {enter} {sys.executable} "$@"\n')
    path.write_text(f'#!/bin/sh\nexec unshare --mount sh -e {inside} "$@"\n')
    path.chmod(0o755)
    return path


class Site:
    """An inventory of one instance and one golden VM, which were one thing once."""

    def __init__(self, directory: Path) -> None:
        self.instance = Instance(directory / "instance")
        self.golden, work, root = (directory / name for name in ("golden", "work", "root"))
        for made in (self.golden, work, root):
            made.mkdir()
        for tree in (self.instance.master, self.golden):
            put(tree, "etc/skinnybox/master-id", f"{self.instance.master_id}\n")
            put(tree, "srv/skinnybox-test/conf", "the master's")
            put(tree, "srv/skinnybox-test/gone", "the master's")
        mounts = _GOLDEN.format(golden=self.golden, work=work, root=root)
        pythons = {
            "web-017": write_program(directory / "instance-python", self.instance.mounts(), ""),
            "noble-golden": write_program(directory / "golden-python", mounts, f"chroot {root}"),
        }
        hosts: dict[str, dict[str, Any]] = {
            name: {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": str(python)}
            for name, python in pythons.items()
        }
        hosts["halted-golden"] = {"ansible_host": "127.0.0.1", "ansible_port": 1}
        self.inventory = directory / "hosts.yml"
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))

    def promote(self, *arguments: str) -> Play:
        names = ["-e", "instance=web-017", "-e", "golden=noble-golden"]
        return run_playbook(self.inventory, "skinnybox.xenserver.promote", *names, *arguments)


@pytest.fixture
def site() -> Iterator[Site]:
    with memory() as directory:
        site = Site(directory)
        with site.instance.running() as root:
            put(root, "srv/skinnybox-test/conf", "changed")
            put(root, "srv/skinnybox-test/new", "new", 0o600)
            put(root, "srv/skinnybox-test/.bash_history", "unspeakable")
            (root / "srv/skinnybox-test/gone").unlink()
        yield site


def left_behind() -> set[str]:
    return {str(path) for place in ("/tmp", "/var/tmp") for path in Path(place).glob("skinnybox-*/web-017.tar.gz")}


def test_an_instance_is_promoted(site: Site) -> None:
    place = site.golden / "srv/skinnybox-test"
    (place / "conf").write_text("changed here, too")
    done = site.promote("-e", "on_conflict=instance")
    assert done.status == 0, done.output
    assert done.changes == ["Import what the instance has changed"]
    assert "noble-golden: 2 paths of web-017 were written, 1 deleted" in " ".join(done.output.split())
    assert "/srv/skinnybox-test/.bash_history: history" in done.output
    assert "unspeakable" not in done.output
    assert (place / "conf").read_text() == "changed"
    assert (place / "new").stat().st_mode & 0o7777 == 0o600
    assert not (place / "gone").is_file()  # a whiteout, as this golden VM's root is an overlay itself
    assert not (place / ".bash_history").exists()
    assert left_behind() == set()


def test_what_fails_leaves_nothing_behind(site: Site) -> None:
    done = site.promote("-e", '{"keep": ["home"]}')
    assert done.status != 0
    assert "'home' is no glob of paths" in " ".join(done.output.split())
    assert "in the golden VM" not in done.output
    assert left_behind() == set()


def test_wrong_names(site: Site) -> None:
    done = site.promote("-e", "golden=nowhere")
    assert done.status != 0
    assert "nowhere must be one host of the inventory" in " ".join(done.output.split())


def test_a_golden_vm_that_does_not_run(site: Site) -> None:
    done = site.promote("-e", "golden=halted-golden")
    assert done.status != 0
    assert "The golden VM halted-golden does not answer. Start it first." in " ".join(done.output.split())
    assert "Export" not in done.output
