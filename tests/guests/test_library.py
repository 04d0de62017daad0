# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of the boot hooks' library that need no guest, run by the shell that they are run by in an initramfs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.lab import ROOT

LIBRARY = ROOT / "roles/overlayroot/files/root/usr/lib/skinnybox/library"
SHELLS = [shell for shell in ("dash", "busybox") if shutil.which(shell)]

FSTAB = """\
# <file system> <mount point> <type>
UUID=1 / ext4 errors=remount-ro 0 1
UUID=2\t/boot ext4 defaults 0 2
  UUID=3 /boot/efi vfat umask=0077 0 1
/swap.img none swap sw 0 0

UUID=4 /data ext4 nofail 0 2
"""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """A command that takes a script as its next argument."""
    return ["busybox", "sh", "-c"] if request.param == "busybox" else [request.param, "-c"]


def run(shell: list[str], state: Path, *lines: str) -> subprocess.CompletedProcess[bytes]:
    """Run lines of shell after the library's files, with a state directory of their own."""
    names = ("messages", "hypervisor", "devices", "overlay", "fstab", "report")
    script = [f". {LIBRARY}/{name}.sh" for name in names] + [f"state_directory={state}", *lines]
    return subprocess.run([*shell, "\n".join(script)], capture_output=True, check=False, timeout=20)


def test_fstab_loses_what_an_instance_does_not_have(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    fstab = tmp_path / "etc/fstab"
    fstab.write_text(FSTAB)
    for _boot in range(2):
        run(shell, tmp_path, "find_swap() { echo /dev/xvdc; }", f"adapt_fstab {tmp_path}")
    active = [line for line in fstab.read_text().splitlines() if line and not line.startswith("#")]
    assert active == [
        "UUID=4 /data ext4 nofail 0 2",
        "LABEL=skinny-swap none swap sw,nofail 0 0",
    ]


def test_a_change_to_fstab_by_its_owner_stays(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    fstab = tmp_path / "etc/fstab"
    fstab.write_text(FSTAB)
    run(shell, tmp_path, "find_swap() { :; }", f"adapt_fstab {tmp_path}")
    fstab.write_text(fstab.read_text() + "/dev/xvde /boot ext4 defaults 0 0\n")
    run(shell, tmp_path, "find_swap() { :; }", f"adapt_fstab {tmp_path}")
    assert fstab.read_text().endswith("\n/dev/xvde /boot ext4 defaults 0 0\n")


@pytest.mark.parametrize(
    ("request_", "header"),
    [
        ("xenstore_request 2 vm-data/a", b"\2" + bytes(11) + b"\x0a\0\0\0"),
        ("xenstore_request 11 vm-data/a " + 300 * "x", b"\x0b" + bytes(11) + b"\x36\x01\0\0"),
    ],
)
def test_xenstore_requests_have_the_wire_format(shell: list[str], tmp_path: Path, request_: str, header: bytes) -> None:
    # A pipe answers with the request itself, which has the type of a good answer.
    pipe = tmp_path / "xenbus"
    os.mkfifo(pipe)
    done = run(shell, tmp_path, f"xenbus={pipe}", request_)
    assert done.returncode == 0
    assert (tmp_path / "xenstore-reply").read_bytes()[:16] == header
    assert done.stdout.startswith(b"vm-data/a\0")


def test_an_error_of_xenstore_is_no_value(shell: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "xenbus"
    os.mkfifo(pipe)
    answer = r"dd() { command dd bs=1 count=0 2>/dev/null; printf '\020' >$state_directory/xenstore-reply; }"
    assert run(shell, tmp_path, f"xenbus={pipe}", answer, "xenstore_request 2 vm-data/a").returncode != 0


def test_a_report_is_one_line_of_words(shell: list[str], tmp_path: Path) -> None:
    run(
        shell,
        tmp_path,
        "write_key() { :; }",
        "master_id=m instance=i failure_code=blank failure_sentence='first; second'",
        "report_failure",
    )
    words = (tmp_path / "report").read_text().strip().split(";")
    assert words == ["state=failed", "master=m", "instance=i", "code=blank", "reason=first, second"]
