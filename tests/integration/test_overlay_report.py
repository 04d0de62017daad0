# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Module overlay_report finds every seeded change and nothing else, in an instance and on a mounted overlay disk."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.printable import printable
from tests.support import mounts, seeds
from tests.support.guest import MASTER_ID, UUID, Instance, run_guest_module
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "-")


def sealed(master: Path) -> None:
    """What makes a directory a master's root."""
    (master / "etc" / "skinnybox").mkdir(parents=True)
    (master / "etc" / "skinnybox" / "master-id").write_text("an-id\n")


@contextmanager
def ext4(image: Path, at: Path, *options: str) -> Iterator[Path]:
    """An overlay disk's file system, made if it is not there yet."""
    at.mkdir(exist_ok=True)
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", "16384", str(image)], check=True)
    with mounts.mounted("-o", ",".join(["loop", *options]), str(image), at=at):
        yield at
    wait_for(lambda: not loop_devices(image))


def loop_devices(image: Path) -> str:
    """Loop devices of a file: they go a moment after their last mount."""
    found = subprocess.run(["losetup", "-j", str(image)], check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout


def found_in(rows: list[dict[str, Any]]) -> dict[str, seeds.Expected]:
    """What a report says, in the words of the seeds; paths as they are printed."""
    return {
        row["path"]: seeds.Expected(
            row["change"],
            frozenset(row["metadata"]),
            frozenset(row["hides"]),
            frozenset(row["links"]),
            row["breaks_link"],
        )
        for row in rows
    }


def printed(expected: seeds.Expected) -> seeds.Expected:
    return seeds.Expected(
        expected.change,
        expected.metadata,
        frozenset(map(printable, expected.hides)),
        frozenset(map(printable, expected.links)),
        expected.breaks_link,
    )


def test_every_seeded_change_is_found_and_nothing_else(tmp_path: Path) -> None:
    master, disk, root = (tmp_path / name for name in ("master", "disk", "root"))
    seeds.prepare(master)
    sealed(master)
    root.mkdir()
    image = tmp_path / "overlay.raw"
    with ext4(image, disk) as overlay:
        layer, identity = overlay / "layers" / "an-id", overlay / "identity"
        for made in (layer / "upper", layer / "work", identity):
            made.mkdir(parents=True)
        with mounts.joined(layer / "upper", layer / "work", [identity, master], root):
            expected = {printable(path): printed(each) for path, each in seeds.change(root).items()}
    with ext4(image, disk, "ro") as overlay:
        upper = overlay / "layers" / "an-id" / "upper"
        options = {"upper": str(upper), "lowers": [str(overlay / "identity"), str(master)]}
        result = run_guest_module("overlay_report", details="files", checksums=True, **options)
    assert not result.failed, result.msg
    found = found_in(result["files"])
    assert len(expected) >= 200
    wrong = {path for path in {*found, *expected} if found.get(path) != expected.get(path)}
    assert not wrong, {path: (found.get(path), expected.get(path)) for path in sorted(wrong)[:5]}
    assert len(result["files"]) == len(found)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance that has changed a file of its master."""
    made = Instance(tmp_path)
    (made.master / "etc").mkdir()
    (made.master / "etc" / "motd").write_text("welcome\n")
    (made.identity / "etc").mkdir()
    (made.identity / "etc" / "hostname").write_text("web-001\n")
    with made.running() as root:
        (root / "etc" / "motd").write_text("go away\n")
        (root / "etc" / "hostname").write_text("web-001\n")
    return made


def test_an_instance_reports_itself(instance: Instance) -> None:
    result = instance.run("overlay_report", details="files")
    assert not result.failed and not result["changed"], result.msg
    assert result["instance"] == {"uuid": UUID, "master_id": MASTER_ID}
    assert {row["path"]: row["change"] for row in result["files"]} == {
        "/etc/hostname": "identical",
        "/etc/motd": "changed",
    }
    assert f"Instance {UUID} on master {MASTER_ID}" in result["text"]
    assert "1 changed" in result["text"] and "no forecast" in result["text"]
    assert result["disk"]["percent"] > 0 and result["disk"]["forecast"] is None


def test_less_is_returned_when_less_is_asked_for(instance: Instance) -> None:
    summary = instance.run("overlay_report", details="summary")
    assert summary["summary"]["differences"]["changed"] == 1
    assert not {"files", "packages", "largest"} & set(summary.data)
    packages = instance.run("overlay_report", largest=1)
    assert "files" not in packages and len(packages["largest"]) == 1
    files = instance.run("overlay_report", details="files", paths=["*/motd"], checksums=True)
    assert [row["path"] for row in files["files"]] == ["/etc/motd"]
    assert files["files"][0]["sha256"] == hashlib.sha256(b"go away\n").hexdigest()
    (instance.upper / "odd\nname").touch()
    for pattern in ("/odd*", "/odd?name", r"/odd[\]nname"):  # a backslash stands for itself in brackets
        assert [row["path"] for row in instance.run("overlay_report", details="files", paths=[pattern])["files"]] == [
            r"/odd\nname"
        ]


def test_files_that_every_new_instance_gets_are_no_differences(instance: Instance) -> None:
    given = instance.master / "usr/lib/skinnybox/instance/etc"
    for directory in (given, instance.upper / "etc"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "given").write_text("to each\n")
        (directory / "altered").write_text("to each\n")
    (instance.upper / "etc" / "altered").write_text("by hand\n")
    found = instance.run("overlay_report", details="files", paths=["*/given", "*/altered"])["files"]
    assert [(row["path"], row["change"]) for row in found] == [("/etc/altered", "changed")]


def test_samples_are_saved_when_asked_for_and_tell_when_the_disk_is_full(instance: Instance) -> None:
    kept = instance.overlay / "samples.jsonl"
    assert instance.run("overlay_report", save_sample=True, check=True)["changed"]
    assert not kept.exists()
    result = instance.run("overlay_report", save_sample=True)
    assert result["changed"] and result["growth_since"] is None
    sample = json.loads(kept.read_text())
    assert sample["used"] == result["disk"]["used"]
    grown = {"time": sample["time"] - 86400, "used": sample["used"] - 500_000_000, "directories": {}}
    before = {"time": sample["time"] - 2 * 86400, "used": sample["used"] - 1_000_000_000}
    kept.write_text(f"{json.dumps(grown)}\n{json.dumps(before)}\nwhat a crash has left of a li")
    result = instance.run("overlay_report", save_sample=True)
    assert result["disk"]["forecast"]["samples"] == 3
    assert "full in" in result["text"]
    assert result["growth"][0]["bytes"] > 0 and result["growth_since"]
    assert len(kept.read_text().splitlines()) == 3  # what was no sample is gone


def test_a_sample_that_cannot_be_saved_is_no_reason_to_say_nothing(instance: Instance) -> None:
    (instance.overlay / "samples.jsonl.new").mkdir()  # as good as a full disk: root may write everywhere else
    result = instance.run("overlay_report", save_sample=True)
    assert not result.failed and not result["changed"]
    assert "The sample could not be saved" in str(result["warnings"])


def test_a_layer_that_was_mounted_elsewhere_is_refused(instance: Instance) -> None:
    os.setxattr(instance.upper / "etc" / "motd", "trusted.overlay.metacopy", b"")
    result = instance.run("overlay_report")
    assert result.failed and "/etc/motd has the attribute trusted.overlay.metacopy" in result.msg


def test_what_is_no_instance_says_so() -> None:
    result = run_guest_module("overlay_report")
    assert result.failed and "not a running Skinnybox instance" in result.msg


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"upper": "layers/an-id/upper"}, "lowers"),
        ({"upper": "layers/an-id/upper", "lowers": []}, "must lie on something"),
        ({"upper": "nowhere", "lowers": ["master"]}, "nowhere is no directory"),
        ({"upper": "layers/an-id/upper", "lowers": ["nowhere"]}, "nowhere is no directory"),
        ({"upper": "layers/an-id/upper", "lowers": ["layers"]}, "not the root of a master"),
        ({"upper": "layers/other-id/upper", "lowers": ["master"]}, "was written on master other-id"),
        ({"upper": "master", "lowers": ["master"], "save_sample": True}, "is not layers/<master id>/upper"),
        ({"upper": "layers/an-id/upper", "lowers": ["master"], "largest": -1}, "must not be negative"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    sealed(tmp_path / "master")
    for made in ("an-id", "other-id"):
        (tmp_path / "layers" / made / "upper").mkdir(parents=True)
    places = {name: f"{tmp_path}/{options[name]}" for name in ("upper",)}
    if "lowers" in options:
        places |= {"lowers": [f"{tmp_path}/{lower}" for lower in options["lowers"]]}  # type: ignore[dict-item]
    result = run_guest_module("overlay_report", **{**options, **places})
    assert result.failed and complaint in result.msg
