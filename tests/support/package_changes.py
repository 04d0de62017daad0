# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A master, the next one and an instance, in which every kind of change of a package happens at least once."""

from __future__ import annotations

from .debian import Deb, Root, Upgrade

SHARED = {"Architecture": "amd64", "Multi-Arch": "same"}
TEXT = "first\nsecond\nthird\nfourth\nfifth\n"


def deb(name: str, version: str, *paths: str, control: dict[str, str] | None = None, **contents: str) -> Deb:
    """A package with a program, and files whose content names the version."""
    files = {f"/usr/bin/{name}": f"{name} {version}\n", **{path: f"{path} {version}\n" for path in paths}, **contents}
    return Deb(name, version, files, control or {})


def conf(name: str, version: str, text: str) -> Deb:
    return Deb(name, version, {f"/usr/bin/{name}": f"{name} {version}\n", f"/etc/{name}.conf": text})


OLD_MASTER = (
    deb("plain", "1", "/usr/share/plain/data"),
    deb("edited", "1", "/usr/bin/edited-strict", "/usr/share/edited/same"),
    deb("newer", "1", "/usr/share/newer/one", "/etc/newer.conf", "/etc/newer-old.conf"),
    deb("older", "1", "/usr/share/older/one", "/usr/share/older-one/data", "/etc/older.conf", "/etc/older-mine.conf"),
    deb("equal", "1", "/etc/equal.conf"),
    deb("gone", "1"),
    deb("removed", "1", "/usr/share/removed/one", "/etc/removed.conf"),
    deb("purged", "1", "/usr/share/purged/one", "/etc/purged.conf"),
    conf("merged", "1", TEXT),
    conf("clash", "1", TEXT),
    conf("untouched", "1", TEXT),
    deb("held", "1"),
    deb("libshared", "1", "/usr/lib/libshared.so.1", control=SHARED),
    deb("diverted", "1"),
    deb("same", "1", "/usr/share/same/data"),
)


OLDER_CONF = ("/etc/older.conf", "/etc/older-mine.conf")


def in_the_instance(root: Root) -> None:
    root.install(
        deb("newer", "3", "/usr/share/newer/three", "/etc/newer.conf", "/etc/newer-old.conf"),
        deb("older", "2", "/usr/share/older/two", "/etc/older.conf", "/etc/older-mine.conf"),
        deb("equal", "2", "/etc/equal.conf"),
        deb("extra", "1", "/etc/extra.conf", control={"Depends": "plain (>= 1)"}),
        deb("needs", "1", control={"Depends": "gone (= 1)"}),
        deb("libshared", "3", "/usr/lib/libshared.so.1", control=SHARED),
    )
    root.dpkg("--remove", "removed")
    root.dpkg("--purge", "purged")
    root.dpkg("--set-selections", text="held hold\n")
    root.divert(
        "dpkg-divert", "--local", "--rename", "--divert", "/usr/bin/diverted.real", "--add", "/usr/bin/diverted"
    )
    (root / "usr/bin/diverted").write_text("#!/bin/sh\nexec diverted.real\n")
    root.divert("dpkg-statoverride", "--update", "--add", "root", "adm", "0710", "/usr/bin/plain")
    (root / "usr/bin/edited").write_text("my own\n")
    (root / "usr/bin/edited-strict").chmod(0o700)
    (root / "usr/share/edited/same").write_text("mine\n")
    (root / "usr/share/same/data").write_text("mine\n")
    (root / "etc/older-mine.conf").write_text("mine\n")
    (root / "etc/merged.conf").write_text(TEXT.replace("first", "my first"))
    (root / "etc/clash.conf").write_text(TEXT.replace("third", "my third"))


def in_the_new_master(root: Root) -> None:
    root.dpkg("--purge", "gone")
    root.install(
        deb("plain", "2", "/usr/share/plain/data"),
        Deb("edited", "2", {
            "/usr/bin/edited": "edited 2\n", "/usr/bin/edited-strict": "strict 2\n",
            "/usr/share/edited/same": "/usr/share/edited/same 1\n",
        }),
        deb("newer", "2", "/usr/share/newer/two", "/etc/newer.conf", "/etc/newer-old.conf"),
        deb("older", "3", "/usr/share/older/three", "/usr/share/older-one/data", *OLDER_CONF),
        deb("equal", "2", "/etc/equal.conf"),
        deb("removed", "2", "/usr/share/removed/one", "/usr/share/removed-too/two", "/etc/removed.conf"),
        deb("purged", "2", "/usr/share/purged/one", "/usr/share/purged-too/two", "/etc/purged.conf"),
        conf("merged", "2", TEXT.replace("fifth", "new fifth")),
        conf("clash", "2", TEXT.replace("third", "new third")),
        conf("untouched", "2", TEXT + "sixth\n"),
        deb("held", "2"),
        deb("fresh", "1", "/etc/fresh.conf"),
        deb("libshared", "2", "/usr/lib/libshared.so.1", control=SHARED),
        deb("diverted", "2"),
    )  # fmt: skip


def packages_changed(upgrade: Upgrade) -> None:
    """Make the masters and change the instance; it is not mounted then, and nothing is rebased yet."""
    upgrade.make_old(*OLD_MASTER)
    in_the_new_master(upgrade.make_new())
    with upgrade.running() as root:
        in_the_instance(root)
