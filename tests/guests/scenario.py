# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What two master versions hold, and what three instances changed in the first: shell that runs in guests as root.

Debian packages lie in /root/packages of the guest meanwhile.
"""

from __future__ import annotations

from pathlib import Path

from tests.guests.packages import EXTRA_PACKAGE, NEWS, Package, demo, tool

#: Where packages lie in a guest while they are installed.
PACKAGES = "/root/packages"


def install(*packages: Package) -> str:
    """Shell that installs packages and asks nothing: changed conffiles stay."""
    files = " ".join(f"{PACKAGES}/{package.name}_{package.version}_all.deb" for package in packages)
    return f"dpkg --force-confdef --force-confold -i {files}"


# What both versions have, apart from a plain Debian. What timers start, and a service manager for each who logs in,
# would only take time from slow guests, whose disks may take minutes to appear while others boot.
FIRST_MASTER = f"""
mkdir -p /etc/systemd/system.conf.d
printf '[Manager]\\nDefaultDeviceTimeoutSec=15min\\n' > /etc/systemd/system.conf.d/slow.conf
{{ cd /etc/systemd/system/timers.target.wants && systemctl --quiet disable --now *; cd /; }}
systemctl --quiet mask user@.service
{install(demo("1.0"), tool("1.0"))}
mkdir -p /opt/site /opt/removed
for name in one two three; do echo "site $name" > /opt/site/$name; done
for name in deleted changed both; do echo "master's $name" > /opt/removed/$name; done
echo 'welcome to version 1' > /etc/motd
"""

# A newer skinny-demo and skinny-tool, a new package and a new person, a new file where there were files already.
SECOND_MASTER = f"""
{install(demo("2.0"), tool("1.1"), NEWS)}
useradd --create-home --shell /bin/bash oscar
echo hello > /home/oscar/letter; chown oscar: /home/oscar/letter
echo 'site four, new' > /opt/site/four
rm /opt/removed/changed /opt/removed/both
echo 'welcome to version 2' > /etc/motd
"""

# A package newer than the next master's, and one that only the instance has; a person with a password.
NEWER = f"""
{install(demo("3.0"), EXTRA_PACKAGE)}
useradd --create-home --shell /bin/bash --password '$6$salt$hash' alice
echo mine > /home/alice/mine; chown alice: /home/alice/mine
"""

# A package older than the next master's, one removed; conffiles as skinny-demo 2.0's administrator may find them.
OLDER = f"""
{install(demo("1.5"))}
dpkg --remove skinny-tool
sed -i 's/^listen = .*/listen = 8080/' /etc/skinny-demo/main.conf
echo 'mode = custom' > /etc/skinny-demo/extra.conf
echo 'quiet = yes' > /etc/skinny-demo/quiet.conf
chmod 0600 /etc/skinny-demo/loud.conf
"""

# Files of every kind; python3 for what needs system calls that no tool of a small Debian has.
FILES = """
rm /opt/removed/deleted /opt/removed/both
echo "instance's" >> /opt/removed/changed
rm -r /opt/site && mkdir /opt/site && echo 'site one, mine' > /opt/site/one
mkdir -p /srv/kinds/names && cd /srv/kinds
python3 - <<'PYTHON'
import os, struct

def write(path, content=b"x\\n", mode=0o644):
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)

# capabilities: cap_net_raw, effective and permitted, as setcap writes them (linux/capability.h, version 2)
write("capable", b"#!/bin/true\\n", 0o755)
os.setxattr("capable", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
# an ACL: user 1234 may read (linux/posix_acl_xattr.h, version 2)
write("listed", mode=0o640)
nobody = 0xFFFFFFFF
entries = [(1, 6, nobody), (2, 4, 1234), (4, 4, nobody), (16, 4, nobody), (32, 0, nobody)]
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr("listed", "system.posix_acl_access", acl)
os.setxattr("listed", "user.note", b"kept")
# hard links, a pipe, a device, links
write("names/first")
os.link("names/first", "names/second")
os.link("names/first", "third")
os.mkfifo("pipe", 0o600)
os.mknod("device", 0o20640, os.makedev(1, 3))
os.symlink("nowhere", "dangling")
# odd names
for name in (b"two words", b"new\\nline", b"-dash", b"quote'\\"", b"not utf-8 \\xff", b"semi;colon=", b"t" * 255):
    write(b"names/" + name, name)
# 100 MiB, of which 24 MiB are there
with open("large", "wb") as file:
    for start in range(0, 100, 33):
        file.seek(start << 20)
        file.write(os.urandom(6 << 20))
    file.truncate(100 << 20)
os.chown("large", 4321, 4321)
os.utime("large", ns=(10**18 + 1, 10**18 + 123456789))
PYTHON
"""


def build_packages(directory: Path) -> list[Path]:
    """All packages of the scenario, as files in a directory."""
    made = [demo("1.0"), demo("1.5"), demo("2.0"), demo("3.0"), tool("1.0"), tool("1.1"), NEWS, EXTRA_PACKAGE]
    return [package.build(directory) for package in made]
