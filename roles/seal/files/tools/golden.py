# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the golden VM is: its root file system, its system and how its network is configured."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import platform
import shlex

from commands import SealError, run

_SECTOR = 512
#: What the boot CD's own command line says, or what makes no sense there.
_REPLACED = ("BOOT_IMAGE=", "initrd=", "root=", "rootfstype=", "rootflags=", "skinnybox.", "cloud-init=")


@dataclasses.dataclass(frozen=True)
class RootFilesystem:
    """The root file system; ``partition_start`` is in bytes from the start of its disk ``disk`` (a kernel name)."""

    uuid: str
    fstype: str
    partition_start: int
    disk: str


def root_filesystem() -> RootFilesystem:
    """Find the file system mounted at ``/``. Raises SealError when it is not on a plain disk or partition."""
    number = pathlib.Path("/").stat().st_dev
    entry = pathlib.Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not entry.exists() or (entry / "dm").exists() or (entry / "md").exists():
        raise SealError("The root file system is not on a plain partition of a disk.")
    entry = entry.resolve()
    is_partition = (entry / "partition").exists()
    probe = run("blkid", "-p", "-o", "export", f"/dev/{entry.name}")
    tags = dict(line.split("=", 1) for line in probe.splitlines() if "=" in line)
    return RootFilesystem(
        uuid=tags["UUID"],
        fstype=tags["TYPE"],
        partition_start=int((entry / "start").read_text()) * _SECTOR if is_partition else 0,
        disk=entry.parent.name if is_partition else entry.name,
    )


def system() -> dict[str, str]:
    """Return ``id``, ``version_id`` and ``pretty_name`` of os-release(5)."""
    release = platform.freedesktop_os_release()
    return {name: release.get(name.upper(), "") for name in ("id", "version_id", "pretty_name")}


def network() -> str:
    """Return ``netplan`` where the guest is configured by it, else ``networkd``."""
    has_netplan = pathlib.Path("/usr/sbin/netplan").exists() and any(pathlib.Path("/etc/netplan").glob("*.yaml"))
    return "netplan" if has_netplan else "networkd"


def command_line(master_id: str, root_uuid: str) -> list[str]:
    """Return the kernel command line of instances, with what the golden VM's own adds."""
    words = [f"root=UUID={root_uuid}", "ro", f"skinnybox.master={master_id}"]
    words += ["console=tty0", "console=ttyS0,115200"]
    # An instance comes as itself; cloud-init would look for another identity and grow the master's partition.
    words.append("cloud-init=disabled")
    if network() == "networkd":
        words.append("systemd.wants=systemd-networkd.service")
    for word in shlex.split(pathlib.Path("/proc/cmdline").read_text()):
        if word not in ("ro", "rw", *words) and not word.startswith(_REPLACED):
            words.append(word)
    return words
