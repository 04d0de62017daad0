# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Debian as its installer leaves it; nothing in it is prepared for what the lab's users do with it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from lab.images.disk import DiskIdentity, build_disk, write_files
from lab.images.tools import ImageError, progress, run

__all__ = ["RELEASES", "ImageError", "Release", "blank_disk", "make_image"]

#: What a small server has. The cloud kernel holds the drivers of both Xen and virtio, and boots fastest.
# fmt: off
PACKAGES = [
    "linux-image-cloud-amd64", "initramfs-tools", "busybox", "zstd", "kmod", "udev", "e2fsprogs", "fdisk",
    "dosfstools", "systemd", "systemd-sysv", "systemd-timesyncd", "dbus", "libpam-systemd", "login",
    "passwd", "sudo", "procps", "psmisc", "less", "vim-tiny", "cron", "logrotate", "netplan.io",
    "iproute2", "iputils-ping", "netbase", "openssh-server", "ca-certificates", "python3", "python3-apt",
    "apt-utils", "qemu-guest-agent", "grub-common", "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin",
    "xorriso", "mtools",
]
# fmt: on

FSTAB = """\
# <file system> <mount point> <type> <options> <dump> <pass>
UUID={root} / ext4 errors=remount-ro 0 1
UUID={esp} /boot/efi vfat umask=0077 0 1
"""
NETPLAN = """\
network:
  version: 2
  ethernets:
    primary:
      match:
        name: "e*"
      dhcp4: true
"""
DEFAULT_GRUB = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
"""
HOSTS = """\
127.0.0.1 localhost
127.0.1.1 {hostname}
::1 localhost ip6-localhost ip6-loopback
"""


@dataclass(frozen=True)
class Release:
    """A release of Debian."""

    name: str
    suite: str


RELEASES = {"debian-12": Release("debian-12", "bookworm")}


def make_image(
    release: Release,
    output: Path,
    *,
    authorized_key: str,
    hostname: str,
    cache: Path,
    mirror: str | None = None,
    refresh: bool = False,
) -> None:
    """Write a bootable raw disk to output; a second call takes the disk from the cache. Raises ImageError."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,62})", hostname):
        raise ImageError(f"{hostname!r} is no host name")
    blank = blank_disk(release, cache=cache, mirror=mirror, refresh=refresh)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    run(["cp", "--sparse=always", blank, partial])
    _personalise(partial, authorized_key, hostname)
    partial.replace(output)


def blank_disk(release: Release, *, cache: Path, mirror: str | None = None, refresh: bool = False) -> Path:
    """The disk in the cache from which images are made; built unless it is there. Raises ImageError."""
    cache = cache.absolute()
    blank = cache / f"{release.name}-{_recipe(release, mirror)}.raw"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{release.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second takes what the first has built
        if refresh or not blank.exists():
            _build(release, blank, mirror)
            for outdated in cache.glob(f"{release.name}-*.raw"):
                if outdated != blank:
                    outdated.unlink()
    return blank


def _recipe(release: Release, mirror: str | None) -> str:
    """A short name for all that decides what the cached disk holds."""
    digest = hashlib.sha256(repr((release, mirror)).encode())
    for source in ("debian.py", "disk.py"):
        digest.update((Path(__file__).parent / source).read_bytes())
    return digest.hexdigest()[:12]


def _build(release: Release, blank: Path, mirror: str | None) -> None:
    identity = DiskIdentity()
    with tempfile.TemporaryDirectory(prefix="lab-image-", dir=blank.parent) as name:
        scratch = Path(name)
        scratch.chmod(0o755)  # mmdebstrap's mapped users look into it
        tree = scratch / "tree.tar"
        progress(f"installing {release.name} with mmdebstrap (a minute or two)")
        run(_mmdebstrap(release, tree, mirror, _files(scratch, identity)))
        progress("laying out the disk")
        disk = scratch / "disk.raw"
        build_disk(disk, tree, identity, scratch)
        disk.replace(blank)


def _files(scratch: Path, identity: DiskIdentity) -> list[str]:
    """Options for mmdebstrap that bring an installer's files before the kernel's packages look at them."""
    contents = {
        "/etc/fstab": FSTAB.format(root=identity.root, esp=identity.esp_serial),
        "/etc/default/grub": DEFAULT_GRUB,
        "/etc/netplan/50-installer.yaml": NETPLAN,
        "/etc/resolv.conf": "",
    }
    options = ['--essential-hook=mkdir -p "$1/etc/netplan" "$1/etc/default" "$1/boot/efi" "$1/boot/grub"']
    for path, text in contents.items():
        local = scratch / path.replace("/", "_")
        local.write_text(text, encoding="utf-8")
        hook = "customize" if path == "/etc/resolv.conf" else "essential"
        options.append(f"--{hook}-hook=upload {local} {path}")
    return options


def _mmdebstrap(release: Release, tree: Path, mirror: str | None, files: list[str]) -> list[str | Path]:
    command: list[str | Path] = [
        "mmdebstrap",
        "--variant=minbase",
        "--aptopt=Apt::Install-Recommends false",
        f"--include={','.join(PACKAGES)}",
        *files,
        '--customize-hook=chmod 0600 "$1/etc/netplan/50-installer.yaml"',
        '--customize-hook=install -d -m 0700 "$1/root/.ssh"',
        '--customize-hook=chroot "$1" systemctl enable systemd-networkd.service',
        release.suite,
        tree,
    ]
    if mirror:
        command.append(mirror)
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        raise ImageError("making a Debian without root needs newuidmap: install the package uidmap")
    return command


def _personalise(disk: Path, authorized_key: str, hostname: str) -> None:
    """Give a copy of the cached disk what no two machines share: name, machine id and SSH keys."""
    with tempfile.TemporaryDirectory(prefix="lab-image-", dir=disk.parent) as name:
        scratch = Path(name)
        files = {
            "/etc/hostname": (f"{hostname}\n", 0o644),
            "/etc/hosts": (HOSTS.format(hostname=hostname), 0o644),
            "/etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
            "/root/.ssh/authorized_keys": (authorized_key.rstrip("\n") + "\n", 0o600),
        }
        for kind in ("rsa", "ecdsa", "ed25519"):
            key = scratch / kind
            run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{hostname}", "-f", key])
            path = f"/etc/ssh/ssh_host_{kind}_key"
            files[path] = (key.read_text(encoding="utf-8"), 0o600)
            files[path + ".pub"] = (key.with_suffix(".pub").read_text(encoding="utf-8"), 0o644)
        write_files(disk, files, scratch)
