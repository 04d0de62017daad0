# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance that has changed a bit of everything, and the golden VM that its master was sealed from."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

from .guest import MASTER_ID, Instance
from .pictures import picture

FSTAB = "UUID=1 / ext4 defaults 0 1\nUUID=2 /boot/efi vfat umask=0077 0 1\n/swapfile none swap sw 0 0\n# a comment\n"
ADAPTED = (
    "# UUID=1 / ext4 defaults 0 1\n# UUID=2 /boot/efi vfat umask=0077 0 1\n# /swapfile none swap sw 0 0\n# a comment\n"
    "# skinnybox: the lines above that an instance does not have are commented out\n"
    "LABEL=skinny-swap none swap sw,nofail 0 0\n"
)
PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
GROUP = "root:x:0:\ndaemon:x:1:\nusers:x:100:\n"
SHADOW = "root:$6$salt$secret:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
#: user::rw-, user:1:r--, group::r--, mask::r--, other::---
ACL = struct.pack("<I" + "HHI" * 5, 2, 1, 6, 2**32 - 1, 2, 4, 1, 4, 4, 2**32 - 1, 16, 4, 2**32 - 1, 32, 0, 2**32 - 1)
#: cap_net_raw+ep
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


class Promotion:
    """The instance, the golden VM's root, and the archive between them."""

    def __init__(self, directory: Path) -> None:
        self.instance = Instance(directory / "instance")
        self.golden = directory / "golden"
        self.archive = directory / "archive.tar.gz"
        make_master(self.instance.master)
        subprocess.run(["cp", "-a", self.instance.master, self.golden], check=True)
        put(self.instance.identity, "etc/hostname", "web-017\n")
        put(self.instance.upper, "etc/apt/preferences.d/skinnybox", "held\n")
        put(self.instance.upper, "etc/fstab", ADAPTED)

    def export(self, **options: Any) -> Any:
        with self.instance.running():
            return self.instance.run("overlay_export", dest=str(self.archive), **options)

    def expected(self, scrubbed: set[str]) -> dict[str, tuple[Any, ...]]:
        """What the golden VM should be: what the instance shows, and the master's where it is scrubbed."""
        with self.instance.running() as root:
            seen = picture(root, links=True)
        master = picture(self.instance.master, links=True)
        others = {*scrubbed, "/etc/hostname", "/etc/fstab"}
        kept = {path: one for path, one in seen.items() if path not in others}
        return without_accounts(kept | {path: one for path, one in master.items() if path in others})

    def now(self) -> dict[str, tuple[Any, ...]]:
        """What it is, without the files of accounts."""
        return without_accounts(picture(self.golden, links=True))


def without_accounts(seen: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {path: one for path, one in seen.items() if path not in ("/etc/passwd", "/etc/group", "/etc/shadow")}


def put(root: Path, path: str, content: str = "text", mode: int = 0o644) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(mode)
    return file


def make_master(root: Path) -> None:
    put(root, "etc/skinnybox/master-id", f"{MASTER_ID}\n")
    put(root, "usr/lib/skinnybox/instance/etc/apt/preferences.d/skinnybox", "held\n")
    for path, content in (("fstab", FSTAB), ("passwd", PASSWD), ("group", GROUP), ("hostname", "golden\n")):
        put(root, f"etc/{path}", content)
    put(root, "etc/shadow", SHADOW, 0o640)
    for path in ("etc/conf", "etc/gone", "usr/share/doc/a", "usr/share/doc/b/c", "opt/tree/one", "opt/tree/two/three"):
        put(root, path, path)
    for path in (
        "etc/becomes-directory",
        "var/log/syslog",
        "usr/bin/tool",
        "etc/ssl/private/old.key",
        "var/lib/skinnybox/x",
    ):
        put(root, path, path)
    put(root, "etc/becomes-file/inside")
    os.link(root / "usr/bin/tool", root / "usr/bin/tool1.0")
    (root / "etc/alternative").symlink_to("/usr/bin/tool")
    for path in ("tmp", "var/tmp", "var/cache/apt", "root", "home", "srv", "boot"):
        (root / path).mkdir(parents=True)


def change(root: Path) -> None:
    """What people do in an instance, as seen through its mount."""
    root.chmod(0o751)
    put(root, "etc/conf", "changed", 0o600)
    (root / "etc/gone").unlink()
    shutil.rmtree(root / "usr/share/doc")
    shutil.rmtree(root / "opt/tree")
    put(root, "opt/tree/two/new")  # its directory is opaque now
    (root / "etc/becomes-directory").unlink()
    put(root, "etc/becomes-directory/now")
    shutil.rmtree(root / "etc/becomes-file")
    put(root, "etc/becomes-file")
    put(root, "usr/bin/own", "program", 0o4755)
    os.link(root / "usr/bin/own", root / "usr/bin/own-too")
    os.chown(root / "srv", 1, 1)
    (root / "srv/link").symlink_to("no\\where")
    (root / "srv/caf\udce9\nname").write_text("odd")
    put(root, "srv/" + "long" * 60, "long")
    os.setxattr(put(root, "srv/capable"), "security.capability", CAPABILITY)
    os.setxattr(put(root, "srv/shared"), "system.posix_acl_access", ACL)
    os.setxattr(put(root, "srv/bytes"), "user.bytes", bytes(range(256)))
    os.mkfifo(root / "srv/fifo", 0o640)
    os.mknod(root / "srv/null", 0o020666, os.makedev(1, 3))
    with (root / "srv/sparse").open("wb") as file:
        file.truncate(3 << 20)
        for place in (1 << 19, 1 << 21):
            file.seek(place)
            file.write(b"data" * 3000)
    (root / "etc/alternative").unlink()
    (root / "etc/alternative").symlink_to("/usr/bin/own")
    (root / "var/log/own").mkdir()
    with (root / "etc/passwd").open("a") as file:
        file.write("app:x:998:998::/srv:/usr/sbin/nologin\n")
    with (root / "etc/group").open("a") as file:
        file.write("app:x:998:\n")
    with (root / "etc/shadow").open("a") as file:
        file.write("app:$6$salt$hash:19500:0:99999:7:::\n")
    os.chown(put(root, "srv/of-app"), 998, 998)
    for path in SECRETS:
        put(root, path, PRIVATE_KEY if path.endswith("key.pem") else "unspeakable")


SECRETS = {
    "etc/machine-id": "identity", "etc/hostname": "identity", "etc/ssh/ssh_host_ed25519_key": "identity",
    "etc/netplan/99-own.yaml": "network", "root/.bash_history": "history", "root/.ssh/authorized_keys": "secret",
    "home/me/.ssh/id_ed25519": "secret", "home/me/.cache/thing": "cache", "etc/ssl/private/new.key": "secret",
    "srv/app/key.pem": "secret", "var/log/own/log": "log", "var/cache/apt/pkgcache.bin": "cache",
    "tmp/x/y": "temporary", "etc/skinnybox/rebase.conf": "skinnybox", "boot/vmlinuz": "boot",
    "etc/passwd-": "state", "etc/apt/preferences.d/skinnybox": "identity",
}  # fmt: skip
