# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages that an instance and the new master changed: real packages, real dpkg, real overlay mounts."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Iterator

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.run import Job, rebase

from ..support.debian import NEW, OLD, Root, Upgrade
from ..support.mounts import memory, why_not
from ..support.package_changes import TEXT, deb, packages_changed

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


class Rebased:
    """An instance after a rebase."""

    def __init__(self, root: Root, report: dict[str, Any]) -> None:
        self.root, self.report = root, report

    def read(self, path: str) -> str | None:
        """What is at the path; None when nothing is."""
        place = self.root / path
        return place.read_text() if place.exists() else None


def carry(upgrade: Upgrade) -> dict[str, Any]:
    rebase(Job(upgrade.overlay, upgrade.old.path, upgrade.new.path, OLD, NEW, "request"))
    return json.loads((upgrade.overlay / "layers" / NEW / "rebase.json").read_text())


@pytest.fixture(scope="module")
def rebased() -> Iterator[Rebased]:
    with memory() as directory:
        upgrade = Upgrade(directory)
        packages_changed(upgrade)
        report = carry(upgrade)
        with upgrade.upgraded() as root:
            yield Rebased(root, report)


def test_packages_have_the_versions_of_the_side_that_holds(rebased: Rebased) -> None:
    assert rebased.root.versions() == {
        "plain": "2", "edited": "2", "newer": "3", "older": "3", "equal": "2", "removed": "rc", "merged": "2",
        "clash": "2", "untouched": "2", "held": "2", "fresh": "1", "extra": "1", "needs": "1", "libshared": "3",
        "diverted": "2", "same": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/usr/bin/plain", "plain 2\n"),
        ("/usr/bin/edited", "edited 2\n"),
        ("/usr/bin/edited-strict", "strict 2\n"),
        ("/usr/share/edited/same", "mine\n"),
        ("/usr/share/same/data", "mine\n"),
        ("/usr/bin/newer", "newer 3\n"),
        ("/usr/share/newer/one", None),
        ("/usr/share/newer/two", None),
        ("/usr/share/newer/three", "/usr/share/newer/three 3\n"),
        ("/etc/newer.conf", "/etc/newer.conf 3\n"),
        ("/usr/bin/older", "older 3\n"),
        ("/usr/share/older/one", None),
        ("/usr/share/older/two", None),
        ("/usr/share/older/three", "/usr/share/older/three 3\n"),
        ("/usr/share/older-one/data", "/usr/share/older-one/data 3\n"),
        ("/etc/older.conf", "/etc/older.conf 3\n"),
        ("/etc/older-mine.conf", "mine\n"),
        ("/usr/bin/equal", "equal 2\n"),
        ("/usr/bin/gone", None),
        ("/usr/bin/removed", None),
        ("/usr/share/removed/one", None),
        ("/usr/share/removed-too", None),
        ("/etc/removed.conf", "/etc/removed.conf 1\n"),
        ("/usr/bin/purged", None),
        ("/usr/share/purged-too", None),
        ("/etc/purged.conf", None),
        ("/etc/merged.conf", "my first\nsecond\nthird\nfourth\nnew fifth\n"),
        ("/etc/clash.conf", TEXT.replace("third", "my third")),
        ("/etc/clash.conf.dpkg-dist", TEXT.replace("third", "new third")),
        ("/etc/untouched.conf", TEXT + "sixth\n"),
        ("/usr/bin/held", "held 2\n"),
        ("/usr/bin/fresh", "fresh 1\n"),
        ("/usr/bin/extra", "extra 1\n"),
        ("/etc/extra.conf", "/etc/extra.conf 1\n"),
        ("/usr/lib/libshared.so.1", "/usr/lib/libshared.so.1 3\n"),
        ("/usr/bin/diverted", "#!/bin/sh\nexec diverted.real\n"),
        ("/usr/bin/diverted.real", "diverted 2\n"),
    ],
)
def test_files_follow_their_packages(rebased: Rebased, path: str, content: str | None) -> None:
    assert rebased.read(path) == content


def test_modes_that_the_instance_set_stay_on_new_files(rebased: Rebased) -> None:
    assert (rebased.root / "usr/bin/edited-strict").stat().st_mode & 0o7777 == 0o700
    plain = (rebased.root / "usr/bin/plain").stat()
    assert (plain.st_mode & 0o7777, plain.st_gid) == (0o710, 4)


def test_dpkg_finds_nothing_to_complain_of(rebased: Rebased) -> None:
    assert rebased.root.dpkg("--audit") == ""
    changed = {line.split()[-1] for line in rebased.root.dpkg("--verify", check=False).splitlines()}
    edited = {"/usr/share/edited/same", "/usr/share/same/data", "/usr/bin/diverted"}
    assert changed - edited == {"/etc/older-mine.conf", "/etc/merged.conf", "/etc/clash.conf"}


def test_what_dpkg_keeps_beside_the_packages(rebased: Rebased) -> None:
    assert "held hold" in " ".join(rebased.root.dpkg("--get-selections", "held").split())
    assert "/usr/bin/diverted\n/usr/bin/diverted.real\n:\n" in (rebased.root / "var/lib/dpkg/diversions").read_text()
    assert (rebased.root / "var/lib/dpkg/statoverride").read_text() == "root adm 710 /usr/bin/plain\n"
    info = {path.name for path in (rebased.root / "var/lib/dpkg/info").iterdir()}
    assert "removed.list" in info and "purged.list" not in info and "gone.list" not in info


def test_dpkg_can_go_on(rebased: Rebased) -> None:
    rebased.root.install(deb("plain", "4"), deb("newer", "4", "/etc/newer.conf"), deb("purged", "3"))
    assert rebased.root.versions()["purged"] == "3"
    assert rebased.read("/usr/bin/newer") == "newer 4\n"


def test_what_a_person_should_look_at_is_said(rebased: Rebased) -> None:
    text = json.dumps(rebased.report)
    assert "needs will be broken: it needs gone (= 1)" in text
    assert "older 2 of the instance gives way to the new master's 3" in text
    assert "/etc/clash.conf.dpkg-dist" in text


def alternatives(root: Root, *arguments: str) -> str:
    """Run update-alternatives on a root; what it prints."""
    command = ["update-alternatives", "--root", root.path, "--log", "/dev/null", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


def offer(root: Root, name: str, priority: int) -> None:
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "etc/alternatives").mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/alternatives").mkdir(parents=True, exist_ok=True)
    for suffix in ("", ".1"):
        (root / f"usr/bin/{name}{suffix}").write_text(name)
    slave = ["--slave", "/usr/share/editor.1", "editor.1", f"/usr/bin/{name}.1"]
    alternatives(root, "--install", "/usr/bin/editor", "editor", f"/usr/bin/{name}", str(priority), *slave)


@pytest.mark.parametrize(("priority", "shown"), [(60, "mine"), (10, "theirs")])
def test_alternatives_of_both_sides_are_offered_and_the_best_is_shown(priority: int, shown: str) -> None:
    with memory() as directory:
        upgrade = Upgrade(directory)
        upgrade.make_old()
        (upgrade.old / "usr/share").mkdir()
        offer(upgrade.old, "first", 20)
        offer(upgrade.make_new(), "theirs", 50)
        with upgrade.running() as root:
            offer(root, "mine", priority)
        carry(upgrade)
        with upgrade.upgraded() as root:
            answer = alternatives(root, "--query", "editor")
            assert [line for line in answer.splitlines() if line.startswith("Alternative: ")] == [
                f"Alternative: /usr/bin/{name}" for name in ("first", "mine", "theirs")
            ]
            assert f"Value: /usr/bin/{shown}\n" in answer and f"Best: /usr/bin/{shown}\n" in answer
            assert os.readlink(root / "etc/alternatives/editor.1") == f"/usr/bin/{shown}.1"  # noqa: PTH115
            before = alternatives(root, "--auto", "editor")
            assert before == ""  # there is nothing to mend
