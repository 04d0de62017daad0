# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What instances have changed alike is found, and nothing that is one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.ansible import Result
from tests.support.guest import Instance, run_guest_module
from tests.support.mounts import why_not
from tests.support.promotion import put

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

STATUS = "Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: {version}\n\n"


def install(root: Path, name: str, version: str) -> None:
    put(root, f"var/lib/dpkg/info/{name}.list", f"/.\n/usr\n/usr/share\n/usr/share/{name}\n/usr/share/{name}/data\n")
    put(root, f"usr/share/{name}/data", f"{name} {version}" * 1000)
    with (root / "var/lib/dpkg/status").open("a") as file:
        file.write(STATUS.format(name=name, version=version))


def make_report(directory: Path, number: int) -> dict[str, Any]:
    """What overlay_report says of one of four instances; number 3 is another than the others."""
    instance = Instance(directory / str(number))
    put(instance.master, "var/lib/dpkg/status", STATUS.format(name="base", version="1"))
    for path in ("etc/motd", "etc/banner", "etc/fstab", "etc/shadow", "root/x", "var/log/x"):
        put(instance.master, path, "the master's")
    with instance.running() as root:
        put(root, "usr/local/bin/tool", "tool" * 5000, 0o755)
        put(root, "etc/banner", "the same everywhere" if number != 3 else "another one")
        put(root, "etc/own", f"of {number}")
        put(root, "etc/caf\udce9\\x", "odd")
        (root / "etc/motd").unlink()
        for path in (
            "etc/machine-id",
            "etc/fstab",
            "root/.bash_history",
            "var/log/x",
            "etc/shadow",
            "home/me/.ssh/id_rsa",
        ):
            put(root, path, "the same by chance")
        if number != 3:
            install(root, "nginx", "1.22")
    done = instance.run("overlay_report", details="files", checksums=True)
    assert not done.failed, done.msg
    return done.data


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("bake")
    return {f"web-00{number}": make_report(directory, number) for number in range(4)}


def advise(reports: dict[str, Any], **options: Any) -> Result:
    return run_guest_module("bake_info", reports=reports, **options)


def found(done: Result) -> dict[str, int]:
    return {f"{one['kind']} {one['name']} {one['change']}": len(one["instances"]) for one in done["alike"]}


def test_what_is_alike_everywhere(reports: dict[str, Any]) -> None:
    done = advise(reports, share=100)
    assert found(done) == {
        "file /usr/local/bin/tool added": 4,
        "file /etc/motd deleted": 4,
        "file /etc/caf\\xe9\\\\x added": 4,
    }
    taken = [one["allocated"] for report in reports.values() for one in report["files"] if "tool" in one["path"]]
    assert done["alike"][0]["saves"] == sum(taken) > 80000
    assert done["instances"] == 4
    assert "KiB in 4 instances:\n  file /usr/local/bin/tool (added) in 4 of 4, " in done["text"]
    assert "Remove these from the next master:\n  file /etc/motd (deleted) in 4 of 4" in done["text"]


def test_what_most_have_and_a_packages_files_are_not_told_again(reports: dict[str, Any]) -> None:
    done = advise(reports, share=75)
    assert found(done) == {
        **found(advise(reports, share=100)),
        "package nginx:all 1.22 installed": 3,
        "file /etc/banner changed": 3,
    }
    nginx = next(one for one in done["alike"] if one["kind"] == "package")
    assert (nginx["instances"], nginx["share"]) == (["web-000", "web-001", "web-002"], 75.0)
    assert found(advise(reports, share=76)) == found(advise(reports, share=100))
    assert "  and 2 more" in advise(reports, share=75, largest=2)["text"]


def test_nothing_alike(reports: dict[str, Any]) -> None:
    empty = {"packages": [], "files": [], "instance": reports["web-000"]["instance"]}
    done = advise({"one": empty, "two": empty})
    assert done["alike"] == []
    assert done["text"] == "Nothing was changed alike in at least 80 % of 2 instances."


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda all_of: {"web-000": all_of["web-000"]}, {}, "two instances at least"),
        (lambda all_of: all_of, {"share": 0}, "0 is no percentage"),
        (lambda all_of: {**all_of, "web-009": "failed"}, {}, "These are no reports: web-009"),
        (lambda all_of: {**all_of, "web-009": {"packages": []}}, {}, "report of web-009 has no files"),
    ],
)
def test_what_is_refused(reports: dict[str, Any], change: Any, options: dict[str, Any], words: str) -> None:
    done = advise(change(reports), **options)
    assert done.failed
    assert words in done.msg


def test_checksums_are_needed(reports: dict[str, Any]) -> None:
    bare = [{**one, "sha256": None} for one in reports["web-000"]["files"]]
    done = advise({**reports, "web-000": {**reports["web-000"], "files": bare}})
    assert done.failed
    assert "report of web-000 has no checksums" in done.msg
