# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Vacuum under real overlayfs mounts: what is needless goes, and nobody who looks through the mount sees it go."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import vacuum
from tests.support import guest
from tests.support.killing import killed_at
from tests.support.mounts import why_not
from tests.support.operations import OPERATIONS, copy_up, operate
from tests.support.pictures import picture
from tests.support.promotion import put as write

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


class Instance(guest.Instance):
    """An instance whose layer is vacuumed."""

    def seen(self) -> dict[str, tuple[object, ...]]:
        with self.running() as root:
            return picture(root)

    def vacuum(self) -> dict[str, object]:
        return vacuum.vacuum(self.overlay, self.master, self.master_id)

    def left(self) -> set[str]:
        """What the upper still has, by path."""
        return {f"/{path.relative_to(self.upper)}" for path in self.upper.rglob("*")}


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


Change = Callable[[Path], object]


def change_mode_of_directory(root: Path) -> None:
    copy_up(root, "usr/share/one")
    (root / "usr/share").chmod(0o750)


def replace_with_equal_tree(root: Path) -> None:
    times = {name: (root / "usr/share" / name).stat().st_mtime_ns for name in ("one", "two", "sub/three")}
    content = picture(root / "usr/share")
    shutil.rmtree(root / "usr/share")
    for name in times:
        write(root, f"usr/share/{name}", content[f"/{name}"][5].decode())


def replace_with_less(root: Path) -> None:
    replace_with_equal_tree(root)
    (root / "usr/share/two").unlink()


def link_copies(root: Path) -> None:
    (root / "etc/twin").unlink()
    os.link(root / "etc/conf", root / "etc/twin")


def link_anew(root: Path, target: str) -> None:
    (root / "etc/link").unlink()
    (root / "etc/link").symlink_to(target)


#: What a guest does -> what must be left of it in the upper.
CASES: dict[str, tuple[Change, set[str]]] = {
    "copied up, unchanged": (lambda root: copy_up(root, "etc/conf"), set()),
    "written anew with the same words": (lambda root: write(root, "etc/conf", "conf"), set()),
    "changed content of the same size": (lambda root: write(root, "etc/conf", "CONF"), {"/etc", "/etc/conf"}),
    "changed mode": (lambda root: (root / "etc/conf").chmod(0o600), {"/etc", "/etc/conf"}),
    "changed owner": (lambda root: os.chown(root / "etc/conf", 5, 0), {"/etc", "/etc/conf"}),
    "changed attribute": (lambda root: os.setxattr(root / "etc/conf", "user.a", b"b"), {"/etc", "/etc/conf"}),
    "removed attribute": (lambda root: os.removexattr(root / "etc/marked", "user.mark"), {"/etc", "/etc/marked"}),
    "mode changed and back": (lambda root: [(root / "etc/conf").chmod(mode) for mode in (0o600, 0o644)], set()),
    "new file": (lambda root: write(root, "srv/new"), {"/srv", "/srv/new"}),
    "touched stamp": (lambda root: os.utime(root / "etc/stamp"), {"/etc", "/etc/stamp"}),
    "stamp copied up only": (lambda root: copy_up(root, "etc/stamp"), set()),
    "deleted": (lambda root: (root / "etc/conf").unlink(), {"/etc", "/etc/conf"}),
    "deleted what identity has": (lambda root: (root / "etc/hostname").unlink(), {"/etc", "/etc/hostname"}),
    "equal to identity, not to the master": (lambda root: copy_up(root, "etc/hostname"), set()),
    "directory of another mode": (change_mode_of_directory, {"/usr", "/usr/share"}),
    "new directory": (lambda root: (root / "etc/empty").mkdir(), {"/etc", "/etc/empty"}),
    "equal link": (lambda root: link_anew(root, "conf"), set()),
    "other link": (lambda root: link_anew(root, "x"), {"/etc", "/etc/link"}),
    "opaque, and all is back": (replace_with_equal_tree, set()),
    "opaque, and not all is back": (
        replace_with_less,
        {"/usr", "/usr/share", "/usr/share/one", "/usr/share/sub", "/usr/share/sub/three"},
    ),
    "cache": (lambda root: write(root, "var/cache/apt/x.bin"), {"/var", "/var/cache", "/var/cache/apt"}),
    "one name of a hard link": (lambda root: copy_up(root, "etc/name1"), set()),
    "copies that are links of each other": (link_copies, {"/etc", "/etc/conf", "/etc/twin"}),
    "a copy with a new name": (
        lambda root: os.link(root / "etc/conf", root / "srv/c"),
        {"/etc", "/etc/conf", "/srv", "/srv/c"},
    ),
}  # fmt: skip


def make_master(instance: Instance) -> None:
    for path in ("etc/conf", "etc/twin"):
        write(instance.master, path, "conf")
    for name in ("one", "two", "sub/three"):
        write(instance.master, f"usr/share/{name}", name)
    for path in ("etc/marked", "etc/name1", "etc/hostname"):
        write(instance.master, path, path)
    os.setxattr(instance.master / "etc/marked", "user.mark", b"1")
    os.link(instance.master / "etc/name1", instance.master / "etc/name2")
    write(instance.master, "etc/stamp", "")
    (instance.master / "etc/link").symlink_to("conf")
    for path in ("srv", "var/cache"):
        (instance.master / path).mkdir(parents=True)
    write(instance.identity, "etc/hostname", "web-001\n")


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_needless_goes_and_the_mount_shows_the_same(instance: Instance, case: str) -> None:
    change, left = CASES[case]
    make_master(instance)
    with instance.running() as root:
        change(root)
        before = picture(root)
    result = instance.vacuum()
    if case == "cache":
        before = {path: one for path, one in before.items() if not path.startswith("/var/cache/apt/")}
    assert instance.seen() == before
    assert instance.left() == left
    assert result["done"]
    assert instance.vacuum()["bytes"] == 0


def test_whiteouts_and_opaque_directories_of_nothing(instance: Instance) -> None:
    """As they are left when the master that they hid something of is gone."""
    make_master(instance)
    for path in ("etc/gone", "opt/gone", "usr/share/one"):
        (instance.upper / path).parent.mkdir(parents=True, exist_ok=True)
        os.mknod(instance.upper / path, 0o020000, os.makedev(0, 0))
    write(instance.upper, "opt/mine")
    os.setxattr(instance.upper / "opt", "trusted.overlay.opaque", b"y")
    before = instance.seen()
    result = instance.vacuum()
    assert (result["whiteouts"], result["opaque"]) == (2, 1)
    assert instance.seen() == before
    assert instance.left() == {"/opt", "/opt/mine", "/usr", "/usr/share", "/usr/share/one"}


def allocated(directory: Path) -> int:
    """Bytes that all below a directory takes on the disk."""
    files = {status.st_ino: status for status in map(os.lstat, directory.rglob("*"))}
    return sum(status.st_blocks * 512 for status in files.values())


def test_bytes_are_those_that_the_disk_gets_back(instance: Instance) -> None:
    write(instance.master, "big", "x" * 100_000)
    write(instance.master, "var/cache/keep")
    with instance.running() as root:
        copy_up(root, "big")
        write(root, "var/cache/one", "x" * 50_000)
        os.link(root / "var/cache/one", root / "var/cache/two")
    before = allocated(instance.upper)
    found = vacuum.summary(vacuum.needless_in(instance.overlay, instance.master, instance.master_id))
    result = instance.vacuum()
    assert result["bytes"] == found["bytes"] == before - allocated(instance.upper) >= 150_000
    assert vacuum.read_result(instance.layer) == result


def test_a_mounted_layer_and_one_of_another_overlay_are_refused(instance: Instance) -> None:
    make_master(instance)
    with instance.running() as root:
        copy_up(root, "etc/conf")
        assert vacuum.needless_in(instance.overlay, instance.master, instance.master_id)  # looking is allowed
        with pytest.raises(vacuum.VacuumRefused, match="is mounted"):
            instance.vacuum()
    os.setxattr(instance.upper / "etc", "trusted.overlay.redirect", b"/elsewhere")
    with pytest.raises(vacuum.VacuumRefused, match="redirect"):
        instance.vacuum()
    assert instance.left() == {"/etc", "/etc/conf"}
    with pytest.raises(vacuum.VacuumRefused, match="no layer of master m2"):
        vacuum.vacuum(instance.overlay, instance.master, "m2")


def test_killed_at_every_step_and_run_again(tmp_path: Path) -> None:
    points = 0
    for number in itertools.count(1):
        instance = Instance(tmp_path / str(number))
        make_master(instance)
        write(instance.master, "etc/third", "third")
        with instance.running() as root:
            replace_with_equal_tree(root)
            copy_up(root, "etc/third")
            before = picture(root)
        (instance.layer / vacuum.REQUEST).write_text("request-1")
        if not killed_at(number, instance.vacuum):
            break
        points += 1
        assert instance.seen() == before
        result = instance.vacuum()
        assert instance.seen() == before
        assert instance.left() == set()
        assert not (instance.layer / vacuum.REQUEST).exists()
        assert (result["copies"], result["opaque"], result["request"]) == (4, 1, "request-1")
        assert json.loads((instance.layer / vacuum.RESULT).read_text()) == result
    assert points >= 12


def test_the_command_line_says_numbers_or_one_sentence(instance: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    make_master(instance)
    with instance.running() as root:
        copy_up(root, "etc/conf")
    arguments = ["--overlay", str(instance.overlay), "--master", str(instance.master), "--id"]
    assert vacuum.main([*arguments, instance.master_id]) == 0
    said = dict(word.split("=") for word in capsys.readouterr().out.strip().split(";"))
    assert (said["copies"], said["directories"], said["whiteouts"]) == ("1", "1", "0")
    assert vacuum.main([*arguments, "m2"]) == 1
    assert capsys.readouterr() == ("", "The overlay has no layer of master m2.\n")


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(lower=OPERATIONS, identity=OPERATIONS, guest=OPERATIONS)
def test_any_changes(
    lower: list[tuple[str, str, str]], identity: list[tuple[str, str, str]], guest: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        instance = Instance(Path(directory))
        for root, operations in ((instance.master, lower), (instance.identity, identity)):
            for operation in operations:
                operate(root, *operation)
        with instance.running() as root:
            for operation in guest:
                operate(root, *operation)
        before = instance.seen()
        instance.vacuum()
        assert instance.seen() == before
        assert instance.vacuum()["bytes"] == 0
