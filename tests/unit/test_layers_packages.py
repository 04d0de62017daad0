# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions sort as dpkg sorts them; differences belong to the packages that dpkg would name."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.by_package import PackageDifference
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.directory import DirectoryTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.packages import (
    Packages,
    parse_diversions,
    parse_fields,
    parse_status,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.report import Report, examine
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.versions import compare_versions
from tests.support import mounts

as_root = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")

VERSIONS = st.from_regex(r"(|[01]:)[0-9][0-9ab~+.]{0,5}(|-[01a~+.]{1,3})", fullmatch=True)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="there is no dpkg to compare with")
@settings(max_examples=60)
@given(one=VERSIONS, other=VERSIONS)
def test_versions_sort_as_dpkg_sorts_them(one: str, other: str) -> None:
    relation = {-1: "lt", 0: "eq", 1: "gt"}[compare_versions(one, other)]
    subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=True)
    assert compare_versions(other, one) == -compare_versions(one, other)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0-1"),
        ("1.0-1", "1.0-1+deb12u1"),
        ("1.9", "1.10"),
        ("9", "1:0"),
        ("1.0a", "1.0+"),
        ("7.88.1-10+deb12u9", "7.88.1-10+deb12u10"),
        ("", "0"),
        ("1.0-1~bpo12+1", "1.0-1"),
    ],
)
def test_versions_that_people_get_wrong(older: str, newer: str) -> None:
    assert compare_versions(older, newer) < 0 < compare_versions(newer, older)


def test_versions_that_look_different_and_are_not() -> None:
    assert compare_versions("1.0", "0:1.0") == compare_versions("1.0-0", "1.0") == compare_versions("1.01", "1.1") == 0


STATUS = """\
Package: one
Status: install ok installed
Architecture: all
Version: 1.0-1
Depends: two (>= 1), three
Description: short
 long line
 .
 more
Conffiles:
 /etc/one.conf 0123456789abcdef0123456789abcdef
 /etc/with blank 0123456789abcdef0123456789abcdef
 /etc/old 0123456789abcdef0123456789abcdef obsolete

Package: libtwo
Status: install ok half-configured
Multi-Arch: same
Architecture: amd64
Version: 2:1~x


Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


def test_a_status_file_is_read() -> None:
    one, two, gone = parse_status(STATUS)
    assert (one.key, one.version, one.depends, one.installed) == ("one", "1.0-1", "two (>= 1), three", True)
    assert [(conffile.path, conffile.obsolete) for conffile in one.conffiles] == [
        ("/etc/one.conf", False),
        ("/etc/with blank", False),
        ("/etc/old", True),
    ]
    assert list(one.fields)[:3] == ["Package", "Status", "Architecture"]
    assert one.fields["Description"] == "short\n long line\n .\n more"
    assert (two.key, two.installed, two.unpacked) == ("libtwo:amd64", False, True)
    assert not gone.unpacked
    assert parse_status("") == [] == parse_status("\n\n\n")
    assert parse_fields("A: b\n") == {"A": "b"}
    assert parse_diversions("/a\n/a.real\n:\n/b\n/c\np\n")[1].package == "p"


class Dpkg:
    """A package database and its files, written by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.info = root / "var/lib/dpkg/info"
        self.stanzas: dict[str, str] = {}

    def install(
        self, name: str, version: str, files: dict[str, str], conffiles: dict[str, str] | None = None, more: str = ""
    ) -> None:
        """Put a package there, over another version of it. Files of dpkg's names, with their contents."""
        self.info.mkdir(parents=True, exist_ok=True)
        listing = {
            "/.": None,
            **{str(parent): None for path in (*files, *(conffiles or {})) for parent in parents(path)},
        }
        for path, content in {**files, **(conffiles or {})}.items():
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
            listing[path] = None
        lines = "".join(
            f" {path} {hashlib.md5(content.encode()).hexdigest()}\n" for path, content in (conffiles or {}).items()
        )
        (self.info / f"{name}.list").write_text("".join(f"{path}\n" for path in listing))
        words = f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n{more}"
        self.write(name, words + (f"Conffiles:\n{lines}" if lines else ""))

    def remove(self, name: str, *files: str) -> None:
        """Remove a package; its conffiles stay."""
        for path in files:
            (self.root / path.lstrip("/")).unlink()
        (self.info / f"{name}.list").write_text("/.\n")
        self.write(name, self.stanzas[name].replace("install ok installed", "deinstall ok config-files"))

    def write(self, name: str, stanza: str) -> None:
        """The status file, as dpkg writes it: another file renamed over it."""
        self.stanzas[name] = stanza
        unfinished = self.root / "var/lib/dpkg/status-new"
        unfinished.write_text("\n".join(self.stanzas.values()))
        unfinished.rename(self.root / "var/lib/dpkg/status")


def md5(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


def parents(path: str) -> list[str]:
    return [str(parent) for parent in reversed(Path(path).parents)][1:]


def small_master(root: Path) -> Dpkg:
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:/bin/false\n")
    dpkg = Dpkg(root)
    dpkg.install("kept", "1", {"/usr/bin/kept": "1", "/usr/share/kept/a": "a", "/usr/share/kept/b": "b"})
    dpkg.install("configured", "1", {"/bin/configured": "1"}, {"/etc/configured.conf": "c", "/etc/removed.conf": "r"})
    dpkg.install("newer", "1", {"/usr/bin/newer": "1"}, {"/etc/newer/own": "1", "/etc/newer/theirs": "1"})
    dpkg.install("older", "2", {"/usr/bin/older": "2"})
    dpkg.install("lost", "1", {"/usr/bin/lost": "1"}, {"/etc/lost": "1"})
    return dpkg


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    """A report of an instance in which somebody worked with packages."""
    with mounts.memory() as there:
        master, upper, work, root = (there / name for name in ("master", "upper", "work", "root"))
        for made in (master, upper, work, root):
            made.mkdir()
        stanzas = small_master(master).stanzas
        with mounts.joined(upper, work, [master], root):
            dpkg = Dpkg(root)
            dpkg.stanzas = dict(stanzas)
            (root / "usr/bin/kept").write_text("broken into")
            shutil.rmtree(root / "usr/share/kept")
            (root / "bin/configured").touch()  # copied up, and as it was
            (root / "etc/configured.conf").write_text("by hand")
            (root / "etc/removed.conf").unlink()
            dpkg.install(
                "newer", "1.1", {"/usr/bin/newer": "1.1"}, {"/etc/newer/own": "1.1", "/etc/newer/theirs": "1.1"}
            )
            (root / "etc/newer/own").write_text("by hand")
            dpkg.install("older", "1.9", {"/usr/bin/older": "1.9"})
            dpkg.remove("lost", "/usr/bin/lost")
            dpkg.install("extra", "1", {"/usr/bin/extra": "1"}, {"/etc/extra": "1"})
            (root / "srv").mkdir()
            (root / "srv/foreign").write_text("x" * 5000)
        yield examine(str(upper), [str(master)], [], 0)


@as_root
def test_packages_are_told_apart_by_what_was_done_with_them(report: Report) -> None:
    rows = {row.name: row for row in report.packages}
    assert {name: row.change.value for name, row in rows.items()} == {
        "kept": "modified",
        "configured": "modified",
        "newer": "upgraded",
        "older": "downgraded",
        "lost": "removed",
        "extra": "installed",
    }
    assert (rows["newer"].master_version, rows["newer"].version) == ("1", "1.1")
    assert (rows["lost"].master_version, rows["lost"].version) == ("1", "")
    assert (rows["extra"].master_version, rows["extra"].version) == ("", "1")


@as_root
def test_files_of_packages_that_a_person_changed_are_named(report: Report) -> None:
    def named(row: PackageDifference) -> tuple[set[str], set[str]]:
        return set(row.conffiles), set(row.modified)

    found = {row.name: named(row) for row in report.packages}
    assert found["kept"] == (set(), {"/usr/bin/kept", "/usr/share/kept", "/usr/share/kept/a", "/usr/share/kept/b"})
    assert found["configured"] == ({"/etc/configured.conf", "/etc/removed.conf"}, set())
    assert found["newer"] == ({"/etc/newer/own"}, set())
    assert found["older"] == found["lost"] == found["extra"] == (set(), set())


@as_root
def test_differences_have_owners(report: Report) -> None:
    owned = {each.difference.path: each for each in report.owned}
    assert owned["/usr/bin/configured"].packages == ("configured",)  # dpkg says /bin/configured
    assert owned["/usr/bin/lost"].packages == ("lost",)
    assert owned["/var/lib/dpkg/info/newer.list"].packages == ("newer",)
    assert owned["/etc/extra"].packages == ("extra",) and owned["/etc/extra"].conffile
    assert {path for path, each in owned.items() if each.foreign} == {"/srv", "/srv/foreign"}
    assert owned["/var/lib/dpkg/status"].bookkeeping


def test_diverted_files_belong_to_who_brings_them(tmp_path: Path) -> None:
    dpkg = Dpkg(tmp_path)
    dpkg.install("original", "1", {"/usr/bin/tool": "1", "/usr/bin/local": "1"})
    dpkg.install("diverting", "1", {"/usr/bin/tool": "2"})
    (tmp_path / "var/lib/dpkg/diversions").write_text(
        "/usr/bin/tool\n/usr/bin/tool.real\ndiverting\n/usr/bin/local\n/usr/bin/local.dist\n:\n"
    )
    packages = Packages(DirectoryTree(tmp_path))
    assert packages.owners("/usr/bin/tool") == ("diverting",)
    assert packages.owners("/usr/bin/tool.real") == ("original",)
    assert packages.owners("/usr/bin/local") == () and packages.owners("/usr/bin/local.dist") == ("original",)
    assert packages.owners("/usr/bin") == ("diverting", "original")
    assert len(packages) == 2 and packages.files("nobody") == ()
