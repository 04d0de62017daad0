# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance without a VM: its disks are directories, and modules run on this machine as if they ran in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .ansible import Result, zygote
from .mounts import joined

MASTER_ID = "6f1f4a4e-6f0e-4f63-9c3a-2d1b50b7a001"
UUID = "0b0c5a7e-95a3-4a4c-8f44-5d0b6a1f0017"

#: What a boot leaves where modules look for it. Only the module sees it: its mounts are its own.
_BOOTED = """
mount -t tmpfs -o mode=0755 skinnybox-test /run
mkdir -p /run/skinnybox /run/initramfs/skinnybox/overlay /run/initramfs/skinnybox/master
echo {uuid} >/run/skinnybox/instance
echo 'state=running;master={master_id};instance={uuid};layer=kept' >/run/skinnybox/report
mount --bind {overlay} /run/initramfs/skinnybox/overlay
mount --bind {master} /run/initramfs/skinnybox/master
mount -t overlay -o lowerdir={etc}:/etc skinnybox-test /etc
"""


class Instance:
    """The master and the overlay disk of an instance, as plain directories below one."""

    def __init__(self, directory: Path, master_id: str = MASTER_ID) -> None:
        self.master_id = master_id
        self.master = directory / "master"
        self.overlay = directory / "overlay"
        self.identity = self.overlay / "identity"
        self.layer = self.overlay / "layers" / master_id
        self.upper = self.layer / "upper"
        self.point = directory / "root"
        for made in (self.master, self.identity, self.upper, self.layer / "work", self.point):
            made.mkdir(parents=True)

    @contextmanager
    def running(self) -> Iterator[Path]:
        """The instance's root, where it is mounted meanwhile."""
        with joined(self.upper, self.layer / "work", [self.identity, self.master], self.point):
            yield self.point

    def run(self, module: str, /, check: bool = False, diff: bool = False, **options: Any) -> Result:
        """Run a module in the instance; where it does not look below /run and /etc, it sees this machine."""
        return run_guest_module(module, check, diff, self.mounts(), **options)

    def mounts(self) -> str:
        """Shell commands after which a process with mounts of its own is in the instance."""
        etc = self.point.with_name("etc")
        (etc / "skinnybox").mkdir(parents=True, exist_ok=True)
        (etc / "skinnybox" / "master-id").write_text(f"{self.master_id}\n")
        words = {"uuid": UUID, "master_id": self.master_id, "overlay": self.overlay, "master": self.master, "etc": etc}
        return _BOOTED.format(**{name: shlex.quote(str(word)) for name, word in words.items()})


def run_guest_module(
    module: str, /, check: bool = False, diff: bool = False, mounts: str = "", **options: Any
) -> Result:
    """Run a module that knows no host pool on this machine, in a process of its own, and return its result."""
    zygote().start(module, {**options, "_ansible_check_mode": check, "_ansible_diff": diff}, mounts)
    _status, out, err = zygote().wait()
    assert "Traceback" not in err + out, err + out
    return Result(json.loads(out), err)
