# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two masters and an instance with every kind of change, and what is to come of it, path by path."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

from tests.support.rebasing import Scene

#: CAP_NET_BIND_SERVICE, as setcap writes it.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
ODD = os.fsdecode(b"odd\n\xff name")
LINES = [f"option{number} = old\n" for number in range(12)]
STAMP = 1_500_000_000_123_456_789  # nanoseconds

_PASSWD = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
_GROUP = "root:x:0:\nwww-data:x:33:\n"
_SHADOW = "root:*:19000:0:99999:7:::\nwww-data:*:19000:0:99999:7:::\n"


def write(path: Path, content: str | bytes, mode: int = 0o644, owner: int = 0) -> None:
    """A file with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.chown(path, owner, owner)
    path.chmod(mode)


def replace_line(path: Path, number: int, text: str) -> None:
    """Change one line of a file of LINES."""
    lines = path.read_text().splitlines(keepends=True)
    lines[number] = text + "\n"
    path.write_text("".join(lines))


def make_master(root: Path) -> None:
    """What both masters begin with."""
    for name, text in (("passwd", _PASSWD), ("group", _GROUP)):
        write(root / "etc" / name, text)
    write(root / "etc/shadow", _SHADOW, 0o640)
    for name in ("mine", "both", "quarrel", "masters"):
        write(root / f"etc/{name}.conf", "".join(LINES))
    for name in ("tool", "hardened", "helper"):
        write(root / f"usr/bin/{name}", f"{name} 1\n", 0o4755 if name == "hardened" else 0o755)
    write(root / "usr/share/doc/deleted", "old\n")
    write(root / "usr/share/doc/superseded", "old\n")
    write(root / "usr/share/renewed/first", "old\n")
    write(root / "usr/share/renewed/deep/second", "old\n")
    write(root / "usr/share/was-directory/file", "old\n")
    write(root / "usr/lib/python3/mod.py", "old\n")
    write(root / "var/cache/tool/index", "old\n")
    write(root / "var/lib/timer/stamp", "")
    write(root / "usr/lib/skinnybox/instance/etc/apt/instances-only", "from master 1\n")
    (root / "var/log").mkdir(parents=True)
    (root / "srv").mkdir()


def change_master(root: Path) -> None:
    """What is other in the next version."""
    write(root / "etc/passwd", _PASSWD + "newcomer:x:101:101::/var/lib/newcomer:/usr/sbin/nologin\n")
    write(root / "etc/group", _GROUP + "newcomer:x:101:\n")
    write(root / "etc/shadow", _SHADOW + "newcomer:!:19500::::::\n", 0o640)
    write(root / "var/lib/newcomer/data", "newcomer's\n", owner=101)
    replace_line(root / "etc/both.conf", 1, "option1 = master's")
    replace_line(root / "etc/quarrel.conf", 5, "option5 = master's")
    replace_line(root / "etc/masters.conf", 5, "option5 = master's")
    for name in ("tool", "hardened", "helper"):
        write(root / f"usr/bin/{name}", f"{name} 2, fixed\n", 0o4755 if name == "hardened" else 0o755)
    (root / "usr/share/doc/superseded").unlink()
    write(root / "usr/share/renewed/third", "new\n")
    write(root / "usr/lib/skinnybox/instance/etc/apt/instances-only", "from master 2\n")
    write(root / "etc/skinnybox/rebase.conf", "# of the master\nmaster /srv/given-up/**\n")


def begin_layer(upper: Path, master: Path) -> None:
    """A layer as the first boot begins it."""
    shutil.copytree(master / "usr/lib/skinnybox/instance", upper, dirs_exist_ok=True)


def change_instance(root: Path) -> None:
    """What the instance did, through its mount."""
    for name, line in (
        ("passwd", "app:x:101:101::/srv/app:/bin/sh\n"),
        ("group", "app:x:101:\n"),
        ("shadow", "app:$6$salt$hash:19400:0:99999:7:::\n"),
    ):
        with (root / "etc" / name).open("a") as file:
            file.write(line)
    replace_line(root / "etc/mine.conf", 3, "option3 = mine")
    replace_line(root / "etc/both.conf", 10, "option10 = mine")
    replace_line(root / "etc/quarrel.conf", 5, "option5 = mine")
    write(root / "usr/bin/tool", "tool, built here\n", 0o755)
    (root / "usr/bin/hardened").chmod(0o755)
    (root / "usr/bin/helper").chmod(0o755)  # copied up, and nothing changed
    (root / "usr/share/doc/deleted").unlink()
    shutil.rmtree(root / "usr/share/renewed")
    write(root / "usr/share/renewed/own", "mine\n")
    shutil.rmtree(root / "usr/share/was-directory")
    (root / "usr/share/was-directory").symlink_to("/srv/moved")
    write(root / "usr/lib/python3/__pycache__/mod.cpython-311.pyc", b"\0compiled")
    write(root / "var/cache/tool/index", "made again\n")
    write(root / "etc/passwd-", "an old copy\n")
    write(root / "var/log/syslog", "it happened\n", 0o640)
    write(root / "srv/given-up/file", "not wanted any more\n")
    write(root / "srv/app/data", "data\n", 0o600, 101)
    os.setxattr(root / "srv/app/data", "user.note", b"mine")
    write(root / "srv/app/serve", "program\n", 0o755)
    os.setxattr(root / "srv/app/serve", "security.capability", CAPABILITY)
    write(root / "srv/app/one", "linked\n")
    (root / "srv/app/two").hardlink_to(root / "srv/app/one")
    with (root / "srv/app/sparse").open("wb") as file:
        file.truncate(8 << 20)
        file.seek(4 << 20)
        file.write(b"data in the middle")
    os.mkfifo(root / "srv/app/fifo", 0o620)
    os.mknod(root / "srv/app/null", 0o020666, os.makedev(1, 3))
    write(root / "srv" / ODD, "odd\n")
    os.utime(root / "var/lib/timer/stamp", ns=(STAMP, STAMP))
    os.utime(root / "srv/app/one", ns=(STAMP, STAMP))
    os.utime(root / "srv/app", ns=(STAMP, STAMP))


#: Path -> content of the file that is seen on the new master; None where there is nothing.
EXPECTED: dict[str, str | None] = {
    "/etc/passwd": _PASSWD
    + "app:x:101:101::/srv/app:/bin/sh\nnewcomer:x:102:102::/var/lib/newcomer:/usr/sbin/nologin\n",
    "/etc/mine.conf": "".join(LINES).replace("option3 = old", "option3 = mine"),
    "/etc/both.conf": "".join(LINES)
    .replace("option1 = old", "option1 = master's")
    .replace("option10 = old", "option10 = mine"),
    "/etc/quarrel.conf": "".join(LINES).replace("option5 = old", "option5 = mine"),
    "/etc/quarrel.conf.dpkg-dist": "".join(LINES).replace("option5 = old", "option5 = master's"),
    "/etc/masters.conf": "".join(LINES).replace("option5 = old", "option5 = master's"),
    "/usr/bin/tool": "tool, built here\n",
    "/usr/bin/hardened": "hardened 2, fixed\n",
    "/usr/bin/helper": "helper 2, fixed\n",
    "/usr/share/doc/deleted": None,
    "/usr/share/doc/superseded": None,
    "/usr/share/renewed/first": None,
    "/usr/share/renewed/deep": None,
    "/usr/share/renewed/third": "new\n",
    "/usr/share/renewed/own": "mine\n",
    "/usr/lib/python3/mod.py": "old\n",
    "/usr/lib/python3/__pycache__/mod.cpython-311.pyc": None,
    "/var/cache/tool/index": "old\n",
    "/etc/passwd-": None,
    "/var/log/syslog": "it happened\n",
    "/etc/apt/instances-only": "from master 2\n",
    "/srv/given-up/file": None,
    "/srv/app/data": "data\n",
    "/var/lib/newcomer/data": "newcomer's\n",
    f"/srv/{ODD}": "odd\n",
}
#: Path -> owner and mode.
OWNERS = {
    "/srv/app/data": (101, 0o600),
    "/var/lib/newcomer/data": (102, 0o644),
    "/usr/bin/hardened": (0, 0o755),
    "/etc/shadow": (0, 0o640),
}
#: Path -> rule and severity of what the report tells.
TOLD = {
    "/usr/bin/tool": ("stale", "danger"),
    "/etc/quarrel.conf": ("text-conflict", "conflict"),
    "/etc/both.conf": ("text-merged", "clean"),
    "/srv/given-up/file": ("policy-master", "note"),
}


def lively(scene: Scene) -> None:
    """Make all of it."""
    make_master(scene.old)
    shutil.copytree(scene.old, scene.new, dirs_exist_ok=True, ignore=shutil.ignore_patterns("master-id"))
    change_master(scene.new)
    begin_layer(scene.layers / "master-1/upper", scene.old)
    with scene.before() as root:
        change_instance(root)
