# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the instances of scenario.py look on the second master version, file by file, in the words of look.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.guests.packages import EXTRA, LOUD, MAIN, QUIET

GONE = "gone"


def text(content: str, mode: str = "0644", owner: str = "root:root") -> str:
    """A short file."""
    return f"file {mode} {owner} {content!r}"


def program(name: str) -> str:
    """A program that says its version or name."""
    return text(f"#!/bin/sh\necho {name}\n", "0755")


@dataclass(frozen=True)
class Expected:
    """An instance after its upgrade."""

    #: path -> what look.py says of it
    files: dict[str, str]
    #: Debian package -> status and version, as `dpkg-query -W -f '${db:Status-Abbrev} ${Version}'` has them
    packages: dict[str, str]
    services: tuple[str, ...] = ("skinny-demo",)
    #: what `dpkg -V` says of the packages
    verified: tuple[str, ...] = ()
    #: paths that the upgrade reports as conflicts
    conflicts: tuple[str, ...] = ()
    users: tuple[str, ...] = field(default=("skinny-demo", "skinny-news", "oscar"))


#: What comes from the second master, whatever an instance did.
NEW = {
    "/etc/motd": text("welcome to version 2\n"),
    "/usr/bin/skinny-news": program("news"),
    "/var/lib/skinny-news/state": text("skinny-news\n", "0600", "skinny-news:skinny-news"),
    "/home/oscar/letter": text("hello\n", owner="oscar:oscar"),
    "/opt/site/four": text("site four, new\n"),
    "/var/lib/skinny-demo/state": text("skinny-demo\n", "0600", "skinny-demo:skinny-demo"),
}
TOOL = {
    "/usr/bin/skinny-tool": program("1.1"),
    "/usr/share/skinny-tool/since-1.1": text("new\n"),
    "/etc/skinny-tool.conf": text("colour = blue\n"),
}
NEW_PACKAGES = {"skinny-demo": "ii  2.0", "skinny-tool": "ii  1.1", "skinny-news": "ii  1.0"}


def demo_files(version: str) -> dict[str, str]:
    """The files of one version of skinny-demo, and of no other."""
    versions = ("1.0", "1.5", "2.0", "3.0")
    only = {f"/usr/share/skinny-demo/only-in-{v}": text(f"{v}\n") if v == version else GONE for v in versions}
    return {"/usr/bin/skinny-demo": program(version), "/usr/share/skinny-demo/version": text(f"{version}\n"), **only}


# skinny-demo 3.0 stays, as it is newer than the master's 2.0; skinny-extra and its service stay; alice keeps her
# number and her password, and oscar, who has the same number in the master, gets another one, also in his home.
NEWER = Expected(
    files={
        **NEW,
        **TOOL,
        **demo_files("3.0"),
        "/etc/skinny-demo/main.conf": text(MAIN["2"]),
        "/etc/skinny-demo/loud.conf": text(LOUD["2"]),
        "/usr/bin/skinny-extra": program("extra"),
        "/etc/skinny-extra.conf": text("extra = yes\n"),
        "/var/lib/skinny-extra/state": text("skinny-extra\n", "0600", "skinny-extra:skinny-extra"),
        "/home/alice/mine": text("mine\n", owner="alice:alice"),
        "/opt/site/one": text("site one\n"),
        "/opt/removed/changed": GONE,
    },
    packages={**NEW_PACKAGES, "skinny-demo": "ii  3.0", "skinny-extra": "ii  1.0"},
    services=("skinny-demo", "skinny-extra"),
    users=("skinny-demo", "skinny-news", "oscar", "skinny-extra", "alice"),
)

# skinny-demo 1.5 goes, as the master's 2.0 is newer; what the administrator wrote into its conffiles stays, and where
# both changed the same line the master's text lies beside it. skinny-tool stays removed, with what only 1.1 has.
OLDER = Expected(
    files={
        **NEW,
        **demo_files("2.0"),
        "/etc/skinny-demo/main.conf": text(MAIN["2"].replace("listen = 80", "listen = 8080")),
        "/etc/skinny-demo/extra.conf": text("mode = custom\n"),
        "/etc/skinny-demo/extra.conf.dpkg-dist": text(EXTRA["2"]),
        "/etc/skinny-demo/quiet.conf": text(QUIET.replace("no", "yes")),
        "/etc/skinny-demo/loud.conf": text(LOUD["2"], "0600"),
        "/usr/bin/skinny-tool": GONE,
        "/usr/share/skinny-tool/since-1.1": GONE,
        "/etc/skinny-tool.conf": text("colour = blue\n"),
        "/opt/site/one": text("site one\n"),
    },
    packages={**NEW_PACKAGES, "skinny-tool": "rc  1.0"},
    verified=(
        "??5?????? c /etc/skinny-demo/extra.conf",
        "??5?????? c /etc/skinny-demo/main.conf",
        "??5?????? c /etc/skinny-demo/quiet.conf",
    ),
    conflicts=("/etc/skinny-demo/extra.conf",),
)

# What was deleted stays deleted, also what was in a directory that was made anew, but new files of the master come.
# A file that the instance changed and the master removed stays, and is reported.
FILES = Expected(
    files={
        **NEW,
        **TOOL,
        **demo_files("2.0"),
        "/opt/removed/deleted": GONE,
        "/opt/removed/both": GONE,
        "/opt/removed/changed": text("master's changed\ninstance's\n"),
        "/opt/site/one": text("site one, mine\n"),
        "/opt/site/two": GONE,
        "/opt/site/three": GONE,
        "/etc/skinny-demo/loud.conf": text(LOUD["2"]),
    },
    packages=NEW_PACKAGES,
    conflicts=("/opt/removed/changed",),
)
