# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Identities read back from overlay disks, on which a guest's root may have written anything."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.identity import (
    NETPLAN,
    NETWORKD,
    HostKey,
    Identity,
    Nic,
)
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.filesystem import seeded_area
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.identity import PATHS, identity_layer, stamp
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.overlay import build_from_layers, build_overlay
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.readback import read_identity
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.tree import File, Layer

MIB, GIB = 1 << 20, 1 << 30
WHO = Identity(
    instance="0b9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a01",
    pool="web",
    overlay="7c9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a02",
    hostname="web-001",
    nics=(Nic("aa:bb:cc:dd:ee:01"), Nic("aa:bb:cc:dd:ee:02")),
    authorized_keys=("ssh-ed25519 AAAA me",),
    host_key=HostKey("the private key\n", "ssh-ed25519 BBBB root@web-001"),
)
NEXT = "7c9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a03"


def read(image: Path, directory: Path) -> Layer | None:
    scratch = directory / "scratch"
    scratch.mkdir()
    return read_identity(image, WHO.instance, scratch)


def write(image: Path, *commands: str) -> None:
    """What root in the guest may do to the disk."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    for command in commands:
        subprocess.run(["debugfs", "-w", "-R", command, str(image)], env={**os.environ, "PATH": path}, check=True)


@pytest.mark.parametrize("network", [NETPLAN, NETWORKD])
@pytest.mark.parametrize("size", [64 * MIB, GIB, 40 * GIB])
def test_the_beginning_of_the_disk_gives_the_identity_back(tmp_path: Path, network: str, size: int) -> None:
    who = dataclasses.replace(WHO, network=network)
    image = build_overlay(who, size, tmp_path).path
    with image.open("r+b") as file:
        file.truncate(seeded_area(size))
        file.truncate(size)
    found = read(image, tmp_path)
    assert found == identity_layer(who)
    again = build_from_layers(stamp(who.instance, who.pool, NEXT), {"identity": found}, NEXT, size, tmp_path)
    (tmp_path / "second").mkdir()
    assert read(again.path, tmp_path / "second") == found


def test_little_of_a_disk_is_needed_and_every_file_is_known() -> None:
    assert seeded_area(GIB) < 32 * MIB
    for network in (NETPLAN, NETWORKD):
        files = identity_layer(dataclasses.replace(WHO, network=network)).entries
        assert {file.path for file in files} <= set(PATHS)


@pytest.mark.parametrize(
    "commands",
    [
        ["rm /.skinnybox"],
        ["rm /identity/etc/ssh/ssh_host_ed25519_key"],
        ["rm /identity/etc/machine-id", "symlink /identity/etc/machine-id /etc/passwd"],
        ["set_inode_field /identity/etc/hostname size 0x10000000000"],
    ],
)
def test_whoever_lost_his_identity_gets_none(tmp_path: Path, commands: list[str]) -> None:
    image = build_overlay(WHO, 64 * MIB, tmp_path).path
    write(image, *commands)
    assert read(image, tmp_path) is None


def test_another_instances_disk_and_no_file_system_at_all_give_none(tmp_path: Path) -> None:
    image = build_overlay(WHO, 64 * MIB, tmp_path).path
    (tmp_path / "one").mkdir()
    assert read_identity(image, NEXT, tmp_path / "one") is None
    blank = tmp_path / "blank"
    with blank.open("wb") as file:
        file.truncate(64 * MIB)
    assert read(blank, tmp_path) is None


def test_only_what_an_identity_has_is_taken_and_only_to_the_scratch_directory(tmp_path: Path) -> None:
    layer = identity_layer(WHO)
    more = Layer((*layer.entries, File("etc/shadow", b"root::"), File("etc/cron.d/x", b"* * * * * root x")))
    image = build_from_layers(
        stamp(WHO.instance, WHO.pool, WHO.overlay), {"identity": more}, WHO.overlay, 64 * MIB, tmp_path
    )
    before = set(tmp_path.iterdir())
    assert read(image.path, tmp_path) == layer
    assert set(tmp_path.iterdir()) - before == {tmp_path / "scratch"}
