# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rebase tool as the boot hook runs it: what an instance has on the next master, and when it refuses."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.files import is_whiteout
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase import ahead, copying, run
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.copying import Copy
from tests.support import mounts
from tests.support.pictures import picture
from tests.support.rebase_changes import CAPABILITY, EXPECTED, OWNERS, STAMP, TOLD, lively, write
from tests.support.rebasing import Scene, allow_processors, install, run_tool

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("python"))


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    allow_processors(monkeypatch, 2)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with mounts.memory() as there:
        yield Scene(there)


@pytest.fixture(scope="module")
def done(tool: Path) -> Iterator[tuple[Scene, dict[str, str]]]:
    """A scene with every kind of change, rebased, and the line that the tool printed."""
    with mounts.memory() as there:
        scene = Scene(there)
        lively(scene)
        old_layer = picture(scene.layers / "master-1", links=True)
        result = run_tool(scene, tool)
        assert (result.returncode, result.stderr) == (0, "")
        assert picture(scene.layers / "master-1", links=True) == old_layer
        new = list((scene.layers / "master-2/upper").rglob("*"))
        attributes = {name for path in new for name in os.listxattr(path, follow_symlinks=False)}
        assert attributes == {"user.note", "security.capability"}  # and none of overlayfs
        yield scene, dict(word.split("=") for word in result.stdout.strip().split(";"))


def test_each_file_is_as_the_table_says(done: tuple[Scene, dict[str, str]]) -> None:
    with done[0].after() as root:
        seen = {path: content_of(root / path[1:]) for path in EXPECTED}
        owners = {path: owner_of(root / path[1:]) for path in OWNERS}
    assert seen == EXPECTED
    assert owners == OWNERS


def content_of(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def owner_of(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)


def test_what_is_kept_is_kept_with_all_that_belongs_to_it(done: tuple[Scene, dict[str, str]]) -> None:
    with done[0].after() as root:
        app = root / "srv/app"
        assert os.getxattr(app / "data", "user.note") == b"mine"
        assert os.getxattr(app / "serve", "security.capability") == CAPABILITY
        assert (app / "one").samefile(app / "two")
        sparse = (app / "sparse").stat()
        assert sparse.st_size == 8 << 20 and sparse.st_blocks * 512 < 1 << 20
        assert (app / "sparse").read_bytes()[4 << 20 :].rstrip(b"\0") == b"data in the middle"
        assert stat.S_ISFIFO((app / "fifo").lstat().st_mode)
        assert (app / "null").lstat().st_rdev == os.makedev(1, 3)
        assert os.readlink(root / "usr/share/was-directory") == "/srv/moved"  # noqa: PTH115
        for path in (app, app / "one", root / "var/lib/timer/stamp"):
            assert path.stat().st_mtime_ns == STAMP, path


def test_the_layer_holds_nothing_without_need(done: tuple[Scene, dict[str, str]]) -> None:
    upper = done[0].layers / "master-2/upper"
    for path in ("usr/bin/helper", "usr/share/doc/superseded", "var/cache", "usr/share/renewed/deep/second"):
        assert not os.path.lexists(upper / path), path
    for path in ("usr/share/doc/deleted", "usr/share/renewed/first", "usr/share/renewed/deep"):
        assert (upper / path).lstat().st_rdev == 0 and stat.S_ISCHR((upper / path).lstat().st_mode), path


def test_the_report_tells_what_people_should_know(done: tuple[Scene, dict[str, str]]) -> None:
    scene, line = done
    report = json.loads((scene.layers / "master-2/rebase.json").read_text())
    assert (report["format"], report["from"], report["to"]) == (1, "master-1", "master-2")
    told = {item["path"]: (item["rule"], item["severity"]) for item in report["decisions"]}
    assert {path: told.get(path) for path in TOLD} == TOLD
    assert report["decisions"][0]["path"] == "/usr/bin/tool" and report["text"][0].startswith("!! /usr/bin/tool: ")
    assert "/srv/app/data" not in told
    assert line == {name: str(value) for name, value in report["numbers"].items()}
    assert (line["conflicts"], line["dangers"]) == ("1", "1")
    assert (scene.layers / "master-2/origin").read_text() == f"from=master-1\nrequest={scene.job.request}\n"


def test_a_second_run_writes_nothing_and_says_the_same(done: tuple[Scene, dict[str, str]], tool: Path) -> None:
    scene, line = done
    before = picture(scene.disk, links=True)
    again = run_tool(scene, tool)
    assert dict(word.split("=") for word in again.stdout.strip().split(";")) == line
    assert picture(scene.disk, links=True) == before


def test_a_layer_that_a_rollback_abandoned_is_replaced(scene: Scene, tool: Path) -> None:
    lively(scene)
    abandoned = scene.layers / "master-2/upper"
    write(abandoned / "etc/abandoned", "long ago\n")
    result = run_tool(scene, tool)
    assert result.returncode == 0, result.stderr
    assert not (abandoned / "etc/abandoned").exists() and (abandoned / "etc/mine.conf").exists()
    with scene.before() as root:
        write(root / "etc/later", "after the rollback\n")
    other = run_tool(scene, tool, request="99999999-2222-3333-4444-555555555555")
    assert other.returncode == 0, other.stderr
    assert (abandoned / "etc/later").exists()
    assert sorted(path.name for path in scene.layers.iterdir()) == ["master-1", "master-2"]


def test_what_the_instances_configuration_says_holds(scene: Scene, tool: Path) -> None:
    lively(scene)
    with scene.before() as root:
        write(root / "etc/skinnybox/rebase.d/site.conf", "master /usr/bin/*\nkeep /srv/given-up/**\n")
    assert run_tool(scene, tool).returncode == 0
    with scene.after() as root:
        assert (root / "usr/bin/tool").read_text() == "tool 2, fixed\n"
        assert (root / "srv/given-up/file").exists()


def test_a_directory_that_became_a_file_stays_for_what_the_instance_has_in_it(scene: Scene, tool: Path) -> None:
    write(scene.old / "opt/app/masters", "old\n")
    write(scene.new / "opt/app", "a file now\n")
    with scene.before() as root:
        write(root / "opt/app/own", "mine\n")
    result = run_tool(scene, tool)
    assert "dangers=1;" in result.stdout
    with scene.after() as root:
        assert [path.name for path in (root / "opt/app").iterdir()] == ["own"]


def bad_line(scene: Scene) -> str:
    write(scene.new / "etc/skinnybox/rebase.conf", "keep /a\nkeeep /b\n")
    return "/etc/skinnybox/rebase.conf line 2: 'keeep /b'"


def forbidden_conflict(scene: Scene) -> str:
    lively(scene)
    write(scene.new / "etc/skinnybox/rebase.conf", "conflict-fails /etc/**\n")
    return "/etc/quarrel.conf: "


def another_old_master(scene: Scene) -> str:
    (scene.old / "etc/skinnybox/master-id").write_text("master-0\n")
    return "The old master at .* is master-0, not master-1"


def no_new_master(scene: Scene) -> str:
    shutil.rmtree(scene.new / "etc")
    return "The new master at .* is no master, not master-2"


def no_layer(scene: Scene) -> str:
    shutil.rmtree(scene.layers / "master-1")
    return "no layer of master master-1"


def redirected(scene: Scene) -> str:
    (scene.layers / "master-1/upper/moved").mkdir()
    os.setxattr(scene.layers / "master-1/upper/moved", "trusted.overlay.redirect", b"/elsewhere")
    return "/moved has the attribute trusted.overlay.redirect"


def full_disk(scene: Scene) -> str:
    with scene.before() as root:
        write(root / "srv/large", b"x" * (40 << 20))
    return r"The overlay disk is too full .* 4[45] MiB .*; grow the disk by \d+ MiB"


def merged_usr(scene: Scene) -> str:
    (scene.old / "lib").mkdir()
    (scene.new / "lib").symlink_to("usr/lib")
    with scene.before() as root:
        write(root / "lib/own", "mine\n")
    return "/lib is a link in the new master and a directory with changes here"


REFUSED = (merged_usr, bad_line, forbidden_conflict, another_old_master, no_new_master, no_layer, redirected, full_disk)


@pytest.mark.parametrize("spoil", REFUSED)
def test_it_refuses_before_it_writes_anything(spoil: Callable[[Scene], str], scene: Scene, tool: Path) -> None:
    sentence = spoil(scene)
    before = picture(scene.there, links=True)
    result = run_tool(scene, tool)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert re.search(sentence, result.stderr), result.stderr
    assert picture(scene.there, links=True) == before


def test_where_both_do_not_fit_the_abandoned_layer_goes_first(scene: Scene, tool: Path) -> None:
    with scene.before() as root:
        write(root / "srv/large", b"x" * (20 << 20))
    write(scene.layers / "master-2/upper/abandoned", b"y" * (25 << 20))
    result = run_tool(scene, tool)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (scene.layers / "master-2/upper").iterdir()) == ["srv"]


def test_a_disk_that_fills_meanwhile_leaves_the_old_layer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with scene.before() as root:
        write(root / "srv/large", b"x" * (40 << 20))
    before = picture(scene.layers / "master-1", links=True)
    monkeypatch.setattr(run, "free", lambda directory: run.Room(1 << 40, 1 << 20))
    with pytest.raises(OSError, match="No space left"):
        run.rebase(scene.job)
    assert picture(scene.layers / "master-1", links=True) == before
    assert [path.name for path in scene.layers.iterdir()] == ["master-1"]


def test_copies_made_ahead_make_no_difference(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lively(scene)
    with scene.before() as root:
        write(root / "srv/twice", "the master's, and here\n")
        write(root / "srv/holes", b"")
        os.truncate(root / "srv/holes", 1 << 20)
    wanted = rebased(scene)
    assert taken(scene, monkeypatch) > 5
    assert rebased(scene) == wanted
    allow_processors(monkeypatch, 1)
    assert taken(scene, monkeypatch) == 0
    assert rebased(scene) == wanted


def test_copies_that_fail_ahead_are_made_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lively(scene)
    wanted = rebased(scene)

    def copy_in_turn(copies: Iterable[Copy]) -> None:
        copying.copy_in_turn(itertools.islice(copies, 3))
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(ahead, "copy_in_turn", copy_in_turn)
    assert rebased(scene) == wanted


def test_without_memory_for_another_process_one_does_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lively(scene)
    wanted = rebased(scene)

    def fork() -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "fork", fork)
    assert rebased(scene) == wanted


def test_a_process_that_is_ended_from_outside_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lively(scene)
    monkeypatch.setattr(ahead.Ahead, "begin", lambda self: None)
    tool = os.getpid()

    def copy_in_turn(copies: Iterable[Copy]) -> None:
        if os.getpid() != tool:
            os.kill(os.getpid(), signal.SIGKILL)
        usual(copies)

    usual = copying.copy_in_turn
    monkeypatch.setattr(copying, "copy_in_turn", copy_in_turn)
    with pytest.raises(OSError, match="for want of memory"):
        run.rebase(scene.job)
    assert [path.name for path in scene.layers.iterdir()] == ["master-1"]


def test_copies_made_ahead_give_way_where_the_disk_is_small(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with scene.before() as root:
        write(root / "srv/large", b"x" * (20 << 20))
        write(root / "srv/given-up/large", b"y" * (8 << 20))
    write(scene.new / "etc/skinnybox/rebase.conf", "master /srv/given-up/*\n")
    assert taken(scene, monkeypatch) == 0
    upper = scene.layers / "master-2/upper"
    assert sorted(path.name for path in upper.rglob("*")) == ["given-up", "large", "srv"]


def rebased(scene: Scene) -> object:
    """The layer of a rebase that is made anew, with the times of its files."""
    layer = scene.layers / "master-2"
    shutil.rmtree(layer, ignore_errors=True)
    run.rebase(scene.job)
    assert sorted(path.name for path in layer.iterdir()) == ["origin", "rebase.json", "upper", "work"]
    times = {path: path.lstat().st_mtime_ns for path in (layer / "upper").rglob("*") if not is_whiteout(path.lstat())}
    return picture(layer / "upper", links=True), times


def taken(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many files of a layer were copied ahead."""
    answers = []

    def take(self: ahead.Ahead, status: os.stat_result, target: str) -> bool:
        answers.append(usual(self, status, target))
        return answers[-1]

    with monkeypatch.context() as patch:
        usual = ahead.Ahead.take
        patch.setattr(ahead.Ahead, "take", take)
        rebased(scene)
    return answers.count(True)
