# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an instance hands on: everything it has changed, as a plain archive, without itself and its secrets."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support import pictures
from tests.support.guest import MASTER_ID, run_guest_module
from tests.support.mounts import why_not
from tests.support.pictures import picture
from tests.support.promotion import SECRETS, Promotion, change, put

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def promotion(tmp_path: Path) -> Promotion:
    promotion = Promotion(tmp_path)
    with promotion.instance.running() as root:
        change(root)
    return promotion


def test_secrets_and_identity_stay_and_are_named(promotion: Promotion) -> None:
    done = promotion.export()
    assert not done.failed, done.msg
    reasons = {f"/{path}": reason for path, reason in SECRETS.items()}
    assert {path: done["scrubbed"].get(path) for path in reasons} == reasons
    with tarfile.open(promotion.archive) as tar:
        names = {member.name.removeprefix("root") for member in tar}
        everything = b"".join(file.read() for member in tar if member.isreg() and (file := tar.extractfile(member)))
    assert not {*reasons} & names
    for secret in (b"PRIVATE KEY", b"unspeakable", b"$6$salt$", b"web-017\n"):
        assert secret not in everything
    assert "/etc/fstab" not in names  # only the boot has changed it
    assert "/var/log/own" in names  # services need their directories
    assert promotion.archive.stat().st_mode & 0o7777 == 0o600
    assert set(done["deleted"]) >= {"/etc/gone", "/usr/share/doc/b/c", "/opt/tree/one", "/etc/becomes-file/inside"}
    assert (done["master_id"], done["changed"]) == (MASTER_ID, True)


def test_nothing_is_written_twice_or_in_check_mode(promotion: Promotion) -> None:
    before = picture(promotion.instance.upper)
    look = promotion.export(check=True)
    assert look["changed"]
    assert not promotion.archive.exists()
    first = promotion.export()
    inode = promotion.archive.stat().st_ino
    assert not promotion.export()["changed"]
    assert promotion.archive.stat().st_ino == inode
    assert (look["promoted"], look["scrubbed"]) == (first["promoted"], first["scrubbed"])
    assert not promotion.export(check=True)["changed"]
    assert picture(promotion.instance.upper) == before
    put(promotion.instance.upper, "srv/one-more")
    assert promotion.export(check=True)["changed"]


def test_what_people_say_goes_before_the_rules(promotion: Promotion) -> None:
    done = promotion.export(keep=["/home/*/.ssh/**", "/etc/shadow"], scrub=["/srv/**"])
    assert "/home/me/.ssh/id_ed25519" in done["promoted"]
    assert done["scrubbed"]["/srv/sparse"] == "asked"
    assert not [path for path in done["promoted"] if path.startswith("/srv/")]
    with tarfile.open(promotion.archive) as tar:
        index = tar.extractfile("skinnybox.json")
        assert index
        assert b"$6$salt$hash" in index.read()


def test_other_tools_read_the_archive(promotion: Promotion, tmp_path: Path) -> None:
    promotion.export()
    (tmp_path / "out").mkdir()
    command = ["tar", "-xzf", promotion.archive, "-C", tmp_path / "out", "--xattrs", "--xattrs-include=*"]
    subprocess.run([*command, "--numeric-owner", "--same-permissions"], check=True, timeout=60)
    with promotion.instance.running() as root:
        for path in ("srv/sparse", "srv/capable", "srv/shared", "srv/bytes", "srv/fifo", "usr/bin/own", "srv/link"):
            seen, unpacked = picture_of(root / path), picture_of(tmp_path / "out/root" / path)
            assert seen == unpacked, path
    unpacked = tmp_path / "out/root"
    assert (unpacked / "usr/bin/own").samefile(unpacked / "usr/bin/own-too")
    assert (unpacked / "srv/sparse").stat().st_blocks * 512 < 1 << 20


def picture_of(path: Path) -> object:
    return pictures.picture_of(os.fsencode(path))


def test_fstab_goes_when_a_person_has_changed_it(tmp_path: Path) -> None:
    promotion = Promotion(tmp_path)
    with (promotion.instance.upper / "etc/fstab").open("a") as file:
        file.write("nfs:/data /data nfs defaults 0 0\n")
    assert "/etc/fstab" in promotion.export()["promoted"]
    with tarfile.open(promotion.archive) as tar:
        member = tar.extractfile("root/etc/fstab")
        assert member
        text = member.read().decode()
    assert text == (promotion.golden / "etc/fstab").read_text() + "nfs:/data /data nfs defaults 0 0\n"


def test_what_is_refused(promotion: Promotion) -> None:
    assert "is a directory; dest is the archive" in refused(promotion, dest="/tmp")
    assert "There is no directory /nowhere" in refused(promotion, dest="/nowhere/x.tar.gz")
    assert "must begin with a slash" in refused(promotion, dest=str(promotion.archive), keep=["home/**"])
    os.setxattr(promotion.instance.upper / "etc", "trusted.overlay.redirect", b"/elsewhere")
    assert "redirect" in refused(promotion, dest=str(promotion.archive))
    assert not promotion.archive.exists()
    done = run_guest_module("overlay_export", dest="/tmp/x.tar.gz")
    assert "not a running Skinnybox instance" in done.msg


def refused(promotion: Promotion, **options: object) -> str:
    done = promotion.instance.run("overlay_export", **options)
    assert done.failed
    return done.msg


def test_another_kernel_is_refused(promotion: Promotion) -> None:
    put(promotion.instance.master, "boot/vmlinuz-6.1.0-1-amd64")
    put(promotion.instance.upper, "boot/vmlinuz-6.1.0-1-amd64", "the same kernel, touched")
    assert not promotion.export(check=True).failed
    put(promotion.instance.upper, "boot/vmlinuz-6.1.0-2-amd64")
    assert "other kernels than its master (/boot/vmlinuz-6.1.0-2-amd64)" in promotion.export().msg


def test_the_archive_is_never_part_of_itself(tmp_path: Path) -> None:
    promotion = Promotion(tmp_path)
    for name in ("archive.tar.gz", ".archive.tar.gz.new", "other.tar.gz"):
        put(promotion.instance.upper, f"root/{name}", "of an earlier run")
    done = promotion.instance.run("overlay_export", check=True, dest="/root/archive.tar.gz")
    assert [path for path in done["promoted"] if path.startswith("/root/")] == ["/root/other.tar.gz"]
