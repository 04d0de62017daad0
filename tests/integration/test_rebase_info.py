# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preview of a rebase: what it says comes true, and what it cannot know it does not say."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers import instance as running
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.manifest import ManifestTree
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.stack import Stack
from ansible_collections.skinnybox.xenserver.plugins.module_utils.layers.upper import Upper
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.decision import Decision
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.engine import decide
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.gather import gather
from ansible_collections.skinnybox.xenserver.plugins.module_utils.rebase.preview import is_unknown, preview

from ..support.ansible import Result
from ..support.debian import NEW, OLD, Root, Upgrade
from ..support.manifests import write_manifest
from ..support.mounts import memory, why_not
from ..support.package_changes import packages_changed

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

MIB = 1 << 20
#: What the manifest has no content of, or nothing at all; a cache is dropped whatever it has.
UNKNOWN = {"/etc/machine-id", "/etc/secret", "/var/log/syslog", "/var/cache/apt"}


@dataclass(frozen=True)
class World:
    """An instance, and the manifest of the master that it could go to."""

    upgrade: Upgrade
    manifest: Path

    def run(self, **options: Any) -> Result:
        return self.upgrade.instance.run("rebase_info", **{"manifest": str(self.manifest), **options})

    def decisions(self, **options: Any) -> dict[str, dict[str, Any]]:
        return {item["path"]: item for item in self.run(**options)["decisions"]}


def master_changes(root: Root) -> None:
    (root / "etc/passwd").write_text((root / "etc/passwd").read_text() + "theirs:x:1001:1001::/:/bin/sh\n")
    (root / "etc/group").write_text((root / "etc/group").read_text() + "theirs:x:1001:\n")
    (root / "srv").mkdir()
    (root / "srv/theirs").write_text("theirs\n")
    os.chown(root / "srv/theirs", 1001, 1001)
    (root / "etc/secret").write_text("new\n")
    (root / "etc/machine-id").write_text("")


def instance_changes(root: Root) -> None:
    (root / "etc/passwd").write_text((root / "etc/passwd").read_text() + "mine:x:1001:1001::/:/bin/sh\n")
    (root / "etc/group").write_text((root / "etc/group").read_text() + "mine:x:1001:\n")
    (root / "etc/secret").write_text("mine\n")
    (root / "etc/machine-id").write_text("0123\n")
    for path in ("var/log/syslog", "var/cache/apt/pkgcache.bin", "home/mine/file"):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(path)
    os.chown(root / "home/mine/file", 1001, 1001)
    (root / "home/mine" / os.fsdecode(b"odd\xff\n")).write_text("")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with memory() as directory:
        upgrade = Upgrade(directory)
        upgrade.old.make()
        (upgrade.old / "etc/secret").write_text("old\n")
        (upgrade.old / "etc/secret").chmod(0o600)
        packages_changed(upgrade)
        master_changes(upgrade.new)
        with upgrade.running() as root:
            instance_changes(root)
        yield World(upgrade, write_manifest(upgrade.new.path, NEW)[0])


def really(upgrade: Upgrade) -> dict[str, Decision]:
    """What the rebase itself decides."""
    lowers = [upgrade.instance.identity]
    base, lower = [*lowers, upgrade.old.path], [*lowers, upgrade.new.path]
    upper = upgrade.instance.upper
    sides, accounts = gather(Stack(base), Stack([upper, *base]), Stack(lower), Upper(upper).walk())
    return {decision.path: decision for decision in decide(sides, accounts)}


def test_what_the_preview_says_comes_true(world: World) -> None:
    upgrade = world.upgrade
    here = running.Instance("uuid", OLD, str(upgrade.overlay), str(upgrade.old.path), {})
    told = {one.path: one for one in preview(here, ManifestTree(world.manifest)).decisions}
    real = really(upgrade)
    unknown = {path for path, one in told.items() if is_unknown(one)}
    assert unknown == UNKNOWN
    del real["/etc/secret.dpkg-dist"]  # what comes of the secret file
    assert {path: told[path] for path in told if path not in unknown} == {
        path: real[path] for path in real if path not in unknown
    }


def test_what_needs_a_look_comes_first_and_the_rest_only_when_asked_for(world: World) -> None:
    result = world.run()
    assert (result["from_master"], result["to_master"], result["changed"]) == (OLD, NEW, False)
    severities = [item["severity"] for item in result["decisions"]]
    assert severities == ["danger"] * result["dangers"] + ["conflict"] * result["conflicts"] + ["note"]
    assert {item["path"]: item["rule"] for item in result["decisions"]} == {
        "/etc/clash.conf": "text-conflict",
        "/etc/older-mine.conf": "text-conflict",
        "/var/lib/dpkg/info/needs.list": "package-installed",
        "/var/lib/dpkg/info/older.list": "package-older",
    }
    assert result["decisions"][1]["change"] == "changed"
    assert not result["clean"] and result["notes"] and result["unknown"] == len(UNKNOWN)
    assert "needs will be broken: it needs gone (= 1)" in result["text"]
    assert result["text"].splitlines()[2].startswith("!! ")


def test_everything_can_be_asked_for_by_path(world: World) -> None:
    found = world.decisions(details="files", paths=["/home/**", "/var/cache/**", "/etc/passwd", "/usr/bin/removed"])
    assert found["/home/mine/file"]["action"] == "keep" and found["/home/mine/file"]["change"] == "added"
    assert "/home/mine/odd\\xff\n" in found or "/home/mine/odd\\xff\\n" in found
    assert found["/var/cache/apt/pkgcache.bin"]["action"] == "drop"
    assert (found["/etc/passwd"]["action"], found["/etc/passwd"]["severity"]) == ("write", "note")
    assert "theirs has the number" in found["/etc/passwd"]["reason"]
    assert found["/usr/bin/removed"]["change"] == "deleted"
    assert not [path for path in found if path.startswith("/usr/share")]


def test_what_a_manifest_cannot_tell_is_said_to_be_unknown(world: World) -> None:
    found = world.decisions(details="notes")
    assert {path for path, item in found.items() if item["unknown"]} == UNKNOWN
    assert all("unknown until then" in item["reason"] for item in found.values() if item["unknown"])
    assert found["/etc/merged.conf"]["rule"] == "text-merged"
    assert found["/var/lib/dpkg/info/older.list"]["reason"] == "older 2 of the instance gives way to the new master's 3"


def test_room_for_the_new_layer(world: World) -> None:
    result = world.run()
    assert result["fits"] and not result["grow_by"]
    large = world.upgrade.instance.upper / "large"
    status = os.statvfs(world.upgrade.overlay)
    large.write_bytes(b"x" * (status.f_bavail * status.f_frsize * 2 // 3))
    try:
        result = world.run()
    finally:
        large.unlink()
    assert not result["fits"] and not result["clean"]
    assert result["needed"] - result["free"] <= result["grow_by"] <= result["needed"] - result["free"] + 17 * MIB
    assert "grow the overlay disk by" in result["text"]


def changed_manifest(world: World, tmp_path: Path, *without: str, **header: object) -> Path:
    """A manifest without some paths, or with another header."""
    first, *lines = gzip.decompress(world.manifest.read_bytes()).splitlines()
    kept = [line for line in lines if json.loads(line)["path"] not in without]
    changed = tmp_path / "changed.jsonl.gz"
    changed.write_bytes(
        gzip.compress(b"\n".join([json.dumps({**json.loads(first), **header}).encode(), *kept]) + b"\n")
    )
    return changed


def test_manifests_that_cannot_be_used_are_refused(world: World, tmp_path: Path) -> None:
    tool = "/usr/lib/skinnybox/python/skinnybox/rebase/__main__.py"
    (tmp_path / "text").write_text("no manifest")
    complaints = {
        tmp_path / "nothing": "There is no manifest",
        tmp_path / "text": "is no manifest of a master",
    }
    for manifest, complaint in complaints.items():
        assert complaint in world.run(manifest=str(manifest)).msg
    for changed, complaint in {
        (): "on which the instance runs: nothing to do",
        (tool,): "has no rebase tool",
        ("/usr/bin/diff3",): "install the package diffutils",
        ("/var/lib/dpkg/status",): "no package database",
    }.items():
        manifest = changed_manifest(world, tmp_path, *changed, **({} if changed else {"master_id": OLD}))
        assert complaint in world.run(manifest=str(manifest)).msg


def test_layers_of_other_mount_options_are_refused(world: World) -> None:
    foreign = world.upgrade.instance.upper / "home"
    os.setxattr(foreign, "trusted.overlay.redirect", b"/elsewhere")
    try:
        assert "redirect" in world.run().msg
    finally:
        os.removexattr(foreign, "trusted.overlay.redirect")
