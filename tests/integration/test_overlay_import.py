# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A golden VM that imports a promotion is what the instance shows, but for what was scrubbed."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion import golden
from ansible_collections.skinnybox.xenserver.plugins.module_utils.promotion.plan import Answer
from tests.support.ansible import Result
from tests.support.guest import run_guest_module
from tests.support.killing import killed_at
from tests.support.mounts import why_not
from tests.support.pictures import picture
from tests.support.promotion import Promotion, change, put

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def promotion(tmp_path: Path) -> Promotion:
    promotion = Promotion(tmp_path)
    with promotion.instance.running() as root:
        change(root)
    return promotion


def bring_in(promotion: Promotion, **options: Any) -> Result:
    return run_guest_module("overlay_import", src=str(promotion.archive), root=str(promotion.golden), **options)


def test_the_golden_vm_becomes_what_the_instance_shows(promotion: Promotion) -> None:
    exported = promotion.export()
    before = picture(promotion.golden)
    look = bring_in(promotion, check=True, diff=True)
    assert picture(promotion.golden) == before
    done = bring_in(promotion, diff=True)
    assert not done.failed, done.msg
    assert promotion.now() == promotion.expected(set(exported["scrubbed"]))
    assert (look["placed"], look["deleted"]) == (done["placed"], done["deleted"])
    assert done["diff"]["after"]["placed"] == done["placed"]
    with promotion.instance.running() as root:
        for path in ("etc/conf", "srv/link", "srv/fifo", "usr/bin/own", "srv/sparse", "etc/becomes-directory"):
            times = [(tree / path).lstat().st_mtime_ns for tree in (root, promotion.golden)]
            assert times[0] == times[1], path
    assert (promotion.golden / "srv/sparse").stat().st_blocks * 512 < 1 << 20
    again = bring_in(promotion)
    assert (again["changed"], again["placed"], again["deleted"]) == (False, [], [])


def test_accounts_are_merged_and_passwords_stay_behind(promotion: Promotion) -> None:
    with (promotion.golden / "etc/passwd").open("a") as file:  # somebody took the number meanwhile
        file.write("other:x:998:100::/:/usr/sbin/nologin\n")
    promotion.export()
    done = bring_in(promotion)
    assert not done.failed, done.msg
    lines = dict(line.split(":", 1) for line in (promotion.golden / "etc/passwd").read_text().splitlines())
    shadow = (promotion.golden / "etc/shadow").read_text()
    assert lines["other"].startswith("x:998:")
    app = int(lines["app"].split(":")[1])
    assert app not in (0, 1, 998)
    assert (promotion.golden / "srv/of-app").stat().st_uid == app
    assert (promotion.golden / "srv/of-app").stat().st_gid == 998
    assert "root:$6$salt$secret:19000:" in shadow
    assert "app:!:" in shadow
    assert (promotion.golden / "etc/shadow").stat().st_mode & 0o7777 == 0o640
    assert not bring_in(promotion)["changed"]


def test_what_the_golden_vm_has_changed_too_is_refused_or_decided(promotion: Promotion) -> None:
    put(promotion.golden, "etc/conf", "the golden VM's")
    put(promotion.golden, "usr/share/doc/new", "not the instance's to delete")
    put(promotion.golden, "etc/becomes-file/own")
    promotion.export()
    before = picture(promotion.golden)
    done = bring_in(promotion)
    assert done.failed
    assert "/etc/conf: the golden VM has another one" in done.msg
    assert "/usr/share/doc: the golden VM has new in it" in done.msg
    assert "has own in it" in bring_in(promotion, on_conflict="instance").msg
    assert picture(promotion.golden) == before
    done = bring_in(promotion, on_conflict="golden")
    assert not done.failed, done.msg
    assert (promotion.golden / "etc/conf").read_text() == "the golden VM's"
    assert (promotion.golden / "etc/becomes-file/own").exists()
    assert (promotion.golden / "usr/bin/own").exists()
    assert set(done["left"]) >= {"/etc/conf", "/usr/share/doc", "/etc/becomes-file"}


def test_what_python_has_compiled_is_no_conflict(promotion: Promotion) -> None:
    for root in (promotion.instance.upper, promotion.golden):
        put(root, "usr/lib/python3/__pycache__/x.cpython-311.pyc", f"compiled in {root.name}")
    promotion.export()
    done = bring_in(promotion)
    assert not done.failed, done.msg
    assert (promotion.golden / "usr/lib/python3/__pycache__/x.cpython-311.pyc").read_text() == "compiled in upper"


def test_the_instances_files_win_when_asked(promotion: Promotion) -> None:
    put(promotion.golden, "etc/conf", "the golden VM's")
    promotion.export()
    done = bring_in(promotion, on_conflict="instance")
    assert not done.failed, done.msg
    assert (promotion.golden / "etc/conf").read_text() == "changed"


def test_what_is_kept_has_its_directories(promotion: Promotion) -> None:
    promotion.export(keep=["/home/*/.ssh/**"])
    done = bring_in(promotion)
    assert not done.failed, done.msg
    assert (promotion.golden / "home/me/.ssh/id_ed25519").exists()
    assert not (promotion.golden / "root/.ssh").exists()


def test_two_package_databases_are_never_mixed(tmp_path: Path) -> None:
    promotion = Promotion(tmp_path)
    for root in (promotion.instance.upper, promotion.golden):
        put(root, "var/lib/dpkg/status", f"Package: of-{root.name}\n")
    promotion.export()
    for answer in ("refuse", "instance", "golden"):
        assert "/var/lib/dpkg/status: the golden VM has one of its own" in bring_in(promotion, on_conflict=answer).msg


def test_what_is_refused(promotion: Promotion, tmp_path: Path) -> None:
    promotion.export()
    before = picture(promotion.golden)
    whole = promotion.archive.read_bytes()
    for content, words in (
        (whole[:-2000], "damaged"),
        (whole[:5000] + b"x" + whole[5001:], "damaged"),
        (b"nothing", "no archive of a promotion"),
    ):
        promotion.archive.write_bytes(content)
        done = bring_in(promotion)
        assert done.failed
        assert words in done.msg
    subprocess.run(["tar", "-czf", promotion.archive, "-C", tmp_path, "golden/etc"], check=True, timeout=60)
    assert "it has no index" in bring_in(promotion).msg
    promotion.archive.write_bytes(whole)
    with (promotion.golden / "etc/.pwd.lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert "is locked" in bring_in(promotion).msg
    (promotion.golden / "etc/.pwd.lock").unlink()
    put(promotion.golden, "etc/skinnybox/master-id", "another\n")
    assert "was last sealed as another" in bring_in(promotion).msg
    put(promotion.golden, "etc/skinnybox/master-id", promotion.instance.master_id + "\n")
    assert picture(promotion.golden) == before
    done = promotion.instance.run("overlay_import", src=str(promotion.archive))
    assert "This is an instance" in done.msg


def test_killed_at_any_step_and_run_again(promotion: Promotion, tmp_path: Path) -> None:
    exported = promotion.export()
    expected = promotion.expected(set(exported["scrubbed"]))
    pristine = tmp_path / "pristine"
    promotion.golden.rename(pristine)
    for number in itertools.count(1, 9):
        subprocess.run(["cp", "-a", pristine, promotion.golden], check=True)
        prepared = golden.prepare(promotion.archive, str(promotion.golden), Answer.REFUSE, False)
        if not killed_at(number, lambda: golden.carry_out(prepared)):  # noqa: B023
            break
        again = golden.prepare(promotion.archive, str(promotion.golden), Answer.REFUSE, False)
        golden.carry_out(again)
        assert promotion.now() == expected, number
        assert not golden.prepare(promotion.archive, str(promotion.golden), Answer.REFUSE, False).changes
        shutil.rmtree(promotion.golden)
    assert number > 50
    assert promotion.now() == expected


def test_an_interrupted_import_is_finished_first(promotion: Promotion) -> None:
    promotion.export()
    prepared = golden.prepare(promotion.archive, str(promotion.golden), Answer.REFUSE, False)
    assert killed_at(30, lambda: golden.carry_out(prepared))
    whole = promotion.archive.read_bytes()
    promotion.export(scrub=["/srv/**"])
    assert "The import of another archive" in bring_in(promotion).msg
    # Time has passed in the instance, and Ansible was there; what it brings is the same.
    put(promotion.instance.upper, "var/log/own/log", "more of it")
    put(promotion.instance.upper, "var/tmp/skinnybox-x/y")
    promotion.export()
    assert promotion.archive.read_bytes() != whole
    assert bring_in(promotion)["changed"]
    assert not (promotion.golden / golden.BEGUN).exists()
    assert not [path for path in promotion.golden.rglob(".skinnybox-*") if os.path.lexists(path)]
