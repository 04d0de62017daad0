# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Overlay images as e2fsprogs and, where root may mount, as the kernel sees them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.skinnybox.xenserver.plugins.module_utils.model.identity import HostKey, Identity, Nic
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.image import SeedImage
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.overlay import build_overlay
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.tools import ToolError
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.tree import File, Layer, Link

MIB, GIB = 1 << 20, 1 << 30
SR_BLOCK = 2 * MIB
IDENTITY = Identity(
    instance="0b9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a01",
    pool="web",
    overlay="7c9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a02",
    hostname="web-001",
    nics=(Nic("aa:bb:cc:dd:ee:01"),),
    authorized_keys=("ssh-ed25519 AAAA me",),
    host_key=HostKey("the private key\n", "ssh-ed25519 BBBB root@web-001"),
)


def tool(*arguments: str) -> str:
    """Run a tool that must succeed and return what it printed."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C"}
    completed = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
    assert completed.returncode == 0, (arguments, completed.stdout, completed.stderr)
    return completed.stdout


def debugfs(image: SeedImage, command: str) -> str:
    return tool("debugfs", "-R", command, str(image.path))


def superblock(image: SeedImage) -> dict[str, str]:
    lines = tool("dumpe2fs", "-h", str(image.path)).splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def owner_and_mode(image: SeedImage, path: str) -> tuple[str, int, int]:
    """Return type, permissions and the number of opaque marks of a path that must be root's."""
    found = debugfs(image, f'stat "{path}"')
    [(kind, mode)] = re.findall(r"Type: (.*?) +Mode: +(\d+)", found)
    assert re.findall(r"User: +(\d+) +Group: +(\d+)", found) == [("0", "0")]
    return kind, int(mode, 8), len(re.findall("opaque", found))


def touched_blocks(path: Path) -> set[int]:
    """The SR blocks of a sparse file that have ever been written, be it with zeros."""
    found: set[int] = set()
    with path.open("rb") as file:
        end, size = 0, path.stat().st_size
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.update(range(start // SR_BLOCK, (end - 1) // SR_BLOCK + 1))
    return found


def uploaded(image: SeedImage, path: Path) -> Path:
    """Write the image's extents, and nothing else, to a new sparse file: what the SR holds after the upload."""
    with path.open("wb") as file:
        file.truncate(image.size)
        for offset, data in image.extents():
            file.seek(offset)
            file.write(data)
    return path


@pytest.fixture
def overlay(tmp_path: Path) -> SeedImage:
    return build_overlay(IDENTITY, GIB, tmp_path)


def test_sound_and_empty_handed(overlay, tmp_path):
    tool("e2fsck", "-fn", str(overlay.path))
    assert overlay.path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [overlay.path]


def test_superblock(overlay):
    found = superblock(overlay)
    assert found["Filesystem volume name"] == "skinny-overlay"
    assert found["Filesystem UUID"] == IDENTITY.overlay
    assert found["Filesystem state"] == "clean"
    assert found["Reserved block count"] == "0"
    assert found["Maximum mount count"] == "-1"
    # A feature more and the oldest guest (kernel 5.15, e2fsprogs 1.46) may refuse the disk.
    assert set(found["Filesystem features"].split()) == {
        *("has_journal", "ext_attr", "dir_index", "sparse_super2", "filetype", "extent", "64bit", "flex_bg"),
        *("large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum"),
    }


def test_the_controllers_own_configuration_does_not_matter(overlay, tmp_path, monkeypatch):
    configuration = tmp_path / "mke2fs.conf"
    configuration.write_text(
        "[defaults]\nbase_features = sparse_super,resize_inode\nblocksize = 1024\ninode_size = 128\n"
    )
    monkeypatch.setenv("MKE2FS_CONFIG", str(configuration))
    before = list(overlay.extents())
    overlay.path.unlink()
    assert list(build_overlay(IDENTITY, GIB, tmp_path).extents()) == before


def test_same_input_same_bytes(overlay, tmp_path):
    (tmp_path / "again").mkdir()
    again = build_overlay(IDENTITY, GIB, tmp_path / "again")
    assert list(again.extents()) == list(overlay.extents())


def test_owners_modes_and_contents(overlay):
    assert owner_and_mode(overlay, "/") == ("directory", 0o755, 0)
    assert owner_and_mode(overlay, "/.skinnybox") == ("regular", 0o644, 0)
    assert owner_and_mode(overlay, "/identity") == ("directory", 0o755, 0)
    assert owner_and_mode(overlay, "/identity/etc/netplan") == ("directory", 0o755, 1)
    assert owner_and_mode(overlay, "/identity/root") == ("directory", 0o700, 0)
    assert owner_and_mode(overlay, "/identity/etc/ssh/ssh_host_ed25519_key") == ("regular", 0o600, 0)
    assert debugfs(overlay, "cat /identity/etc/ssh/ssh_host_ed25519_key") == "the private key\n"
    assert debugfs(overlay, "cat /identity/etc/hostname") == "web-001\n"
    assert debugfs(overlay, "cat /.skinnybox").splitlines()[1] == f"instance={IDENTITY.instance}"
    assert re.findall(r"^ +\d+ .* (\S+)$", debugfs(overlay, "ls -l /personality"), re.M) == [".", ".."]


def test_personality(tmp_path):
    name = 'a "quoted" name'
    layer = Layer(
        (
            File(f"srv/{name}", b"1" * 100_000, 0o640),
            File("srv/empty", b""),
            Link("etc/localtime", "/usr/share/zoneinfo/UTC"),
            *(File(f"opt/many/{number:04}", b"x") for number in range(600)),
        )
    )
    image = build_overlay(IDENTITY, 64 * MIB, tmp_path, layer)
    tool("e2fsck", "-fn", str(image.path))
    quoted = name.replace('"', '""')
    assert debugfs(image, f'cat "/personality/srv/{quoted}"') == "1" * 100_000
    assert owner_and_mode(image, f"/personality/srv/{quoted}") == ("regular", 0o640, 0)
    assert owner_and_mode(image, "/personality/etc/localtime") == ("symlink", 0o777, 0)
    assert debugfs(image, "cat /personality/srv/empty") == ""
    assert debugfs(image, "cat /personality/opt/many/0599") == "x"


def test_nothing_is_left_after_an_error(tmp_path):
    with pytest.raises(ToolError, match="debugfs could not fill"):
        build_overlay(IDENTITY, 64 * MIB, tmp_path, Layer((File("large", bytes(range(1, 256)) * 300_000),)))
    with pytest.raises(ValueError, match="line break"):
        build_overlay(IDENTITY, 64 * MIB, tmp_path, Layer((File("two\nlines", b""),)))
    with pytest.raises(ValueError, match="the least"):
        build_overlay(IDENTITY, 4 * MIB, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_tools_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.tools._SEARCH_PATH", str(tmp_path)
    )
    with pytest.raises(ToolError, match="install the package e2fsprogs"):
        build_overlay(IDENTITY, GIB, tmp_path)


@pytest.mark.parametrize("size", [256 * MIB, 512 * MIB, GIB, 3 * GIB, 8 * GIB, GIB + 512])
def test_a_seed_touches_two_blocks_of_its_sr(tmp_path, size):
    image = build_overlay(IDENTITY, size, tmp_path)
    assert len({offset // SR_BLOCK for offset, _data in image.extents()}) == 2
    groups = tool("dumpe2fs", str(image.path))
    # The kernel zeroes in the background every inode table that is not marked.
    assert len(re.findall(r"^Group \d+:", groups, re.M)) == len(re.findall("ITABLE_ZEROED", groups))


@pytest.mark.parametrize(
    ("size", "grown"),
    [(64 * MIB, GIB), (256 * MIB, GIB), (256 * MIB, 64 * GIB), (GIB, 2 * GIB), (GIB, 64 * GIB), (16 * GIB, 64 * GIB)],
)
def test_grows_offline(tmp_path, size, grown):
    image = build_overlay(IDENTITY, size, tmp_path)
    os.truncate(image.path, grown)
    tool("e2fsck", "-f", "-p", str(image.path))
    tool("resize2fs", str(image.path))
    tool("e2fsck", "-fn", str(image.path))
    assert superblock(image)["Block count"] == str(grown // 4096)
    assert debugfs(image, "cat /identity/etc/hostname") == "web-001\n"


@contextmanager
def mounted(image: Path, mount_point: Path) -> Iterator[Path]:
    mount_point.mkdir(exist_ok=True)
    tool("mount", "-o", "loop,noatime,nodev,nosuid", str(image), str(mount_point))
    try:
        yield mount_point
    finally:
        tool("umount", str(mount_point))


def first_boot(upper: Path) -> None:
    """Write what a first boot writes: a few hundred small files, a journal of 8 MiB, logs that are synced at times."""
    for number in range(300):
        directory = upper / "var/lib" / f"service-{number % 40}" / "state"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / str(number)).write_bytes(b"x" * (number * 97 % 20_000))
    logs = upper / "var/log/journal"
    logs.mkdir(parents=True)
    with (logs / "system.journal").open("wb") as journal:
        os.posix_fallocate(journal.fileno(), 0, 8 * MIB)
        for offset in range(0, 8 * MIB, 16384):
            os.pwrite(journal.fileno(), b"x" * 700, offset)
            if offset % MIB == 0:
                os.fsync(journal.fileno())
    for name in ("syslog", "auth.log", "dpkg.log"):
        with (upper / "var/log" / name).open("ab", buffering=0) as log:
            for line in range(100):
                log.write(b"x" * 300)
                if line % 25 == 0:
                    os.fsync(log.fileno())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_first_boot_fits_into_the_budget(overlay, tmp_path):
    disk = uploaded(overlay, tmp_path / "disk")
    with mounted(disk, tmp_path / "mount") as top:
        first_boot(top / "layers/3c1f1d36/upper")
    with mounted(disk, tmp_path / "mount") as top:
        assert (top / "layers/3c1f1d36/upper/var/log/syslog").stat().st_size == 30_000
    tool("e2fsck", "-fn", str(disk))
    # 8 MiB are the journal's; 32 MiB is what a real first boot may take.
    assert len(touched_blocks(disk)) * SR_BLOCK <= 26 * MIB
