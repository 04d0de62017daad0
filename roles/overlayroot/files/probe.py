# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say as JSON whether this machine can become a master: ``refusals`` (sentences) and ``missing`` (packages)."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import shutil
import subprocess

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What the boot hooks rebase with; the one that Ansible uses may be another.
_PYTHON = "/usr/bin/python3"
_OLDEST_PYTHON = (3, 10)
#: What the hooks and the boot CD are made with -> the package that has it.
_NEEDS = {
    "blkid": "util-linux",
    "cmp": "diffutils",
    "debugfs": "e2fsprogs",
    "diff3": "diffutils",
    "grub-mkimage": "grub-common",
    "/usr/lib/grub/i386-pc": "grub-pc-bin",
    "/usr/lib/grub/x86_64-efi": "grub-efi-amd64-bin",
    "linux-version": "linux-base",
    "lsinitramfs": "initramfs-tools-core",
    "mcopy": "mtools",
    "mkinitramfs": "initramfs-tools",
    "modprobe": "kmod",
    "ssh-keygen": "openssh-client",
    "xorriso": "xorriso",
    _PYTHON: "python3",
}


def refusals() -> list[str]:
    """Return why this machine can be no golden VM, one sentence each."""
    found = []
    if shutil.which("dpkg-query", path=_PATH) is None:
        found.append("Its packages are not managed by dpkg; only Debian and Ubuntu are known.")
    if platform.machine() != "x86_64":
        found.append(f"Its architecture is {platform.machine()}; only x86_64 is known.")
    python = _python()
    if python is not None and python < _OLDEST_PYTHON:
        found.append(
            f"Its /usr/bin/python3 is {_dotted(python)}; instances need {_dotted(_OLDEST_PYTHON)} to be upgraded."
        )
    if _is_container():
        found.append("It is a container, which has no kernel and no root file system of its own.")
    elif pathlib.Path("/run/skinnybox/instance").exists():
        found.append("It is an instance; its golden VM is where the role belongs.")
    else:
        found += _root_refusals()
    if _installed("overlayroot"):
        found.append("The package overlayroot is installed; it would overlay the root a second time. Remove it.")
    if _installed("dracut"):
        found.append("Its initramfs is made by dracut; only initramfs-tools is known.")
    return found


def _python() -> tuple[int, ...] | None:
    """Return the version of the Python that the boot hooks run, None when there is none."""
    command = [_PYTHON, "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        return tuple(map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()))
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _is_container() -> bool:
    detector = shutil.which("systemd-detect-virt", path=_PATH)
    return detector is not None and subprocess.run([detector, "--container", "--quiet"], check=False).returncode == 0


def _root_refusals() -> list[str]:
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    fstype = [mount[2] for mount in mounts if mount[1] == "/"][-1]
    if fstype != "ext4":
        return [f"Its root file system is {fstype}; only ext4 on a plain partition can be shared by instances."]
    number = pathlib.Path("/").stat().st_dev
    device = pathlib.Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    kind = next((kind for kind in ("dm", "md", "loop") if (device / kind).exists()), "")
    if kind or not device.exists():
        what = {"dm": "LVM or encryption", "md": "RAID"}.get(kind, "a device that is no disk")
        return [f"Its root file system is on {what}; only ext4 on a plain partition can be shared by instances."]
    return []


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
    except FileNotFoundError:
        return False


def missing() -> list[str]:
    """Return the packages that have to be installed."""
    absent = [package for need, package in _NEEDS.items() if shutil.which(need, path=_PATH) is None]
    return sorted(set(absent) - {package for need, package in _NEEDS.items() if pathlib.Path(need).is_dir()})


if __name__ == "__main__":
    print(json.dumps({"refusals": refusals(), "missing": missing()}))
